//! Reads event streams and waits for answers: what both kinds of clients need of HTTP.
//!
//! Owns the parsing of `text/event-stream` and the longest time that anything is waited for. Must
//! not know what the events mean.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;

use crate::verdict::{Breach, Fault, Refusal};

/// Whatever takes longer is lost. A start may have to be waited for, on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// One event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

/// The events of one response.
#[derive(Debug)]
pub(crate) struct Events {
    response: Response,
    unread: Vec<u8>,
    /// So much of it holds no end of an event; large events come in many parts.
    searched: usize,
}

impl Events {
    /// Reads the body of this response, which must be an event stream.
    pub(crate) const fn new(response: Response) -> Self {
        Self { response, unread: Vec::new(), searched: 0 }
    }

    /// The next event, comments passed over; `None` at the stream's proper end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            let end = self.unread[self.searched..].windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let rest = self.unread.split_off(self.searched + end + 2);
                let block = std::mem::replace(&mut self.unread, rest);
                self.searched = 0;
                if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                    return Ok(Some(event));
                }
                continue;
            }
            // The end may have come in half.
            self.searched = self.unread.len().saturating_sub(1);
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.unread.extend_from_slice(&bytes),
                Ok(None) => return Ok(None),
                Err(error) => return Err(broken("an event stream", &error)),
            }
        }
    }
}

/// One block of lines; `None` when there is nothing in it but comments.
fn parse(block: &str) -> Option<Event> {
    let mut event = Event::default();
    let mut data: Vec<&str> = Vec::new();
    let mut fields = 0;
    for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        fields += 1;
        match name {
            "event" => value.clone_into(&mut event.kind),
            "id" => event.id = Some(value.to_owned()),
            "data" => data.push(value),
            _ => {}
        }
    }
    event.data = data.join("\n");
    (fields > 0).then_some(event)
}

/// Waits for something that has to come.
pub(crate) async fn in_time<T>(
    what: &str,
    coming: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(PATIENCE, coming).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Fault::new(Breach::Lost, format!("{what} did not come within {PATIENCE:?}"))),
    }
}

/// Sends a request and waits for the head of its response.
pub(crate) async fn send(what: &str, request: reqwest::RequestBuilder) -> Result<Response, Fault> {
    in_time(what, async { request.send().await.map_err(|error| broken(what, &error)) }).await
}

/// Reads a body as a message.
pub(crate) async fn message(what: &str, response: Response) -> Result<Value, Fault> {
    let text = in_time(what, async { response.text().await.map_err(|error| broken(what, &error)) });
    json(&text.await?)
}

/// Reads a text as a message.
pub(crate) fn json(text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text)
        .map_err(|error| Fault::new(Breach::Dishonest, format!("{error} in {text:?}")))
}

/// Whether the response is an event stream.
pub(crate) fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The status and the advice of a response that is no success.
pub(crate) fn refusal(response: &Response) -> Option<Refusal> {
    let status = response.status();
    (!status.is_success()).then(|| Refusal {
        status: status.as_u16(),
        retry_after: response.headers().contains_key(RETRY_AFTER),
    })
}

/// A connection that went away: nothing in a soak is a reason for that.
fn broken(what: &str, error: &reqwest::Error) -> Fault {
    Fault::new(Breach::Lost, format!("{what}: the connection broke: {error:?}"))
}
