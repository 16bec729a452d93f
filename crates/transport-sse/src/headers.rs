//! What a request's head says: the types it takes and sends, the session it belongs to.
//!
//! Owns the reading of `Accept`, `Content-Type` and the query. Must not know what is answered.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Uri};

/// The one parameter of the message endpoint.
pub(crate) const SESSION_PARAMETER: &str = "sessionId";

/// Whether the client takes an event stream. One that does not say takes anything
/// (RFC 9110, section 12.5.1).
pub(crate) fn accepts_event_stream(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(media_range)
        .peekable();
    if ranges.peek().is_none() && !headers.contains_key(ACCEPT) {
        return true;
    }
    // The most specific range decides; `text/event-stream;q=0, */*` is a refusal.
    ranges.max_by_key(|(specificity, _)| *specificity).is_some_and(|(_, wanted)| wanted)
}

/// How closely a media range fits an event stream, and whether it is wanted; `None` when it does
/// not fit.
fn media_range(range: &str) -> Option<(u8, bool)> {
    let mut parts = range.split(';').map(str::trim);
    let specificity = match parts.next()?.to_ascii_lowercase().as_str() {
        "text/event-stream" => 2,
        "text/*" => 1,
        "*/*" => 0,
        _ => return None,
    };
    let refused = parts.any(|parameter| {
        let weight =
            parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
        weight.is_some_and(|(_, value)| value.trim().parse::<f32>().is_ok_and(|q| q <= 0.0))
    });
    Some((specificity, !refused))
}

/// Whether the body says that it is JSON. Parameters such as a charset do not matter: JSON is UTF-8.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value: &HeaderValue| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The session that the query names. Session ids are plain digits, so nothing has to be decoded.
pub(crate) fn session(uri: &Uri) -> Option<&str> {
    uri.query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(name, value)| (name == SESSION_PARAMETER).then_some(value))
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
