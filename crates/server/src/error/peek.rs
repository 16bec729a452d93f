//! The id of a request that is refused before anybody parsed it.
//!
//! Owns a short look into a body. It must not be used for requests that go on. It exists so that a
//! JSON-RPC caller whose service does not exist gets the error under its own id.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

/// A longer body is not looked into, in bytes.
const LONGEST: usize = 64 * 1024;

/// A longer id is not given back, in bytes.
const LONGEST_ID: usize = 1024;

/// A body that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The JSON-RPC id in the body, if it is a request's and comes soon.
pub async fn peek_id<B>(request: &mut Request<B>) -> Option<Box<RawValue>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    #[derive(Deserialize)]
    struct Envelope {
        id: Box<RawValue>,
    }
    // To look into it would be to ask for it, where its client waits for a word before it sends.
    if request.body().size_hint().lower() > LONGEST as u64 {
        return None;
    }
    let body = pin!(Limited::new(request.body_mut(), LONGEST).collect());
    let body = timeout(PATIENCE, body).await.ok()?.ok()?.to_bytes();
    let Envelope { id } = serde_json::from_slice(&body).ok()?;
    let text = id.get();
    let usable = text.len() <= LONGEST_ID
        && text.starts_with(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    usable.then_some(id)
}
