//! What an answer says about how a call went.
//!
//! Owns the few members that a trace records of it. It must not keep the answer.

use serde::Deserialize;
use standpipe_core::message::{Outcome, Response};
use standpipe_core::protocol::method;

/// The longest description of an error in a trace, in characters.
const LONGEST_MESSAGE: usize = 256;

/// How a call failed, in the words of the semantic conventions for MCP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// `error.type`.
    pub(super) kind: String,
    /// `rpc.response.status_code`: the code of the JSON-RPC error, where it is one.
    pub(super) code: Option<String>,
    /// The status' description.
    pub(super) message: String,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct ToolResult {
    #[serde(default, rename = "isError")]
    is_error: bool,
}

impl Failure {
    /// The failure that `answer` tells of, if it does, to a call of `called`.
    pub(super) fn of(answer: &Response, called: &str) -> Option<Self> {
        match &answer.outcome {
            Outcome::Error(raw) => {
                let error = serde_json::from_slice::<ErrorObject>(raw.as_bytes()).ok();
                let code = error.as_ref().map(|error| error.code.to_string());
                let message = error.map(|error| error.message).unwrap_or_default();
                Some(Self {
                    kind: code.clone().unwrap_or_else(|| "_OTHER".to_owned()),
                    code,
                    message: message.chars().take(LONGEST_MESSAGE).collect(),
                })
            }
            Outcome::Result(raw) if called == method::TOOLS_CALL => {
                let result = serde_json::from_slice::<ToolResult>(raw.as_bytes()).ok()?;
                let (kind, message) = ("tool_error".to_owned(), String::new());
                result.is_error.then_some(Self { kind, code: None, message })
            }
            Outcome::Result(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use standpipe_core::message::{Id, RawJson};

    use super::*;

    fn result(text: &str) -> Response {
        let raw = RawJson::new(&Bytes::from(text.to_owned())).unwrap();
        Response::result(Id::from_number(1), raw)
    }

    #[test]
    fn errors_have_their_code_and_tools_their_flag() {
        let error = Response::error(Id::from_number(1), -32603, &"x".repeat(1000));
        let failure = Failure::of(&error, "tools/list").unwrap();
        assert_eq!((failure.kind.as_str(), failure.code.as_deref()), ("-32603", Some("-32603")));
        assert_eq!(failure.message.len(), LONGEST_MESSAGE);
        let tool = result(r#"{"content":[{"isError":false}],"isError":true}"#);
        assert_eq!(Failure::of(&tool, "tools/call").unwrap().kind, "tool_error");
        assert_eq!(Failure::of(&tool, "resources/read"), None, "only tools have the flag");
        for fine in [r#"{"content":[]}"#, r#"{"isError":false}"#, "[]", "7"] {
            assert_eq!(Failure::of(&result(fine), "tools/call"), None, "{fine}");
        }
    }
}
