//! A Streamable HTTP client of few words: it hides nothing that the server says.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::events::Events;
use super::in_time;

/// The newest revision that opens with `initialize`.
pub(crate) const VERSION: &str = "2025-11-25";

/// One session.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    session: String,
}

impl Client {
    /// Initializes a session without capabilities.
    pub(crate) async fn connect(url: &str) -> Self {
        Self::connect_with(url, json!({})).await
    }

    /// Initializes a session that declares `capabilities`.
    pub(crate) async fn connect_with(url: &str, capabilities: Value) -> Self {
        let connected = Self::try_connect_with(url, capabilities).await;
        connected
            .unwrap_or_else(|(status, answer)| panic!("initialize is answered {status}: {answer}"))
    }

    /// Initializes a session without capabilities; a refusal is its status and its message.
    pub(crate) async fn try_connect(url: &str) -> Result<Self, (u16, Value)> {
        Self::try_connect_with(url, json!({})).await
    }

    async fn try_connect_with(url: &str, capabilities: Value) -> Result<Self, (u16, Value)> {
        let http = reqwest::Client::new();
        let request = post(&http, url).body(initialize(capabilities).to_string());
        let response = in_time("initialize", request.send()).await.expect("the server is there");
        let session = response
            .headers()
            .get("mcp-session-id")
            .map(|id| id.to_str().expect("a session id is visible ASCII").to_owned());
        let status = response.status().as_u16();
        let answer = Answer::of(response).last().await;
        if status != 200 || answer.get("error").is_some() {
            return Err((status, answer));
        }
        let session = session.expect("initialize gives a session id");
        let client = Self { http, url: url.to_owned(), session };
        client.notify("notifications/initialized", json!({})).await;
        Ok(client)
    }

    /// The session's id.
    pub(crate) fn id(&self) -> &str {
        &self.session
    }

    /// A request with the headers of this session.
    pub(crate) fn builder(&self, method: Method) -> RequestBuilder {
        self.http
            .request(method, &self.url)
            .header("mcp-session-id", &self.session)
            .header("mcp-protocol-version", VERSION)
    }

    /// POSTs `body` as it is.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> Response {
        let request = self
            .builder(Method::POST)
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        in_time("a response", request.send()).await.expect("the server is there")
    }

    /// Sends a notification, which must be taken.
    pub(crate) async fn notify(&self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        let response = self.post(message.to_string()).await;
        assert_eq!(response.status(), 202, "{method}");
    }

    /// Sends a request and opens its answer.
    pub(crate) async fn open(&self, id: impl Into<Value>, method: &str, params: Value) -> Answer {
        Answer::of(self.post(request(id, method, params).to_string()).await)
    }

    /// Sends a request and waits for the message that answers it.
    pub(crate) async fn request(&self, id: impl Into<Value>, method: &str, params: Value) -> Value {
        let id = id.into();
        let answer = self.open(id.clone(), method, params).await.last().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Calls a tool and waits for the message that answers it.
    pub(crate) async fn tool(&self, id: impl Into<Value>, name: &str, arguments: Value) -> Value {
        self.request(id, "tools/call", json!({ "name": name, "arguments": arguments })).await
    }

    /// Calls a tool, and takes the text of its answer.
    pub(crate) async fn text(&self, id: impl Into<Value>, name: &str, arguments: Value) -> String {
        text_of(&self.tool(id, name, arguments).await)
    }

    /// Answers a question, which must be taken.
    pub(crate) async fn respond(&self, id: &Value, result: impl Into<Value>) {
        let result = result.into();
        let message = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        let response = self.post(message.to_string()).await;
        assert_eq!(response.status(), 202, "{message}");
    }

    /// Takes up a stream that was lost after this event.
    pub(crate) async fn resume(&self, last_event: &str) -> Events {
        self.get(Some(last_event)).await
    }

    /// Opens the session's general stream.
    pub(crate) async fn listen(&self) -> Events {
        self.get(None).await
    }

    async fn get(&self, last_event: Option<&str>) -> Events {
        let mut request = self.builder(Method::GET).header(ACCEPT, "text/event-stream");
        if let Some(id) = last_event {
            request = request.header("last-event-id", id);
        }
        let response = in_time("the stream", request.send()).await.expect("the server is there");
        assert_eq!(response.status(), 200);
        Events::new(response)
    }
}

/// What a POST brings: one JSON body, or messages on an event stream.
pub(crate) enum Answer {
    /// A JSON body, until it is read.
    Body(Option<Response>),
    /// An event stream.
    Stream(Events),
}

impl Answer {
    /// Looks at the content type.
    pub(crate) fn of(response: Response) -> Self {
        let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_owned());
        if kind.is_some_and(|kind| kind.starts_with(b"text/event-stream")) {
            Self::Stream(Events::new(response))
        } else {
            Self::Body(Some(response))
        }
    }

    /// The next message; `None` when there are no more.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let text = match self {
            Self::Body(response) => in_time("a body", response.take()?.text()).await.ok()?,
            Self::Stream(events) => return in_time("an event", events.message()).await,
        };
        Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}")))
    }

    /// Every message to the end.
    pub(crate) async fn all(mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    /// The last message, the one that answers.
    pub(crate) async fn last(self) -> Value {
        self.all().await.pop().expect("a request is answered with a message")
    }
}

/// A POST with the headers that every client sends.
pub(crate) fn post(http: &reqwest::Client, url: &str) -> RequestBuilder {
    http.post(url)
        .header(ACCEPT, "application/json, text/event-stream")
        .header(CONTENT_TYPE, "application/json")
}

/// A request message.
pub(crate) fn request(id: impl Into<Value>, method: &str, params: impl Into<Value>) -> Value {
    let (id, params) = (id.into(), params.into());
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The message that opens a session.
pub(crate) fn initialize(capabilities: impl Into<Value>) -> Value {
    let capabilities = capabilities.into();
    let client = json!({ "name": "standpipe-tests", "version": "1.0.0" });
    request(
        0,
        "initialize",
        json!({ "protocolVersion": VERSION, "capabilities": capabilities, "clientInfo": client }),
    )
}

/// The text of a tool's answer.
pub(crate) fn text_of(answer: &Value) -> String {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {answer}")).to_owned()
}
