//! A client of 2026-07-28: no session, and all of it in every request.
//!
//! Owns one client and its rounds of questions. To go away is to cancel, so that is all it does
//! otherwise than well. Must not choose what is called.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use crate::calls::{self, Call};
use crate::events::{self, Events, in_time, is_stream, json, refusal, send};
use crate::verdict::{Breach, Fault, Judged, Refusal, Verdict};

const VERSION: &str = "2026-07-28";

/// The error of a call whose parked half is not there any more: it went with its process.
const INVALID_PARAMS: i64 = -32602;

/// A call asks once; what asks again and again has lost its way.
const ROUNDS: usize = 3;

/// One client.
#[derive(Debug)]
pub(crate) struct Modern {
    http: Client,
    url: String,
    caller: String,
    meta: Map<String, Value>,
}

impl Modern {
    /// Somebody who calls this address.
    pub(crate) fn new(url: String, caller: &str, asks: bool) -> Self {
        let capabilities = if asks { json!({ "elicitation": {} }) } else { json!({}) };
        let meta = [
            ("protocolVersion", json!(VERSION)),
            ("clientCapabilities", capabilities),
            ("clientInfo", json!({ "name": "standpipe-soak", "version": "1.0.0" })),
            ("logLevel", json!("error")),
        ];
        let meta = meta
            .into_iter()
            .map(|(key, value)| (format!("io.modelcontextprotocol/{key}"), value))
            .collect();
        Self { http: Client::new(), url, caller: caller.to_owned(), meta }
    }

    /// Makes a call, answers what it asks, and waits for its end.
    pub(crate) async fn call(&self, call: &Call) -> Judged {
        let (mut call, mut answers) = (call.clone(), None);
        for round in 0..ROUNDS {
            let (answer, refused) = self.round(&call, answers.take()).await?;
            let state_is_gone = answer["error"]["code"] == INVALID_PARAMS && round > 0;
            if state_is_gone && answer["id"] == call.id {
                return Ok(Verdict::Died);
            }
            if answer["result"]["resultType"] != "input_required" {
                return call.judge(&answer, refused);
            }
            if answer["id"] != call.id {
                return Err(calls::crossed(&format!("an answer for {}", call.id), &answer));
            }
            answers = Some(answered(&call, &answer["result"])?);
            call.id = json!(format!("{}-{round}", call.nonce));
        }
        Err(Fault::new(Breach::Lost, format!("{} asks without an end", call.nonce)))
    }

    /// Makes a call and goes away, which cancels it.
    pub(crate) async fn leave(&self, call: &Call, after: Duration) -> Judged {
        let ended = tokio::time::timeout(after, self.call(call)).await;
        ended.unwrap_or(Ok(Verdict::Left))
    }

    async fn round(
        &self,
        call: &Call,
        more: Option<Map<String, Value>>,
    ) -> Result<(Value, Option<Refusal>), Fault> {
        let mut message = call.message();
        let params = &mut message["params"];
        let mut meta = self.meta.clone();
        if let Some(token) = params["_meta"].get("progressToken") {
            meta.insert("progressToken".to_owned(), token.clone());
        }
        params["_meta"] = Value::Object(meta);
        for (key, value) in more.into_iter().flatten() {
            params[key] = value;
        }
        let mut post = self
            .http
            .post(&self.url)
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json")
            .header("mcp-protocol-version", VERSION)
            .header("mcp-method", call.method());
        if let Some(name) = params["name"].as_str() {
            post = post.header("mcp-name", name);
        }
        let response = send("a response", post.body(message.to_string())).await?;
        let refused = refusal(&response);
        if !is_stream(&response) {
            return Ok((events::message("a body", response).await?, refused));
        }
        let mut events = Events::new(response);
        let (mut answer, mut progress) = (None, 0);
        while let Some(event) = in_time("an event", events.next()).await? {
            if event.data.is_empty() {
                continue;
            }
            let message = json(&event.data)?;
            if message["method"] == "notifications/progress" {
                if !call.has_token(&message["params"]["progressToken"]) {
                    return Err(calls::crossed("progress of another token", &message));
                }
                call.progress(&message["params"], &mut progress)?;
            } else if message.get("method").is_some() {
                if message.get("id").is_some() {
                    return Err(calls::crossed("nothing that asks", &message));
                }
                calls::notice(&self.caller, &message)?;
            } else if let Some(first) = answer.replace(message) {
                return Err(Fault::new(Breach::Twice, format!("{first} was not the only answer")));
            }
        }
        let lost = || Fault::new(Breach::Lost, "the stream ended without an answer");
        answer.map(|answer| (answer, None)).ok_or_else(lost)
    }
}

/// What the next round has to bring: an answer to each question, and the state that came with them.
fn answered(call: &Call, result: &Value) -> Result<Map<String, Value>, Fault> {
    let mut answers = Map::new();
    for (key, question) in result["inputRequests"].as_object().into_iter().flatten() {
        answers.insert(key.clone(), call.reply_to(question)?);
    }
    let mut more = Map::from_iter([("inputResponses".to_owned(), Value::Object(answers))]);
    if let Some(state) = result.get("requestState") {
        more.insert("requestState".to_owned(), state.clone());
    }
    Ok(more)
}
