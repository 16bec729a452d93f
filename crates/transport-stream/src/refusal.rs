//! Why an HTTP request is refused, and the response that says so.
//!
//! Owns status, JSON-RPC code and wording of every refusal. Must not know how it was found out. It
//! exists so that no refusal is ever without its status, its code and advice.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use standpipe_core::connection::Session;
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::message::{Id, RawJson, Rejected, error_object};
use standpipe_core::protocol::{ProtocolVersion, code};
use standpipe_metrics::Outcome;

use crate::legacy::SERVED;
use crate::modern::{self, Unfit};
use crate::response::{self, StreamBody};

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error(
        "the body is longer than the {limit} bytes that this service takes (max_message_bytes)"
    )]
    TooLarge { limit: usize },
    #[error("the memory for request bodies is in use; try again")]
    NoMemory,
    #[error("the body did not arrive in time")]
    Stalled,
    #[error("the body could not be read to its end")]
    Broken,
}

/// Why a stream cannot be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventIdFault {
    #[error("`Last-Event-ID` is not an id of this server's events")]
    Malformed,
    #[error("`Last-Event-ID` names an event that this session has not been sent")]
    Unknown,
    #[error(
        "the stream that `Last-Event-ID` names is not kept any more: its answer was sent, or was \
         not fetched in time"
    )]
    Gone,
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this method is not allowed here; use {allow}")]
    Method { allow: &'static str },
    #[error("`Content-Type` must be application/json")]
    ContentType,
    #[error("`Accept` must allow {0}")]
    Accept(&'static str),
    #[error(transparent)]
    Body(Unread),
    #[error("{}", .0.explanation())]
    Message(Rejected),
    #[error("header `{0}` is given more than once, with different values")]
    HeaderRepeated(HeaderName),
    #[error("header `{0}` is not plain text")]
    HeaderNotText(HeaderName),
    #[error(
        "`MCP-Protocol-Version` {0:?} is not a revision of the protocol; served are {list}",
        list = Served
    )]
    VersionUnknown(String),
    #[error("`Mcp-Session-Id` is missing; begin with `initialize`, then send the id it returned")]
    SessionMissing,
    #[error("no such session (`Mcp-Session-Id`); it may have ended; initialize a new one")]
    SessionUnknown,
    #[error(
        "`initialize` was sent with `Mcp-Session-Id`: that session has been initialized; send it \
         without that header to open another one"
    )]
    SessionOpen,
    #[error("too many sessions are open; try again later")]
    TooManySessions,
    #[error("this session has {0} GET streams open already; close one first")]
    TooManyListeners(usize),
    #[error(transparent)]
    EventId(EventIdFault),
    #[error("a batch (JSON array) is not part of protocol version {0}; send one message a request")]
    Batch(ProtocolVersion),
    #[error("`initialize` must not be part of a batch")]
    InitializeInBatch,
    #[error("`initialize` needs `params` with `protocolVersion` and `capabilities`: {0}")]
    InitializeParams(#[source] serde_json::Error),
    #[error(transparent)]
    Modern(#[from] Unfit),
    #[error("{0}")]
    Fault(Fault),
}

/// The revisions that are served, as a list.
struct Served;

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", modern::SERVED)?;
        SERVED.iter().try_for_each(|version| write!(f, ", {version}"))
    }
}

impl Refusal {
    /// The way to the child was dropped and no answer with it.
    pub(crate) fn unanswered(session: &Session) -> Self {
        let kind = if session.is_over() {
            FaultKind::SessionOver
        } else {
            FaultKind::ChildGone("the connection to it was lost".into())
        };
        Self::Fault(session.gate().fault(kind))
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Accept(_) => StatusCode::NOT_ACCEPTABLE,
            Self::Body(Unread::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(Unread::Stalled) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(Unread::NoMemory) | Self::TooManySessions => StatusCode::SERVICE_UNAVAILABLE,
            Self::Body(Unread::Broken)
            | Self::Message(_)
            | Self::HeaderRepeated(_)
            | Self::HeaderNotText(_)
            | Self::VersionUnknown(_)
            | Self::SessionMissing
            | Self::SessionOpen
            | Self::EventId(EventIdFault::Malformed | EventIdFault::Unknown)
            | Self::Batch(_)
            | Self::InitializeInBatch
            | Self::InitializeParams(_) => StatusCode::BAD_REQUEST,
            // Not 404, which would tell the client that its session is gone.
            Self::EventId(EventIdFault::Gone) => StatusCode::GONE,
            Self::SessionUnknown => StatusCode::NOT_FOUND,
            Self::Modern(unfit) => unfit.status(),
            Self::TooManyListeners(_) => StatusCode::CONFLICT,
            Self::Fault(fault) => {
                StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// The JSON-RPC error code.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Message(rejected) => rejected.code(),
            Self::Modern(unfit) => unfit.code(),
            Self::InitializeParams(_) => code::INVALID_PARAMS,
            Self::SessionUnknown => code::SESSION_NOT_FOUND,
            Self::Fault(fault) => fault.code(),
            Self::TooManySessions | Self::TooManyListeners(_) | Self::Body(Unread::NoMemory) => {
                code::UNAVAILABLE
            }
            Self::Method { .. } | Self::ContentType | Self::Accept(_) => code::FORBIDDEN,
            Self::Body(_)
            | Self::HeaderRepeated(_)
            | Self::HeaderNotText(_)
            | Self::VersionUnknown(_)
            | Self::SessionMissing
            | Self::SessionOpen
            | Self::EventId(_)
            | Self::Batch(_)
            | Self::InitializeInBatch => code::INVALID_REQUEST,
        }
    }

    /// The JSON-RPC error object.
    pub(crate) fn error(&self) -> RawJson {
        match self {
            Self::Modern(unfit) => {
                error_object(self.code(), &self.to_string(), unfit.data().as_ref())
            }
            Self::Fault(fault) => fault.error(),
            _ => error_object(self.code(), &self.to_string(), None),
        }
    }

    /// How the request is counted.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Fault(fault) => response::outcome_of(fault),
            _ if self.status().is_client_error() => Outcome::Rejected,
            _ => Outcome::Unavailable,
        }
    }

    /// After how many seconds it is worth trying again, where it is.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Fault(fault) => fault.retry_after(),
            Self::Body(Unread::NoMemory) => Some(1),
            Self::TooManySessions => Some(5),
            _ => None,
        }
    }
}

/// A refusal, and the id to answer under, where one is known.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) id: Option<Id>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, id: None }
    }
}

impl Refused {
    pub(crate) fn into_response(self) -> Response<StreamBody> {
        let Self { refusal, id } = self;
        let body = error_body(id.as_ref(), &refusal.error());
        let mut answer = response::json(refusal.status(), StreamBody::whole(body));
        if let Some(seconds) = refusal.retry_after() {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Refusal::Method { allow } = refusal {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }
}

/// A JSON-RPC error response; its id is `null` where the request's is not known (JSON-RPC 2.0).
pub(crate) fn error_body(id: Option<&Id>, error: &RawJson) -> Bytes {
    let mut out = BytesMut::with_capacity(64 + error.as_bytes().len());
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.put_slice(id.map_or(&b"null"[..], Id::as_bytes));
    out.put_slice(b",\"error\":");
    out.put_slice(error.as_bytes());
    out.put_u8(b'}');
    out.freeze()
}
