//! Why a request was not served by the child, in terms every transport can answer with.
//!
//! Owns the words, the JSON-RPC code and the HTTP status of each failure, so that both transports
//! and the server say the same. Must not know HTTP types: a status is a number here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::message::{Id, Outcome, RawJson, Response, error_object};
use crate::protocol::code;

/// Why a request could not be served, and by which service.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The service, as in the route.
    pub service: Arc<str>,
    /// What happened.
    pub kind: FaultKind,
    /// How long it will last at least, where that is known.
    pub again_in: Option<Duration>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// The service did not become ready within the time a caller waits; the start goes on.
    Starting,
    /// The child could not be started; the reason is what the launch or the handshake said.
    StartFailed(Arc<str>),
    /// Not started again before this much time has passed.
    CoolingDown(Duration),
    /// It failed too often and waits for somebody to look at it.
    CrashLoop,
    /// It is being stopped.
    Draining,
    /// It is not configured any more.
    Removed,
    /// No room for another process of its own for this caller.
    TooManyInstances,
    /// The child's input queue is full, or this client's share of it.
    Overloaded,
    /// The child ended while the request was open. It may have been carried out or not.
    ChildGone(Arc<str>),
    /// No answer in this much time; the child was told that the request is cancelled.
    Timeout(Duration),
    /// The request is longer than the service takes, in bytes.
    RequestTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer was longer than the service's limit, in bytes, and was not kept.
    AnswerTooLarge {
        /// How long it was in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// What the child sent under the request's id is not an answer.
    MalformedAnswer(Arc<str>),
    /// What the request asks for cannot be asked like that, in these words.
    Unfit(Arc<str>),
    /// The session is over.
    SessionOver,
    /// Standpipe holds as many unread answers as it may.
    AnswersHeld,
}

impl Fault {
    /// A failure of `service`.
    pub fn new(service: &Arc<str>, kind: FaultKind) -> Self {
        Self { service: Arc::clone(service), kind, again_in: None }
    }

    /// The same, which will last at least so long.
    #[must_use]
    pub fn again_in(self, left: Duration) -> Self {
        Self { again_in: Some(left), ..self }
    }

    /// The HTTP status of an answer that says so: 4xx where the caller is at fault, 503 where it may
    /// try again, 502 and 504 where the child failed it.
    pub fn status(&self) -> u16 {
        match self.kind {
            FaultKind::Starting
            | FaultKind::StartFailed(_)
            | FaultKind::CoolingDown(_)
            | FaultKind::CrashLoop
            | FaultKind::Draining
            | FaultKind::TooManyInstances
            | FaultKind::AnswersHeld
            | FaultKind::Overloaded => 503,
            FaultKind::Removed | FaultKind::SessionOver => 404,
            FaultKind::ChildGone(_)
            | FaultKind::AnswerTooLarge { .. }
            | FaultKind::MalformedAnswer(_) => 502,
            FaultKind::Timeout(_) => 504,
            FaultKind::Unfit(_) => 400,
            FaultKind::RequestTooLarge { .. } => 413,
        }
    }

    /// After how many seconds it is worth trying again, where it is.
    pub fn retry_after(&self) -> Option<u64> {
        if let Some(left) = self.again_in {
            return Some(left.as_secs() + 1);
        }
        match self.kind {
            FaultKind::CoolingDown(wait) => Some(wait.as_secs() + 1),
            FaultKind::CrashLoop => Some(60),
            FaultKind::StartFailed(_) | FaultKind::TooManyInstances => Some(5),
            FaultKind::Starting | FaultKind::Draining => Some(2),
            FaultKind::Overloaded | FaultKind::AnswersHeld => Some(1),
            _ => None,
        }
    }

    /// The JSON-RPC error code.
    pub fn code(&self) -> i32 {
        match self.kind {
            FaultKind::ChildGone(_) => code::CONNECTION_CLOSED,
            FaultKind::Timeout(_) => code::REQUEST_TIMEOUT,
            FaultKind::RequestTooLarge { .. } => code::INVALID_REQUEST,
            FaultKind::Unfit(_) => code::INVALID_PARAMS,
            FaultKind::AnswerTooLarge { .. } | FaultKind::MalformedAnswer(_) => {
                code::INTERNAL_ERROR
            }
            FaultKind::SessionOver | FaultKind::Removed => code::SESSION_NOT_FOUND,
            _ => code::UNAVAILABLE,
        }
    }

    /// The JSON-RPC error object.
    pub fn error(&self) -> RawJson {
        error_object(self.code(), &self.to_string(), None)
    }

    /// The answer to the request with this id.
    pub fn answer(&self, id: Id) -> Response {
        Response { id, outcome: Outcome::Error(self.error()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service `{}` ", self.service)?;
        match &self.kind {
            FaultKind::Starting => f.write_str("is still starting; try again shortly"),
            FaultKind::StartFailed(why) => {
                write!(f, "could not be started: {why}")?;
                let left = self.again_in;
                left.map_or(Ok(()), |left| write!(f, "; try again in {} s", left.as_secs() + 1))
            }
            FaultKind::CoolingDown(wait) => {
                write!(f, "is cooling down after a failure; try again in {} s", wait.as_secs() + 1)
            }
            FaultKind::CrashLoop => f.write_str(
                "failed too often and is not restarted by itself; its operator has to restart it",
            ),
            FaultKind::Draining => f.write_str("is being stopped; try again shortly"),
            FaultKind::Removed => f.write_str("is not configured"),
            FaultKind::TooManyInstances => {
                f.write_str("has no room for another process; try again shortly")
            }
            FaultKind::Overloaded => {
                f.write_str("has a full input queue (its own, or this client's share); try again")
            }
            FaultKind::ChildGone(how) => write!(
                f,
                "ended before it answered ({how}); whether the request took effect is unknown"
            ),
            FaultKind::Timeout(limit) => {
                write!(f, "did not answer within {limit:?}; the request was cancelled")
            }
            FaultKind::RequestTooLarge { limit } => {
                write!(f, "takes messages of at most {limit} bytes; this one is longer")
            }
            FaultKind::AnswerTooLarge { bytes, limit } => write!(
                f,
                "answered with {bytes} bytes; at most {limit} are passed on (max_message_bytes)"
            ),
            FaultKind::MalformedAnswer(why) => {
                write!(f, "answered with something that is not a JSON-RPC response: {why}")
            }
            FaultKind::Unfit(why) => write!(f, "refuses the request: {why}"),
            FaultKind::SessionOver => f.write_str("has ended this session; initialize a new one"),
            FaultKind::AnswersHeld => {
                f.write_str("answered, but too many unread answers are held; try again")
            }
        }
    }
}

impl std::error::Error for Fault {}
