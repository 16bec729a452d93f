//! The control calls of `mcp-stdio-proxy`, for programs that were written against it.
//!
//! Owns its paths, its JSON field names and its envelope. It must not do anything that the API itself
//! cannot. It exists so that such programs need another address and nothing else; but unlike there a
//! failure has an honest HTTP status, so the envelope's `success` and the status never contradict.

mod body;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::json;
use standpipe_core::service::{ServiceId, Sharing};
use standpipe_core::status::{Phase, State as ServiceState};
use standpipe_process::Service;

use super::api::Plane;
use super::error::ControlError;
use super::request::{self, Name};
use crate::config;
use body::{Add, CheckStatus, McpType};

/// Bytes of a name that is made up; as hexadecimal digits it is as long as the origin's.
const NAME_BYTES: usize = 16;

/// The paths, to be added to those of the API.
pub(super) fn table() -> Router<Arc<Plane>> {
    Router::new()
        .route("/mcp/sse/add", post(add_sse))
        .route("/mcp/stream/add", post(add_stream))
        .route("/mcp/sse/check_status", post(check_status))
        .route("/mcp/stream/check_status", post(check_status))
        .route("/mcp/check/status/{id}", get(status))
        .route("/mcp/config/delete/{id}", delete(remove))
}

/// What every answer is wrapped in.
#[derive(Debug, Serialize)]
struct Envelope<T> {
    /// `0000`, or the number of an error.
    code: &'static str,
    message: String,
    data: Option<T>,
    tid: Option<String>,
    success: bool,
}

/// How a service is.
#[derive(Debug, Serialize)]
struct Report {
    ready: bool,
    status: Word,
    message: Option<String>,
}

/// The three states.
#[derive(Debug, Clone, Copy, Serialize)]
enum Word {
    Ready,
    Pending,
    Error,
}

/// A failure in the origin's envelope.
struct Failed {
    error: ControlError,
    /// Whether the call asks how a service is, and is told so in its own words too.
    reports: bool,
}

type Answer = Result<Response, Failed>;

async fn add_sse(State(plane): State<Arc<Plane>>, request: Request<Body>) -> Answer {
    let (service, mcp_type) = add(&plane, request).await.map_err(Failed::plain)?;
    let id = service.id();
    Ok(success(json!({
        "mcp_id": id,
        "sse_path": format!("/mcp/sse/proxy/{id}/sse"),
        "message_path": format!("/mcp/sse/proxy/{id}/message"),
        "mcp_type": mcp_type,
    })))
}

async fn add_stream(State(plane): State<Arc<Plane>>, request: Request<Body>) -> Answer {
    let (service, mcp_type) = add(&plane, request).await.map_err(Failed::plain)?;
    let id = service.id();
    Ok(success(json!({
        "mcp_id": id,
        "stream_path": format!("/mcp/stream/proxy/{id}"),
        "mcp_type": mcp_type,
    })))
}

/// How a service is; it is described and started where it is not. It is served under the paths of both
/// transports, so it does not matter which of the two paths is asked.
async fn check_status(State(plane): State<Arc<Plane>>, request: Request<Body>) -> Answer {
    let checking = async {
        plane.refuse_while_draining()?;
        let body: CheckStatus = request::shaped(request).await?;
        let id = ServiceId::new(&body.id)?;
        let service = match body.config.as_deref().filter(|text| !text.trim().is_empty()) {
            Some(text) => describe(&plane, id, text, body.lifecycle.unwrap_or_default())?,
            None => plane.wanted(id)?,
        };
        wake(&service).await;
        Ok(service)
    };
    let service = checking.await.map_err(Failed::reporting)?;
    Ok(success(Report::of(&service)))
}

async fn status(State(plane): State<Arc<Plane>>, name: Name) -> Answer {
    let id = request::id(name).map_err(Failed::reporting)?;
    let service = plane.app.registry.find(&id);
    let service = service.ok_or_else(|| Failed::reporting(ControlError::UnknownService { id }))?;
    Ok(success(Report::of(&service)))
}

async fn remove(State(plane): State<Arc<Plane>>, name: Name) -> Answer {
    let id = request::id(name).map_err(Failed::plain)?;
    plane.remove(&id).map_err(Failed::plain)?;
    Ok(success(json!({ "mcp_id": id, "message": format!("removed {id}") })))
}

async fn add(plane: &Plane, request: Request<Body>) -> Result<(Service, McpType), ControlError> {
    plane.refuse_while_draining()?;
    let body: Add = request::shaped(request).await?;
    let mcp_type = body.lifecycle.unwrap_or_default();
    let service = describe(plane, fresh_name(), &body.config, mcp_type)?;
    wake(&service).await;
    Ok((service, mcp_type))
}

fn describe(
    plane: &Plane,
    id: ServiceId,
    text: &str,
    mcp_type: McpType,
) -> Result<Service, ControlError> {
    let entry = body::entry(text, mcp_type)?;
    let spec = config::read_entry(id, &entry, &plane.app.configured.tuning())
        .map_err(ControlError::Entry)?;
    Ok(plane.describe(spec)?.service().clone())
}

/// Whoever asks wants it to run soon. One that fails is not tried again for that: it has its own pauses.
async fn wake(service: &Service) {
    if service.status().phase == Phase::Idle && service.spec().sharing == Sharing::Shared {
        service.start().await;
    }
}

fn fresh_name() -> ServiceId {
    let mut bytes = [0_u8; NAME_BYTES];
    // Without randomness the clock has to do; a name that is taken is described anew.
    if getrandom::fill(&mut bytes).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        bytes = now.unwrap_or_default().as_nanos().to_be_bytes();
    }
    let name = format!("{:032x}", u128::from_be_bytes(bytes));
    ServiceId::new(&name).expect("hexadecimal digits are a service id")
}

impl Report {
    fn of(service: &Service) -> Self {
        let status = service.status();
        let word = match status.state {
            ServiceState::Ready => Word::Ready,
            ServiceState::Pending => Word::Pending,
            ServiceState::Error => Word::Error,
        };
        let ready = matches!(word, Word::Ready);
        Self { ready, status: word, message: status.message.map(|message| message.to_string()) }
    }
}

impl Failed {
    const fn plain(error: ControlError) -> Self {
        Self { error, reports: false }
    }

    const fn reporting(error: ControlError) -> Self {
        Self { error, reports: true }
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let code = match self.error {
            ControlError::UnknownService { .. } => "0001",
            ControlError::Entry(_) => "0006",
            ControlError::Draining => "0003",
            _ => "0011",
        };
        let problem = self.error.problem();
        let report =
            || Report { ready: false, status: Word::Error, message: Some(problem.detail.clone()) };
        let data = self.reports.then(report);
        let envelope =
            Envelope { code, message: problem.detail.clone(), data, tid: None, success: false };
        // Its headers are right already.
        let mut response = self.error.into_response();
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut response = (status, Json(envelope)).into_response();
        for (name, value) in &headers {
            if name != http::header::CONTENT_TYPE {
                response.headers_mut().insert(name.clone(), value.clone());
            }
        }
        response
    }
}

fn success(data: impl Serialize) -> Response {
    let message = "success".to_owned();
    let envelope = Envelope { code: "0000", message, data: Some(data), tid: None, success: true };
    (StatusCode::OK, Json(envelope)).into_response()
}
