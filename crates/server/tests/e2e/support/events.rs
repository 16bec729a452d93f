//! Reads an event stream from a response, one event at a time.

use reqwest::Response;
use serde_json::Value;

use super::in_time;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The `event` field; empty where there is none.
    pub(crate) kind: String,
    /// The `id` field.
    pub(crate) id: Option<String>,
    /// The `data` lines, joined.
    pub(crate) data: String,
    /// The `retry` field.
    pub(crate) retry: Option<u64>,
}

/// The events of one response.
pub(crate) struct Events {
    response: Response,
    unread: Vec<u8>,
    /// So much of it holds no end of an event; large events come in many parts.
    searched: usize,
}

impl Events {
    /// Reads the body of `response`, which must be an event stream.
    pub(crate) fn new(response: Response) -> Self {
        Self { response, unread: Vec::new(), searched: 0 }
    }

    /// The next event; comments are passed over; `None` when the stream has ended, however it did.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = find(&self.unread[self.searched..], b"\n\n") {
                let rest = self.unread.split_off(self.searched + end + 2);
                let block = std::mem::replace(&mut self.unread, rest);
                self.searched = 0;
                if let Some(event) = parse(&block) {
                    return Some(event);
                }
                continue;
            }
            // The end may have come in half.
            self.searched = self.unread.len().saturating_sub(1);
            self.unread.extend_from_slice(&self.response.chunk().await.ok()??);
        }
    }

    /// The next event that has data, as a message; `None` when the stream has ended.
    pub(crate) async fn message(&mut self) -> Option<Value> {
        loop {
            let Event { data, .. } = self.next().await?;
            if !data.is_empty() {
                return Some(parse_json(&data));
            }
        }
    }

    /// The next message, which has to come.
    pub(crate) async fn next_message(&mut self) -> Value {
        in_time("a message", self.message()).await.expect("the stream is open")
    }
}

fn parse_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

/// One block of lines; `None` when there is nothing in it but comments.
fn parse(block: &[u8]) -> Option<Event> {
    let text = std::str::from_utf8(block).expect("event streams are UTF-8");
    let mut event = Event::default();
    let mut data: Vec<&str> = Vec::new();
    let mut fields = 0;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        fields += 1;
        match name {
            "event" => value.clone_into(&mut event.kind),
            "id" => event.id = Some(value.to_owned()),
            "data" => data.push(value),
            "retry" => event.retry = value.parse().ok(),
            _ => panic!("an event stream has no field {name:?}"),
        }
    }
    event.data = data.join("\n");
    (fields > 0).then_some(event)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
