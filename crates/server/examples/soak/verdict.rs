//! What became of a request, and the one reading of JSON-RPC errors.
//!
//! Owns the words for good ends and for breaches of what is promised. Must not know how a request
//! was sent.

use serde_json::Value;

/// An end that may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The right answer, once.
    Right,
    /// No answer, because its client had cancelled it.
    Withdrawn,
    /// The child's question was refused, and the call says so.
    Declined,
    /// The client left before it could see an answer.
    Left,
    /// Not now; come again later.
    Unavailable,
    /// The child died with it, or on the way to it.
    Died,
    /// The session is over.
    Over,
}

impl Verdict {
    /// The word in the report.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Withdrawn => "cancelled",
            Self::Declined => "question refused",
            Self::Left => "left",
            Self::Unavailable => "unavailable",
            Self::Died => "died",
            Self::Over => "session over",
        }
    }

    /// Whether it may only be when something was done to the service.
    pub(crate) const fn needs_excuse(self) -> bool {
        matches!(self, Self::Unavailable | Self::Died | Self::Over)
    }
}

/// An end that must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Breach {
    /// No answer, and no word why.
    Lost,
    /// More than one answer.
    Twice,
    /// Something that belongs to somebody else.
    Crossed,
    /// An error that is not what an error has to be, or one without a cause.
    Dishonest,
}

impl Breach {
    /// The word in the report.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Twice => "answered twice",
            Self::Crossed => "crossed",
            Self::Dishonest => "dishonest",
        }
    }

    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Lost, Self::Twice, Self::Crossed, Self::Dishonest];
}

/// A breach, and what was seen.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) breach: Breach,
    pub(crate) seen: String,
}

impl Fault {
    pub(crate) fn new(breach: Breach, seen: impl Into<String>) -> Self {
        Self { breach, seen: seen.into() }
    }
}

/// What became of a request.
pub(crate) type Judged = Result<Verdict, Fault>;

/// The connection went away before it answered.
const CONNECTION_CLOSED: i64 = -32000;
/// The service cannot take it now.
const UNAVAILABLE: i64 = -32010;
/// The session is unknown or over.
const SESSION_NOT_FOUND: i64 = -32011;

/// The HTTP side of an error, where it was the whole response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) retry_after: bool,
}

/// Reads an error message: it has the request's own id, a code of those that are promised, words,
/// and, where it is the whole response, the status that belongs to the code.
pub(crate) fn of_error(message: &Value, id: &Value, refusal: Option<Refusal>) -> Judged {
    let dishonest = |why: &str| {
        Err(Fault::new(Breach::Dishonest, format!("{why}: {message} with {refusal:?}")))
    };
    if message["id"] != *id {
        return dishonest("an error without its request's id");
    }
    if message["error"]["message"].as_str().is_none_or(str::is_empty) {
        return dishonest("an error without words");
    }
    let (verdict, status) = match message["error"]["code"].as_i64() {
        Some(CONNECTION_CLOSED) => (Verdict::Died, 502),
        Some(UNAVAILABLE) => (Verdict::Unavailable, 503),
        Some(SESSION_NOT_FOUND) => (Verdict::Over, 404),
        _ => return dishonest("an error that nothing here causes"),
    };
    let Some(refusal) = refusal else {
        return Ok(verdict);
    };
    if refusal.status != status {
        return dishonest("a status that is not that of its error");
    }
    if refusal.status == 503 && !refusal.retry_after {
        return dishonest("503 without Retry-After");
    }
    Ok(verdict)
}
