//! An HTTP+SSE client (2024-11-05): one stream for everything that comes.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use super::events::Events;
use super::http::{initialize, request};
use super::in_time;

/// One session: the stream it reads from, and the address it writes to.
pub(crate) struct Client {
    http: reqwest::Client,
    endpoint: String,
    events: Events,
}

impl Client {
    /// Opens the stream at `base` + `path` and initializes the session.
    pub(crate) async fn connect(base: &str, path: &str) -> Self {
        Self::connect_with(base, path, json!({})).await
    }

    /// As [`Client::connect`], declaring `capabilities`.
    pub(crate) async fn connect_with(base: &str, path: &str, capabilities: Value) -> Self {
        let http = reqwest::Client::new();
        let stream = http.get(format!("{base}{path}")).header(ACCEPT, "text/event-stream");
        let response = in_time("the stream", stream.send()).await.expect("the server is there");
        assert_eq!(response.status(), 200);
        let mut events = Events::new(response);
        let endpoint = in_time("the endpoint", events.next()).await.expect("the stream is open");
        assert_eq!(endpoint.kind, "endpoint");
        let endpoint = if endpoint.data.starts_with('/') {
            format!("{base}{}", endpoint.data)
        } else {
            endpoint.data
        };
        let mut client = Self { http, endpoint, events };
        client.send(&initialize(capabilities)).await;
        let answer = client.next().await;
        assert!(answer["result"]["serverInfo"].is_object(), "{answer}");
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        client
    }

    /// A poster for this session, to send while the stream is being read.
    pub(crate) fn poster(&self) -> Poster {
        Poster { http: self.http.clone(), endpoint: self.endpoint.clone() }
    }

    /// Sends a message, which must be taken.
    pub(crate) async fn send(&self, message: &Value) {
        self.poster().send(message).await;
    }

    /// Sends a request and waits for its answer; what comes before it is passed over.
    pub(crate) async fn request(
        &mut self,
        id: impl Into<Value>,
        method: &str,
        params: Value,
    ) -> Value {
        let id = id.into();
        self.send(&request(id.clone(), method, params)).await;
        loop {
            let message = self.next().await;
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
        }
    }

    /// The next message of the stream.
    pub(crate) async fn next(&mut self) -> Value {
        let event = in_time("an event", self.events.next()).await.expect("the stream is open");
        assert_eq!(event.kind, "message");
        serde_json::from_str(&event.data)
            .unwrap_or_else(|error| panic!("{error} in {:?}", event.data))
    }
}

/// The writing half of a session.
#[derive(Clone)]
pub(crate) struct Poster {
    http: reqwest::Client,
    endpoint: String,
}

impl Poster {
    /// Sends a message, which must be taken.
    pub(crate) async fn send(&self, message: &Value) {
        let response = self.post(message.to_string()).await;
        assert_eq!(response.status(), 202, "{message}");
    }

    /// POSTs `body` as it is.
    pub(crate) async fn post(&self, body: String) -> reqwest::Response {
        let post =
            self.http.post(&self.endpoint).header(CONTENT_TYPE, "application/json").body(body);
        in_time("a response", post.send()).await.expect("the server is there")
    }
}
