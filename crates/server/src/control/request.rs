//! Reading what a caller sent: the name in the path and the body.
//!
//! Owns the bounds on a body, in bytes and in time. It must not know what a call does. It exists so
//! that every mistake a caller can make here becomes the same kind of answer.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use standpipe_core::service::ServiceId;
use tokio::time::timeout;

use super::error::ControlError;

/// The longest body, in bytes. A description with every variable of a large environment is a
/// fraction of it.
pub(super) const MOST_BYTES: usize = 1024 * 1024;

/// For a body to come in whole.
const PATIENCE: Duration = Duration::from_secs(10);

/// The name in a path, as the router found it.
pub(super) type Name = Result<Path<String>, PathRejection>;

pub(super) fn id(name: Name) -> Result<ServiceId, ControlError> {
    let Path(name) = name?;
    Ok(ServiceId::new(&name)?)
}

/// The body, which has to be a JSON object.
pub(super) async fn object(request: Request<Body>) -> Result<Map<String, Value>, ControlError> {
    if !is_json(request.headers()) {
        return Err(ControlError::MediaType);
    }
    let body = bytes(request.into_body()).await?;
    match serde_json::from_slice(&body).map_err(ControlError::Json)? {
        Value::Object(object) => Ok(object),
        _ => Err(ControlError::NotAnObject),
    }
}

/// The body as a type of its own.
pub(super) async fn shaped<T: DeserializeOwned>(request: Request<Body>) -> Result<T, ControlError> {
    let object = self::object(request).await?;
    serde_json::from_value(Value::Object(object)).map_err(ControlError::Shape)
}

async fn bytes(body: Body) -> Result<Bytes, ControlError> {
    let reading = timeout(PATIENCE, Limited::new(body, MOST_BYTES).collect()).await;
    match reading {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(ControlError::TooLarge { most: MOST_BYTES })
        }
        Ok(Err(_)) => Err(ControlError::BrokenBody),
        Err(_) => Err(ControlError::TooSlow { seconds: PATIENCE.as_secs() }),
    }
}

/// A page of a browser can send other types without asking first; this one it cannot.
fn is_json(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return false;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}
