//! The resources and the one template.
//!
//! Owns their contents, which the conformance suite prescribes.

use standpipe_testkit::wire::quote;

use crate::asking::{Caller, Question, State, Stop};
use crate::call::Reply;
use crate::server::Outcome;

/// A red pixel, PNG, base64.
pub(crate) const IMAGE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/// Silence, WAV, base64.
pub(crate) const AUDIO: &str = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";

/// The raw result of `resources/list`.
pub(crate) const LIST: &str = concat!(
    r#"{"resources":["#,
    r#"{"uri":"test://static-text","name":"static-text","title":"Static text","description":"A text that never changes","mimeType":"text/plain"},"#,
    r#"{"uri":"test://static-binary","name":"static-binary","title":"Static image","description":"An image that never changes","mimeType":"image/png"},"#,
    r#"{"uri":"test://watched-resource","name":"watched-resource","title":"Watched resource","description":"A text to subscribe to; the tool touch_resource announces a change","mimeType":"text/plain"}"#,
    r"]}"
);

/// The raw result of `resources/templates/list`.
pub(crate) const TEMPLATES: &str = r#"{"resourceTemplates":[{"uriTemplate":"test://template/{id}/data","name":"template","title":"Template","description":"A resource for every id","mimeType":"application/json"}]}"#;

/// The code for a resource that is not there, until 2025-11-25.
const RESOURCE_NOT_FOUND: i64 = -32002;

/// A resource that asks the user something when it is read; it is not listed.
pub(crate) const ASKING: &str = "test://asking";

/// Answers `resources/read`.
pub(crate) fn read(caller: Caller<'_>, uri: &str) -> Result<Outcome, Stop> {
    if uri == ASKING {
        return ask(caller);
    }
    Ok(plain(uri))
}

fn ask(caller: Caller<'_>) -> Result<Outcome, Stop> {
    let schema = r#"{"type":"object","properties":{"pass":{"type":"string"}},"required":["pass"]}"#;
    let question = Question {
        key: "pass",
        method: "elicitation/create",
        params: format!(r#"{{"message":"Who reads this?","requestedSchema":{schema}}}"#),
    };
    let replies = caller.ask(&[question], State::Kept)?;
    let answer = replies.first().map_or("null", Reply::raw);
    Ok(Outcome::Result(format!(r#"{{"contents":[{}]}}"#, text(ASKING, answer))))
}

fn plain(uri: &str) -> Outcome {
    let quoted = quote(uri);
    let content = match uri {
        "test://static-text" => text(uri, "This is the content of the static text resource."),
        "test://watched-resource" => text(uri, "Watched resource content"),
        "test://static-binary" => {
            format!(r#"{{"uri":{quoted},"mimeType":"image/png","blob":"{IMAGE}"}}"#)
        }
        _ => match template_id(uri) {
            Some(id) => templated(uri, id),
            None => {
                return Outcome::Error {
                    code: RESOURCE_NOT_FOUND,
                    message: "Resource not found".to_owned(),
                    data: Some(format!(r#"{{"uri":{quoted}}}"#)),
                };
            }
        },
    };
    Outcome::Result(format!(r#"{{"contents":[{content}]}}"#))
}

/// The `{id}` of `test://template/{id}/data`.
fn template_id(uri: &str) -> Option<&str> {
    let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

fn text(uri: &str, text: &str) -> String {
    format!(r#"{{"uri":{},"mimeType":"text/plain","text":{}}}"#, quote(uri), quote(text))
}

fn templated(uri: &str, id: &str) -> String {
    let data = quote(&format!("Data for ID: {id}"));
    let body = format!(r#"{{"id":{},"templateTest":true,"data":{data}}}"#, quote(id));
    let (uri, body) = (quote(uri), quote(&body));
    format!(r#"{{"uri":{uri},"mimeType":"application/json","text":{body}}}"#)
}
