//! A transport, a gate that the test keeps, and a client.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use standpipe_core::budget::Budget;
use standpipe_core::connection::{
    Deliveries, GateKeeper, GateSettings, GateState, Inbox, InboxLimits, Input, Outlet, Session,
    gate, inbox,
};
use standpipe_core::message::{Id, Message, RawJson, Request as Call, Response as Answer};
use standpipe_core::service::ServiceId;
use standpipe_metrics::Metrics;
use tokio_util::sync::CancellationToken;

use crate::{Route, SseBody, SseSettings, SseTransport};

pub(super) const MAX_MESSAGE: usize = 4 * 1024 * 1024;
pub(super) const PATH: &str = "/servers/demo/message";

pub(super) struct Bench {
    pub(super) transport: SseTransport,
    pub(super) route: Route,
    pub(super) keeper: GateKeeper,
    pub(super) shutdown: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
    pub(super) bodies: Budget,
    pub(super) answers: Budget,
}

/// What `POST` said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Said {
    pub(super) fn new(status: u16, body: &str) -> Self {
        let body = body.to_owned();
        Self { status, body }
    }
}

pub(super) fn taken() -> Said {
    Said::new(202, "")
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(SseSettings::default())
    }

    pub(super) fn with(settings: SseSettings) -> Self {
        let metrics = Metrics::new("test");
        let (route, keeper) = route(&metrics, "demo");
        let shutdown = CancellationToken::new();
        let bodies = Budget::new(8 * MAX_MESSAGE);
        let answers = Budget::new(8 * MAX_MESSAGE);
        Self {
            transport: SseTransport::new(
                settings,
                shutdown.clone(),
                bodies.clone(),
                answers.clone(),
            ),
            route,
            keeper,
            shutdown,
            metrics,
            bodies,
            answers,
        }
    }

    /// The service runs from now on; the test is its child.
    pub(super) fn start(&self) -> (Inbox, Deliveries) {
        let service = self.route.gate.service();
        let (inbox, deliveries) = inbox(service, InboxLimits::for_messages_of(MAX_MESSAGE));
        self.keeper.set(GateState::Open(inbox.clone()));
        (inbox, deliveries)
    }

    pub(super) fn get(&self, headers: &[(&str, &str)]) -> Response<SseBody> {
        let mut request = Request::get("/servers/demo/sse");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        self.transport.open(&self.route, PATH, &request)
    }

    /// Opens a stream and reads the endpoint from it.
    pub(super) async fn connect(&self) -> Client {
        let response = self.get(&[("accept", "text/event-stream")]);
        assert_eq!(response.status(), StatusCode::OK);
        let mut client = Client::new(response.into_body());
        let endpoint = client.event().await;
        client.uri = endpoint.strip_prefix("event: endpoint\ndata: ").expect(&endpoint).to_owned();
        client
    }

    /// Opens a stream and a session on it.
    pub(super) async fn initialized(&self, child: &mut Deliveries) -> (Client, Arc<Session>) {
        let mut client = self.connect().await;
        assert_eq!(self.post(&client.uri, &initialize(0)).await, taken());
        let (session, _, reply) = opening(child).await;
        answer(&reply, "0", "{}");
        assert_eq!(client.message().await, r#"{"jsonrpc":"2.0","id":0,"result":{}}"#);
        (client, session)
    }

    pub(super) async fn post(&self, uri: &str, body: &str) -> Said {
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let mut request =
            Request::post(uri).header("content-type", "application/json").body(body).unwrap();
        said(self.transport.message(&self.route, &mut request).await).await.1
    }

    /// The value of a series of the service.
    pub(super) fn count(&self, series: &str) -> String {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).trim().to_owned()
    }

    pub(super) fn requests(&self, outcome: &str) -> String {
        self.count(&format!(
            "standpipe_requests_total{{era=\"legacy\",outcome=\"{outcome}\",service=\"demo\",transport=\"sse\"}}"
        ))
    }
}

pub(super) fn route(metrics: &Arc<Metrics>, service: &str) -> (Route, GateKeeper) {
    let settings = GateSettings {
        start_timeout: Duration::from_mins(1),
        max_message_bytes: MAX_MESSAGE,
        question_timeout: Duration::from_mins(5),
    };
    let (gate, keeper) = gate(&service.into(), settings);
    let id: ServiceId = service.parse().unwrap();
    let metrics = metrics.service(&id);
    (Route { gate, metrics }, keeper)
}

pub(super) async fn said(response: Response<SseBody>) -> (HeaderMap, Said) {
    let (head, body) = response.into_parts();
    let status = head.status.as_u16();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (head.headers, Said { status, body })
}

pub(super) fn initialize(id: u32) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":"2024-11-05","capabilities":{{}},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
    )
}

pub(super) async fn opening(child: &mut Deliveries) -> (Arc<Session>, Call, Outlet) {
    match child.next().await {
        Some(Input::Open { session, request, reply }) => (session, request, reply),
        other => panic!("{other:?}"),
    }
}

/// The next request; its place in the queue is given back, as if it had been written.
pub(super) async fn request(child: &mut Deliveries) -> (Arc<Session>, Call, Outlet) {
    match child.next().await {
        Some(Input::Request { session, request, reply, .. }) => (session, request, reply),
        other => panic!("{other:?}"),
    }
}

pub(super) fn answer(reply: &Outlet, id: &str, result: &str) {
    reply.answer(answered(id, result), None).unwrap();
}

pub(super) fn answered(id: &str, result: &str) -> Message {
    Message::Response(Answer::result(self::id(id), raw(result)))
}

pub(super) fn id(text: &str) -> Id {
    let text = format!(r#"{{"jsonrpc":"2.0","id":{text},"result":0}}"#);
    match standpipe_core::message::parse(&text.into()) {
        Ok(Message::Response(response)) => response.id,
        other => panic!("{other:?}"),
    }
}

pub(super) fn raw(text: &str) -> RawJson {
    RawJson::new(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// A client's end of an event stream.
pub(super) struct Client {
    pub(super) body: SseBody,
    pub(super) uri: String,
    read: String,
}

impl Client {
    pub(super) fn new(body: SseBody) -> Self {
        let (uri, read) = (String::new(), String::new());
        Self { body, uri, read }
    }

    /// The next event as it was written, without the blank line that ends it.
    pub(super) async fn event(&mut self) -> String {
        self.next().await.expect("the stream goes on")
    }

    /// The data of the next event, which must be a message.
    pub(super) async fn message(&mut self) -> String {
        let event = self.event().await;
        let data = event.strip_prefix("event: message\ndata: ");
        data.expect(&event).to_owned()
    }

    /// The next event; `None` when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                let event = self.read[..end].to_owned();
                self.read.drain(..end + 2);
                return Some(event);
            }
            let bytes = self.frame().await?;
            self.read.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next frame of the body; `None` at its end.
    pub(super) async fn frame(&mut self) -> Option<Bytes> {
        let frame: Result<_, Infallible> = self.body.frame().await?;
        Some(frame.unwrap().into_data().unwrap())
    }

    /// What is there to be read now, without waiting.
    pub(super) async fn now(&mut self) -> Option<Option<Bytes>> {
        let mut frame = pin!(self.frame());
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(match frame.as_mut().poll(cx) {
                std::task::Poll::Ready(bytes) => Some(bytes),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
