//! A client of 2026-07-28 of few words: it hides nothing that the server says.

use std::collections::BTreeMap;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response};
use serde_json::{Map, Value, json};

use crate::support::http::Answer;
use crate::support::in_time;
use crate::support::process::Standpipe;

pub(super) const VERSION: &str = "2026-07-28";

/// A client, and what it declares with each request.
#[derive(Clone)]
pub(super) struct Modern {
    http: reqwest::Client,
    url: String,
    meta: Map<String, Value>,
}

impl Modern {
    /// A client that can be asked nothing.
    pub(super) fn new(standpipe: &Standpipe) -> Self {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": "standpipe-tests", "version": "1.0.0" },
        });
        let Value::Object(meta) = meta else { unreachable!("it is an object") };
        Self { http: reqwest::Client::new(), url: standpipe.url("/mcp"), meta }
    }

    /// The same client with another member of `_meta`.
    pub(super) fn with(&self, name: &str, value: impl Into<Value>) -> Self {
        let mut other = self.clone();
        other.meta.insert(name.to_owned(), value.into());
        other
    }

    /// The same client, which can be asked everything.
    pub(super) fn asked_everything(&self) -> Self {
        let all = json!({ "sampling": {}, "elicitation": { "form": {}, "url": {} }, "roots": {} });
        self.with("io.modelcontextprotocol/clientCapabilities", all)
    }

    /// The same client, which wants log messages.
    pub(super) fn logging(&self, level: &str) -> Self {
        self.with("io.modelcontextprotocol/logLevel", level)
    }

    /// A request that has not been sent.
    pub(super) fn builder(
        &self,
        id: impl Into<Value>,
        method: &str,
        params: Value,
    ) -> RequestBuilder {
        let Value::Object(mut params) = params else { panic!("params are an object") };
        let about = params.get("name").or_else(|| params.get("uri"));
        let about = about.and_then(Value::as_str).map(str::to_owned);
        params.insert("_meta".to_owned(), Value::Object(self.meta.clone()));
        let id = id.into();
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let mut request = self
            .http
            .post(&self.url)
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json")
            .header("mcp-protocol-version", VERSION)
            .header("mcp-method", method);
        if let Some(about) = about {
            request = request.header("mcp-name", about);
        }
        request.body(body.to_string())
    }

    /// Sends a request.
    pub(super) async fn send(&self, id: impl Into<Value>, method: &str, params: Value) -> Response {
        let request = self.builder(id, method, params);
        let response = in_time("a response", request.send()).await.expect("the server is there");
        assert!(!response.headers().contains_key("mcp-session-id"), "no session is minted");
        response
    }

    /// Sends a request and opens its answer.
    pub(super) async fn open(&self, id: impl Into<Value>, method: &str, params: Value) -> Answer {
        Answer::of(self.send(id, method, params).await)
    }

    /// Sends a request and waits for the message that answers it, and for its status.
    pub(super) async fn answer(
        &self,
        id: impl Into<Value>,
        method: &str,
        params: Value,
    ) -> (u16, Value) {
        let id = id.into();
        let response = self.send(id.clone(), method, params).await;
        let status = response.status().as_u16();
        let answer = Answer::of(response).last().await;
        assert_eq!(answer["id"], id, "{answer}");
        (status, answer)
    }

    /// Sends a request, which must have a result.
    pub(super) async fn result(&self, method: &str, params: Value) -> Value {
        let (status, answer) = self.answer(1, method, params).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    /// Calls a tool, which must have a result.
    pub(super) async fn tool(&self, name: &str, arguments: Value) -> Value {
        self.result("tools/call", json!({ "name": name, "arguments": arguments })).await
    }

    /// Calls again for as long as something is asked, with what `person` answers. Returns the
    /// result and how many rounds it took.
    pub(super) async fn rounds(
        &self,
        method: &str,
        params: Value,
        person: impl Fn(&Value) -> Value,
    ) -> (Value, usize) {
        let mut round = 0;
        let mut asked = params.clone();
        loop {
            round += 1;
            let (status, answer) = self.answer(round, method, asked).await;
            assert_eq!(status, 200, "{answer}");
            let result = &answer["result"];
            if result["resultType"] != "input_required" {
                return (answer, round);
            }
            asked = again(&params, result, &person);
        }
    }
}

/// The same parameters with answers to what a result asks.
pub(super) fn again(params: &Value, result: &Value, person: impl Fn(&Value) -> Value) -> Value {
    let asked = result["inputRequests"].as_object().cloned().unwrap_or_default();
    let answers: BTreeMap<String, Value> =
        asked.into_iter().map(|(key, request)| (key, person(&request))).collect();
    let mut params = params.clone();
    params["inputResponses"] = json!(answers);
    if let Some(state) = result.get("requestState") {
        params["requestState"] = state.clone();
    }
    params
}

/// Somebody who answers everything under one name.
pub(super) fn answers_as(name: &str) -> impl Fn(&Value) -> Value {
    let name = name.to_owned();
    move |request| match request["method"].as_str() {
        Some("elicitation/create") if request["params"]["mode"] == "url" => {
            json!({ "action": "accept" })
        }
        Some("elicitation/create") => {
            json!({ "action": "accept", "content": { "username": name, "name": name } })
        }
        Some("sampling/createMessage") => json!({
            "role": "assistant", "model": "m", "content": { "type": "text", "text": name },
        }),
        Some("roots/list") => json!({ "roots": [{ "uri": format!("file:///{name}") }] }),
        other => panic!("asked {other:?}"),
    }
}

/// The text of a tool's result.
pub(super) fn text(result: &Value) -> String {
    let text = result["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {result}")).to_owned()
}
