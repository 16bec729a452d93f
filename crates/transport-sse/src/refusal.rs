//! Everything that is answered with an HTTP error.
//!
//! Owns the status, the JSON-RPC error and the words of each refusal. Must not know how one comes
//! about.
//!
//! Every message is answered exactly once: what was refused here gets nothing on the event stream,
//! and a request that was taken (202) gets its answer there, whatever becomes of it.

use bytes::Bytes;
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use standpipe_core::fault::Fault;
use standpipe_core::message::{Id, Message, MethodName, RawJson, Rejected, Response as Answer};
use standpipe_core::protocol::code;
use standpipe_metrics::Outcome;

use crate::body::BodyError;
use crate::calls::outcome_of;
use crate::connection::PhaseError;
use crate::handshake::HandshakeError;
use crate::response::{SseBody, json};

/// Why an HTTP request was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Anything but GET for the stream, but POST for messages.
    #[error("method {found} is not allowed here; use {allowed}")]
    Method { found: http::Method, allowed: &'static str },
    /// The client does not take an event stream.
    #[error("this endpoint answers with `text/event-stream`, which the `Accept` header excludes")]
    NotAcceptable,
    /// As many streams as there may be.
    #[error("{limit} event streams are open, which is the limit; try again later")]
    TooManyStreams { limit: usize },
    /// No new streams.
    #[error("Standpipe is shutting down; try again shortly")]
    ShuttingDown,
    /// Only JSON.
    #[error("the `Content-Type` header must be `application/json`")]
    ContentType,
    /// The body was not read to its end.
    #[error(transparent)]
    Body(BodyError),
    /// Not the URI of the `endpoint` event.
    #[error(
        "the query parameter `sessionId` is missing; POST to the URI of the `endpoint` event of \
         the event stream"
    )]
    SessionMissing,
    /// No such stream, here.
    #[error("unknown session; open a new event stream and initialize again")]
    SessionUnknown,
    /// Not a message.
    #[error("{}", .0.explanation())]
    Envelope(Rejected),
    /// An array.
    #[error("a batch is not allowed on HTTP+SSE; send each message in a POST of its own")]
    Batch,
    /// Not now.
    #[error("{error} (got `{method}`)")]
    Phase { error: PhaseError, method: MethodName },
    /// Not a usable `initialize`.
    #[error(transparent)]
    Handshake(HandshakeError),
    /// The service can't take it.
    #[error("{0}")]
    Fault(Fault),
    /// The same, for a request that was entered as an open call, but whose stream takes no answer.
    #[error("{0}")]
    Unanswerable(Fault),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::TooManyStreams { .. } | Self::ShuttingDown | Self::Body(BodyError::Exhausted) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::TooSlow) => StatusCode::REQUEST_TIMEOUT,
            Self::SessionUnknown | Self::Phase { error: PhaseError::Over, .. } => {
                StatusCode::NOT_FOUND
            }
            Self::Body(BodyError::BrokenOff)
            | Self::SessionMissing
            | Self::Envelope(_)
            | Self::Batch
            | Self::Phase { .. }
            | Self::Handshake(_) => StatusCode::BAD_REQUEST,
            Self::Fault(fault) | Self::Unanswerable(fault) => {
                StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    fn code(&self) -> i32 {
        match self {
            Self::TooManyStreams { .. } | Self::ShuttingDown | Self::Body(BodyError::Exhausted) => {
                code::UNAVAILABLE
            }
            Self::Method { .. } | Self::NotAcceptable | Self::ContentType => code::FORBIDDEN,
            Self::SessionMissing
            | Self::SessionUnknown
            | Self::Phase { error: PhaseError::Over, .. } => code::SESSION_NOT_FOUND,
            Self::Envelope(rejected) => rejected.code(),
            Self::Handshake(_) => code::INVALID_PARAMS,
            Self::Body(_) | Self::Batch | Self::Phase { .. } => code::INVALID_REQUEST,
            Self::Fault(fault) | Self::Unanswerable(fault) => fault.code(),
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Body(BodyError::Exhausted) => Some(1),
            Self::ShuttingDown => Some(2),
            Self::TooManyStreams { .. } => Some(5),
            Self::Fault(fault) | Self::Unanswerable(fault) => fault.retry_after(),
            _ => None,
        }
    }

    /// How a refused POST is counted, unless its call was counted already.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        Some(match self {
            Self::Unanswerable(_) => return None,
            Self::TooManyStreams { .. } | Self::ShuttingDown | Self::Body(BodyError::Exhausted) => {
                Outcome::Unavailable
            }
            Self::Fault(fault) => outcome_of(fault),
            _ => Outcome::Rejected,
        })
    }

    /// The response, for the request with this id where there is one.
    pub(crate) fn into_response(self, id: Option<Id>) -> Response<SseBody> {
        let document = match id {
            Some(id) => Message::Response(Answer::error(id, self.code(), &self.to_string()))
                .encode()
                .into_bytes(),
            None => without_id(self.code(), &self.to_string()),
        };
        let mut response = json(self.status(), document);
        let headers = response.headers_mut();
        if let Self::Method { allowed, .. } = self {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An error whose request is not known carries a null id (JSON-RPC 2.0, section 5).
fn without_id(code: i32, message: &str) -> Bytes {
    let message = RawJson::string(message);
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":{}}}}}"#,
        message.as_str()
    ))
}
