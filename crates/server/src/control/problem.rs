//! Errors as callers see them: problem details of RFC 9457.
//!
//! Owns their shape. It must not know what can go wrong. It exists so that a program can tell what was
//! wrong where, and a person can read it.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The content type of a [`Problem`].
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of problem it is: a URN that does not change.
    #[serde(rename = "type")]
    #[schema(example = "urn:standpipe:problem:unknown-service")]
    pub kind: String,
    /// The same for people; also does not change.
    #[schema(example = "There is no such service")]
    pub title: String,
    /// The HTTP status of the answer.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
    /// What is wrong in the body, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemError>,
}

/// One mistake in a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemError {
    /// Where: a JSON pointer (RFC 6901) as a fragment.
    #[schema(example = "#/comand")]
    pub pointer: String,
    /// What.
    #[schema(example = "unknown key; did you mean `command`?")]
    pub detail: String,
    /// The valid key that was probably meant, where a key is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "command")]
    pub nearest: Option<String>,
}

impl Problem {
    /// The answer that says so.
    pub(super) fn response(&self) -> Response<Body> {
        let body = serde_json::to_vec(self).expect("texts and numbers are JSON");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The pointer to a key at this path.
pub(super) fn pointer(path: &[String]) -> String {
    let mut pointer = "#".to_owned();
    for segment in path {
        pointer.push('/');
        pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::pointer;

    #[test]
    fn pointers_escape_what_separates() {
        let path = |segments: &[&str]| {
            pointer(&segments.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(path(&[]), "#");
        assert_eq!(path(&["restart", "cooldown"]), "#/restart/cooldown");
        assert_eq!(path(&["env", "A/B~C.D"]), "#/env/A~1B~0C.D");
    }
}
