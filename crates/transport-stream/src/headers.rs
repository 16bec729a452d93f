//! What the headers of a request say: its era, what it accepts, what it carries, which session.
//!
//! Owns the reading of header values. Must not know what follows from them. It exists so that the
//! era is decided in one place, once.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName};
use standpipe_core::id::SessionId;
use standpipe_core::protocol::{Era, ProtocolVersion, header};

use crate::refusal::{EventIdFault, Refusal};

/// The session of a request, and of the answer that opens one.
pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static(header::SESSION_ID);

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static(header::PROTOCOL_VERSION);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static(header::LAST_EVENT_ID);

/// The `Accept` of most clients.
const BOTH: &[u8] = b"application/json, text/event-stream";

/// The two media types of the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    EventStream,
}

impl Media {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application", "json"),
            Self::EventStream => ("text", "event-stream"),
        }
    }
}

/// What `MCP-Protocol-Version` claims.
#[derive(Debug)]
pub(crate) enum Claim {
    /// A legacy revision, or none. The body may say otherwise, and is right then.
    Legacy(Option<ProtocolVersion>),
    /// A revision without sessions, known or not.
    Modern,
    /// No revision that ever was, nor one that may come, or two of them. The body says how this is
    /// refused; to a legacy client like this.
    Unclear(Refusal),
}

/// Decides the era of a request, as far as its headers go.
pub(crate) fn claim(headers: &HeaderMap) -> Claim {
    let text = match single(headers, PROTOCOL_VERSION) {
        Ok(None) => return Claim::Legacy(None),
        Ok(Some(text)) => text,
        Err(refusal) => return Claim::Unclear(refusal),
    };
    match ProtocolVersion::parse(text) {
        Some(version) if version.era() == Era::Legacy => Claim::Legacy(Some(version)),
        Some(_) => Claim::Modern,
        None if is_date(text) && text > ProtocolVersion::V2026_07_28.as_str() => Claim::Modern,
        None => Claim::Unclear(Refusal::VersionUnknown(text.to_owned())),
    }
}

/// Whether the `Accept` header allows a media type. Its absence does not: clients of this transport
/// must send it (2025-11-25, "Sending Messages to the Server").
pub(crate) fn accepts(headers: &HeaderMap, media: Media) -> bool {
    let (kind, subtype) = media.names();
    let mut best = (0, false);
    for value in headers.get_all(ACCEPT) {
        let Ok(value) = value.to_str() else {
            continue;
        };
        for range in value.split(',') {
            let mut parts = range.split(';');
            let name = parts.next().unwrap_or_default().trim();
            let Some((k, s)) = name.split_once('/') else {
                continue;
            };
            // The most specific range that matches decides (RFC 9110, section 12.5.1).
            let specificity = if k.eq_ignore_ascii_case(kind) && s.eq_ignore_ascii_case(subtype) {
                3
            } else if k.eq_ignore_ascii_case(kind) && s == "*" {
                2
            } else if k == "*" && s == "*" {
                1
            } else {
                continue;
            };
            if specificity > best.0 {
                best = (specificity, !parts.any(is_zero_quality));
            }
        }
    }
    best.1
}

fn accepts_both(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT).iter();
    if let (Some(only), None) = (values.next(), values.next())
        && only.as_bytes() == BOTH
    {
        return true;
    }
    accepts(headers, Media::Json) && accepts(headers, Media::EventStream)
}

/// Whether the body is said to be JSON, whatever the parameters.
pub(crate) fn carries_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = value.and_then(|v| v.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The session that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// None.
    Nothing,
    /// One that was never handed out.
    Impossible,
    /// This one.
    Session(SessionId),
}

/// Which session the request is of.
pub(crate) fn session(headers: &HeaderMap) -> Result<Named, Refusal> {
    let text = single(headers, SESSION_ID)?;
    Ok(text.map_or(Named::Nothing, |text| text.parse().map_or(Named::Impossible, Named::Session)))
}

/// Where a stream is to be resumed.
pub(crate) fn last_event(headers: &HeaderMap) -> Result<Option<EventId>, Refusal> {
    match single(headers, LAST_EVENT_ID)? {
        None | Some("") => Ok(None),
        Some(text) => {
            EventId::parse(text).map(Some).ok_or(Refusal::EventId(EventIdFault::Malformed))
        }
    }
}

/// One kind of stream or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamId {
    /// Of a POST: the number of its stream.
    Call(u32),
    /// Of a GET.
    Listener(u32),
}

/// An event's id: `<stream>/<number of the event>`, the stream's with a `g` in front where it was
/// opened by a GET. The specification wants ids that tell their stream (2025-11-25, "Resumability
/// and Redelivery").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) stream: StreamId,
    pub(crate) event: u32,
}

impl EventId {
    fn parse(text: &str) -> Option<Self> {
        let (stream, event) = text.split_once('/')?;
        let number = |text: &str| {
            let plain = text.bytes().all(|b| b.is_ascii_digit());
            if plain { text.parse().ok() } else { None }
        };
        let stream = match stream.strip_prefix('g') {
            Some(stream) => StreamId::Listener(number(stream)?),
            None => StreamId::Call(number(stream)?),
        };
        Some(Self { stream, event: number(event)? })
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.stream {
            StreamId::Call(number) => write!(f, "{number}/{}", self.event),
            StreamId::Listener(number) => write!(f, "g{number}/{}", self.event),
        }
    }
}

/// A header that may stand there once. Two readers could take different ones of several.
pub(crate) fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(&name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != first) {
        return Err(Refusal::HeaderRepeated(name));
    }
    first.to_str().map(|text| Some(text.trim())).map_err(|_| Refusal::HeaderNotText(name))
}

fn is_zero_quality(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>().is_ok_and(|q| q <= 0.0)
}

/// The form that names of revisions have.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Why the headers keep the body from being looked at.
pub(crate) fn unreadable(headers: &HeaderMap) -> Option<Refusal> {
    if !carries_json(headers) {
        return Some(Refusal::ContentType);
    }
    (!accepts_both(headers))
        .then_some(Refusal::Accept("both application/json and text/event-stream"))
}

#[cfg(test)]
mod tests;
