//! A client of Streamable HTTP with a session (2025-03-26 to 2025-11-25).
//!
//! Owns one session and every way in which a client treats it: well, and otherwise. Must not choose
//! what is called.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::calls::{self, Call, INITIALIZED, SET_LEVEL, initialize};
use crate::events::{self, Events, in_time, is_stream, json, refusal, send};
use crate::verdict::{self, Breach, Fault, Judged, Verdict};

/// The revision that is spoken.
const VERSION: &str = "2025-11-25";

/// A stream that was lost for longer than this may have been answered into the void before its
/// client was seen to be gone.
const SOON: Duration = Duration::from_secs(1);

/// By then a call has arrived, whatever else was sent before it.
const OVERTAKEN: Duration = Duration::from_secs(5);

/// One session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    http: Client,
    url: String,
    id: String,
    caller: String,
}

/// What came for a call.
#[derive(Debug, Default)]
struct Come {
    answer: Option<Value>,
    progress: u64,
}

impl Session {
    /// Opens a session; without one the verdict says why.
    pub(crate) async fn open(
        url: String,
        caller: &str,
        asks: bool,
    ) -> Result<Result<Self, Verdict>, Fault> {
        let http = Client::new();
        let opening = initialize(VERSION, asks);
        let response = send("initialize", post(&http, &url).body(opening.to_string())).await?;
        let id = response.headers().get("mcp-session-id").cloned();
        let refused = refusal(&response);
        let mut session = Self { http, url, id: String::new(), caller: caller.to_owned() };
        let answer = session.answer(response, None).await?;
        if answer.get("error").is_some() {
            return verdict::of_error(&answer, &opening["id"], refused).map(Err);
        }
        let id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
        if id.is_empty() || !answer["result"]["serverInfo"].is_object() {
            return Err(Fault::new(Breach::Dishonest, format!("initialize brought {answer}")));
        }
        id.clone_into(&mut session.id);
        for message in [INITIALIZED, SET_LEVEL] {
            let response = session.post(message).await?;
            if let Some(refused) = refusal(&response) {
                let answer = events::message("a refusal", response).await?;
                let id = if message == SET_LEVEL { "level".into() } else { Value::Null };
                return verdict::of_error(&answer, &id, Some(refused)).map(Err);
            }
            if message == SET_LEVEL {
                let answer = session.answer(response, None).await?;
                if answer.get("error").is_some() {
                    return verdict::of_error(&answer, &"level".into(), None).map(Err);
                }
            }
        }
        Ok(Ok(session))
    }

    /// Makes a call and waits for its end.
    pub(crate) async fn call(&self, call: &Call) -> Judged {
        let response = self.post(&call.request()).await?;
        self.end_of(response, call).await
    }

    /// Makes a call and cancels it a moment later. The cancellation goes over another connection, so
    /// the call may come after it, and be open nevertheless; then it is cancelled once more.
    pub(crate) async fn cancel(&self, call: &Call, after: Duration) -> Judged {
        let mut calling = std::pin::pin!(self.call(call));
        for pause in [after, OVERTAKEN] {
            if let Ok(judged) = tokio::time::timeout(pause, &mut calling).await {
                return judged;
            }
            self.post(&call.cancellation()).await?;
        }
        calling.await
    }

    /// Makes a call, loses its stream with the first event, and takes it up again.
    pub(crate) async fn resume(&self, call: &Call) -> Judged {
        let response = self.post(&call.request()).await?;
        if !is_stream(&response) {
            return self.end_of(response, call).await;
        }
        let mut events = Events::new(response);
        let first = in_time("a first event", events.next()).await?;
        let lost_at = Instant::now();
        let Some(first) = first.filter(|event| event.data.is_empty()) else {
            return Err(Fault::new(Breach::Dishonest, "a stream without an event to resume from"));
        };
        drop(events);
        let last = first.id.unwrap_or_default();
        let get = self.builder(Method::GET).header(ACCEPT, "text/event-stream");
        let response = send("a resumed stream", get.header("last-event-id", last)).await?;
        let late = lost_at.elapsed() > SOON;
        match response.status().as_u16() {
            200 => {}
            // It was answered before its client was seen to be gone, which is so when the child dies
            // at this very moment, and when we are slow.
            204 | 410 => return Ok(if late { Verdict::Left } else { Verdict::Died }),
            404 => return Ok(Verdict::Over),
            status => {
                return Err(Fault::new(Breach::Dishonest, format!("resuming brought {status}")));
            }
        }
        self.end_of(response, call).await
    }

