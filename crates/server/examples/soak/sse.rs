//! A client of HTTP+SSE (2024-11-05): one stream for everything that comes.
//!
//! Owns one session. Must not choose what is called.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;
use tokio::time::Instant;

use crate::calls::{self, Call, INITIALIZED, Kind, SET_LEVEL, initialize};
use crate::events::{self, Events, in_time, json, refusal, send};
use crate::verdict::{self, Breach, Fault, Judged, Verdict};

const VERSION: &str = "2024-11-05";

/// One session: the stream it reads from, and the address it writes to.
#[derive(Debug)]
pub(crate) struct Session {
    http: Client,
    endpoint: String,
    events: Events,
    caller: String,
    /// Calls that were cancelled: an error may have been on its way, an answer must not come.
    cancelled: Vec<Value>,
}

/// How a call ended, and how long that took.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) kind: Kind,
    pub(crate) judged: Judged,
    pub(crate) took: Duration,
}

/// A call that has no answer yet.
struct Open {
    call: Call,
    made: Instant,
    progress: u64,
}

/// What is still waited for.
#[derive(Default)]
struct Waiting {
    open: HashMap<String, Open>,
    ends: Vec<End>,
}

impl Waiting {
    fn end(&mut self, kind: Kind, made: Instant, judged: Judged) {
        self.ends.push(End { kind, judged, took: made.elapsed() });
    }
}

/// Whether the session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Going {
    On,
    Ended,
}

impl Session {
    /// Opens a session; without one the verdict says why.
    pub(crate) async fn open(
        base: &str,
        path: &str,
        caller: &str,
        asks: bool,
    ) -> Result<Result<Self, Verdict>, Fault> {
        let http = Client::new();
        let get = http.get(format!("{base}{path}")).header(ACCEPT, "text/event-stream");
        let response = send("the stream", get).await?;
        if let Some(refused) = refusal(&response) {
            let answer = events::message("a refusal", response).await?;
            return verdict::of_error(&answer, &Value::Null, Some(refused)).map(Err);
        }
        let mut events = Events::new(response);
        let endpoint = in_time("the endpoint", events.next()).await?;
        let Some(endpoint) = endpoint.filter(|event| event.kind == "endpoint") else {
            return Err(Fault::new(Breach::Dishonest, "the stream begins without an endpoint"));
        };
        let endpoint = format!("{base}{}", endpoint.data);
        let caller = caller.to_owned();
        let mut session = Self { http, endpoint, events, caller, cancelled: Vec::new() };
        let opening = initialize(VERSION, asks);
        for (id, message) in [
            (opening["id"].clone(), opening.to_string()),
            (Value::Null, INITIALIZED.to_owned()),
            ("level".into(), SET_LEVEL.to_owned()),
        ] {
            if let Some(refused) = session.post(message, &id).await? {
                return refused.map(Err);
            }
            if id.is_null() {
                continue;
            }
            let Some(answer) = session.answer(&id).await? else {
                return Ok(Err(Verdict::Over));
            };
            if answer.get("error").is_some() {
                return verdict::of_error(&answer, &id, None).map(Err);
            }
        }
        Ok(Ok(session))
    }

    /// Makes these calls, all open at once, and waits for their ends. Those that are to be cancelled
    /// are, as soon as all were made.
    pub(crate) async fn calls(&mut self, calls: Vec<Call>) -> (Vec<End>, Result<Going, Fault>) {
        let mut waiting = Waiting::default();
        let going = self.make_and_wait(calls, &mut waiting).await;
        if going.is_err() {
            // What went wrong is told once; what it has left open is a consequence.
            waiting.open.clear();
        }
        (waiting.ends, going)
    }

    async fn make_and_wait(
        &mut self,
        calls: Vec<Call>,
        waiting: &mut Waiting,
    ) -> Result<Going, Fault> {
        let mut cancelled = Vec::new();
        for call in calls {
            let made = Instant::now();
            match self.post(call.request(), &call.id).await? {
                Some(judged) => waiting.end(call.kind, made, judged),
                None if call.kind == Kind::Cancel => cancelled.push((call, made)),
                None => {
                    waiting.open.insert(call.id.to_string(), Open { call, made, progress: 0 });
                }
            }
        }
        for (call, made) in cancelled {
            self.cancelled.push(call.id.clone());
            let withdrawn = self.post(call.cancellation(), &Value::Null).await?;
            waiting.end(call.kind, made, withdrawn.unwrap_or(Ok(Verdict::Withdrawn)));
        }
        while !waiting.open.is_empty() {
            let Some(message) = self.next().await? else {
                for Open { call, made, .. } in std::mem::take(&mut waiting.open).into_values() {
                    let seen = format!("the stream ended before the answer of {}", call.nonce);
                    waiting.end(call.kind, made, Err(Fault::new(Breach::Lost, seen)));
                }
                return Ok(Going::Ended);
            };
            self.take(&message, waiting).await?;
        }
        let over = waiting.ends.iter().any(|end| matches!(end.judged, Ok(Verdict::Over)));
        Ok(if over { Going::Ended } else { Going::On })
    }

    async fn take(&mut self, message: &Value, waiting: &mut Waiting) -> Result<(), Fault> {
        if message["method"] == "notifications/progress" {
            let token = &message["params"]["progressToken"];
            let owner = waiting.open.values_mut().find(|open| open.call.has_token(token));
            let Some(Open { call, progress, .. }) = owner else {
                return Err(calls::crossed("progress of an open call", message));
            };
            return call.progress(&message["params"], progress);
        }
        if message.get("method").is_some() && message.get("id").is_some() {
            let asked = &message["params"]["message"];
            let Some(open) = waiting.open.values().find(|open| *asked == open.call.nonce) else {
                return Err(calls::crossed("a question of an open call", message));
            };
            // Should the session be over by now, the call's own end will say so.
            self.post(open.call.reply(message)?, &message["id"]).await?;
            return Ok(());
        }
        if message.get("method").is_some() {
            return calls::notice(&self.caller, message);
        }
        let Some(Open { call, made, .. }) = waiting.open.remove(&message["id"].to_string()) else {
            let dying = message.get("error").is_some() && self.cancelled.contains(&message["id"]);
            return if dying {
                Ok(())
            } else {
                Err(calls::crossed("an open call's answer", message))
            };
        };
        waiting.end(call.kind, made, call.judge(message, None));
        Ok(())
    }

    /// The next message; `None` when the stream has ended.
    async fn next(&mut self) -> Result<Option<Value>, Fault> {
        let event = in_time("an event", self.events.next()).await?;
        event.map(|event| json(&event.data)).transpose()
    }

    /// The answer to a request of the handshake.
    async fn answer(&mut self, id: &Value) -> Result<Option<Value>, Fault> {
        while let Some(message) = self.next().await? {
            if message.get("method").is_none() {
                if message["id"] != *id {
                    return Err(calls::crossed("an answer of the handshake", &message));
                }
                return Ok(Some(message));
            }
            calls::notice(&self.caller, &message)?;
        }
        Ok(None)
    }

    /// Sends a message; what is refused is judged, and gets no answer on the stream.
    async fn post(&self, message: String, id: &Value) -> Result<Option<Judged>, Fault> {
        let post = self.http.post(&self.endpoint).header(CONTENT_TYPE, "application/json");
        let response = send("a response", post.body(message)).await?;
        let Some(refused) = refusal(&response) else {
            return Ok(None);
        };
        let answer = events::message("a refusal", response).await?;
        Ok(Some(verdict::of_error(&answer, id, Some(refused))))
    }
}
