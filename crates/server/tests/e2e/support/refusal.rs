//! What a refusal must look like, and the check that one does.

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use super::in_time;

/// What a refusal must look like.
pub(crate) struct Refusal<'a> {
    pub(crate) status: u16,
    /// The JSON-RPC codes it may have; none where the answer need not be a message.
    pub(crate) codes: &'a [i64],
    /// One of these words, in any case, names the fault.
    pub(crate) names: &'a [&'a str],
}

/// Checks a response against what it must look like.
pub(crate) async fn check(what: &str, response: Response, refusal: &Refusal<'_>) {
    let status = response.status();
    let body = in_time(what, response.text()).await.expect("a body");
    assert_eq!(status, refusal.status, "{what}: {body}");
    let message = if refusal.codes.is_empty() {
        body
    } else {
        let answer: Value = serde_json::from_str(&body)
            .unwrap_or_else(|error| panic!("{what}: {error} in {body:?}"));
        assert_eq!(answer["jsonrpc"], "2.0", "{what}: {body}");
        assert!(
            answer.get("id").is_some(),
            "{what}: an error needs an id, even if it is null: {body}"
        );
        let code = answer["error"]["code"].as_i64().expect("an error has a code");
        assert!(refusal.codes.contains(&code), "{what}: {body}");
        answer["error"]["message"].as_str().expect("an error has a message").to_owned()
    };
    let lower = message.to_lowercase();
    assert!(
        refusal.names.iter().any(|name| lower.contains(&name.to_lowercase())),
        "{what}: {message:?} names none of {:?}",
        refusal.names
    );
}

/// Sends a request; whatever it brings is for the caller to look at.
pub(crate) async fn send(builder: RequestBuilder) -> Response {
    in_time("a response", builder.send()).await.expect("the server is there")
}