    /// Makes a call and goes away without waiting for the answer; the session goes on.
    pub(crate) async fn leave(&self, call: &Call, after: Duration) -> Judged {
        let ended = tokio::time::timeout(after, self.call(call)).await;
        ended.unwrap_or(Ok(Verdict::Left))
    }

    /// Listens to what belongs to no call, until it is told to stop or the stream ends.
    pub(crate) fn listen(&self) -> JoinHandle<Result<(), Fault>> {
        let session = self.clone();
        tokio::spawn(async move {
            let get = session.builder(Method::GET).header(ACCEPT, "text/event-stream");
            let response = send("a stream to listen to", get).await?;
            if response.status() != 200 {
                // The session is over; the next call finds that out.
                return Ok(());
            }
            let mut events = Events::new(response);
            while let Some(event) = events.next().await? {
                if event.data.is_empty() {
                    continue;
                }
                let message = json(&event.data)?;
                if message["method"] == "notifications/progress" || message.get("method").is_none()
                {
                    return Err(calls::crossed("nothing of any call", &message));
                }
                calls::notice(&session.caller, &message)?;
            }
            Ok(())
        })
    }

    /// Ends the session.
    pub(crate) async fn close(self) -> Result<(), Fault> {
        let response = send("DELETE", self.builder(Method::DELETE)).await?;
        match response.status().as_u16() {
            200 | 204 | 404 => Ok(()),
            status => Err(Fault::new(Breach::Dishonest, format!("DELETE brought {status}"))),
        }
    }

    fn builder(&self, method: Method) -> RequestBuilder {
        self.http
            .request(method, &self.url)
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", VERSION)
    }

    async fn post(&self, message: &str) -> Result<Response, Fault> {
        let post = self
            .builder(Method::POST)
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json");
        send("a response", post.body(message.to_owned())).await
    }

    async fn end_of(&self, response: Response, call: &Call) -> Judged {
        let refused = refusal(&response);
        if !is_stream(&response) {
            let answer = events::message("a body", response).await?;
            return call.judge(&answer, refused);
        }
        let come = self.come(response, Some(call)).await?;
        match come.answer {
            Some(answer) => call.judge(&answer, None),
            None if call.kind == calls::Kind::Cancel => Ok(Verdict::Withdrawn),
            None => Err(Fault::new(Breach::Lost, "the stream ended without an answer")),
        }
    }

    /// The message that answers the handshake's requests.
    async fn answer(&self, response: Response, call: Option<&Call>) -> Result<Value, Fault> {
        if !is_stream(&response) {
            return events::message("a body", response).await;
        }
        let come = self.come(response, call).await?;
        come.answer.ok_or_else(|| Fault::new(Breach::Lost, "the stream ended without an answer"))
    }

    /// Reads an event stream to its end.
    async fn come(&self, response: Response, call: Option<&Call>) -> Result<Come, Fault> {
        let mut events = Events::new(response);
        let mut come = Come::default();
        while let Some(event) = in_time("an event", events.next()).await? {
            if !event.data.is_empty() {
                self.take(json(&event.data)?, call, &mut come).await?;
            }
        }
        Ok(come)
    }

    async fn take(
        &self,
        message: Value,
        call: Option<&Call>,
        come: &mut Come,
    ) -> Result<(), Fault> {
        if message.get("method").is_none() {
            if let Some(first) = &come.answer {
                let both = format!("{first} and then {message}");
                return Err(Fault::new(Breach::Twice, both));
            }
            come.answer = Some(message);
            return Ok(());
        }
        let Some(call) = call else {
            return calls::notice(&self.caller, &message);
        };
        if message.get("id").is_some() {
            // Should the session be over by now, the call's own end will say so.
            self.post(&call.reply(&message)?).await?;
            return Ok(());
        }
        if message["method"] == "notifications/progress" {
            if !call.has_token(&message["params"]["progressToken"]) {
                return Err(calls::crossed("progress of another token", &message));
            }
            return call.progress(&message["params"], &mut come.progress);
        }
        calls::notice(&self.caller, &message)
    }
}

fn post(http: &Client, url: &str) -> RequestBuilder {
    http.post(url)
        .header(ACCEPT, "application/json, text/event-stream")
        .header(CONTENT_TYPE, "application/json")
}
