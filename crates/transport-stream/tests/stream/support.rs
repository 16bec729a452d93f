//! A service that is played by the test, and requests to it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use standpipe_core::budget::Budget;
use standpipe_core::connection::{
    Deliveries, GateKeeper, GateSettings, GateState, InboxLimits, Input, Outlet, Session, Slot,
    gate, inbox,
};
use standpipe_core::message::Response as Answer;
use standpipe_core::message::{Id, Message, RawJson, parse};
use standpipe_core::service::ServiceId;
use standpipe_metrics::Metrics;
use standpipe_transport_stream::{Route, StreamBody, StreamSettings, StreamTransport};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Longer than anything that should happen.
const PATIENCE: Duration = Duration::from_hours(24);

pub(crate) const BOTH: &str = "application/json, text/event-stream";
pub(crate) const MAX_MESSAGE: usize = 100_000;

/// A transport and one service behind it.
pub(crate) struct World {
    pub(crate) transport: Arc<StreamTransport>,
    pub(crate) route: Route,
    pub(crate) keeper: GateKeeper,
    pub(crate) child: Child,
    pub(crate) shutdown: CancellationToken,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bodies: Budget,
    pub(crate) answers: Budget,
}

/// The child's end.
pub(crate) struct Child(pub(crate) Deliveries);

/// A request that has reached the child.
pub(crate) struct Asked {
    pub(crate) session: Arc<Session>,
    pub(crate) id: Id,
    pub(crate) method: String,
    pub(crate) params: Option<String>,
    pub(crate) reply: Outlet,
    _slot: Option<Slot>,
}

/// Answers are waited for by a clock whose step is a tenth of a second.
pub(crate) fn assert_took(began: Instant, expected: Duration) {
    let took = began.elapsed();
    assert!((expected..=expected + Duration::from_millis(100)).contains(&took), "{took:?}");
}

/// Has a request served, as a server would.
pub(crate) async fn handled<B>(
    transport: &StreamTransport,
    route: &Route,
    mut request: Request<B>,
) -> Response<StreamBody>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    transport.handle(route, &mut request).await
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(StreamSettings::default())
    }

    pub(crate) fn with(settings: StreamSettings) -> Self {
        let shutdown = CancellationToken::new();
        let bodies = Budget::new(1024 * 1024);
        let answers = Budget::new(64 * 1024 * 1024);
        let transport = Arc::new(StreamTransport::new(
            settings,
            shutdown.clone(),
            bodies.clone(),
            answers.clone(),
        ));
        let metrics = Metrics::new("test");
        let (route, keeper, child) = service("demo", &metrics);
        Self { transport, route, keeper, child, shutdown, metrics, bodies, answers }
    }

    /// Opens a session of this revision.
    pub(crate) async fn open(&mut self, version: &str) -> String {
        let body = initialize(version);
        let (response, ()) =
            tokio::join!(handled(&self.transport, &self.route, post(None, &body)), async {
                let asked = self.child.asked().await;
                let result =
                    format!(r#"{{"protocolVersion":"{}"}}"#, asked.session.profile().version);
                asked.answer(&result);
            });
        assert_eq!(response.status(), StatusCode::OK);
        response.headers()["mcp-session-id"].to_str().unwrap().to_owned()
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<StreamBody> {
        timeout(PATIENCE, handled(&self.transport, &self.route, request)).await.expect("an answer")
    }

    pub(crate) async fn seen(&self, request: Request<Full<Bytes>>) -> Seen {
        seen(self.send(request).await).await
    }

    /// Sends a request; the child sees it, and the answer takes longer than a plain one may.
    pub(crate) async fn stream(&mut self, session: &str, id: u32) -> (Asked, Events) {
        let (response, asked) = tokio::join!(
            handled(&self.transport, &self.route, post(Some(session), &call(id))),
            self.child.asked()
        );
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        (asked, Events::of(response))
    }

    pub(crate) async fn listen(&self, session: &str, last: Option<&str>) -> Events {
        let response = self.send(get(session, last)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events::of(response)
    }

    pub(crate) fn metric(&self, line: &str) -> String {
        let text = self.metrics.render();
        let found = text.lines().find(|l| l.starts_with(line));
        found.map(|l| l[line.len()..].trim().to_owned()).unwrap_or_default()
    }
}

pub(crate) fn service(name: &str, metrics: &Arc<Metrics>) -> (Route, GateKeeper, Child) {
    let id: Arc<str> = name.into();
    let settings = GateSettings {
        start_timeout: Duration::from_mins(1),
        max_message_bytes: MAX_MESSAGE,
        question_timeout: Duration::from_mins(5),
    };
    let (gate, keeper) = gate(&id, settings);
    let (sender, deliveries) = inbox(&id, InboxLimits::for_messages_of(MAX_MESSAGE));
    keeper.set(GateState::Open(sender));
    let metrics = metrics.service(&ServiceId::new(name).unwrap());
    (Route { gate, metrics }, keeper, Child(deliveries))
}

impl Child {
    pub(crate) async fn input(&mut self) -> Input {
        timeout(PATIENCE, self.0.next()).await.expect("an input").expect("an open inbox")
    }

    pub(crate) async fn asked(&mut self) -> Asked {
        let (session, request, reply, slot) = match self.input().await {
            Input::Request { session, request, reply, slot } => {
                (session, request, reply, Some(slot))
            }
            Input::Open { session, request, reply } => (session, request, reply, None),
            other => panic!("not a request: {other:?}"),
        };
        Asked {
            session,
            id: request.id,
            method: request.method.into(),
            params: request.params.map(|params| params.raw().as_str().to_owned()),
            reply,
            _slot: slot,
        }
    }
}

impl Asked {
    pub(crate) fn answer(self, result: &str) {
        let result = RawJson::new(&Bytes::copy_from_slice(result.as_bytes())).unwrap();
        let answer = Message::Response(Answer::result(self.id, result));
        self.reply.answer(answer, None).unwrap();
    }

    pub(crate) fn notify(&self, text: &str) {
        self.reply.deliver(message(text)).unwrap();
    }
}

pub(crate) fn message(text: &str) -> Message {
    parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

pub(crate) fn log(text: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{text}"}}}}"#)
}

pub(crate) fn initialize(version: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{"sampling":{{}}}},"clientInfo":{{"name":"t","version":"0"}}}}}}"#
    )
}

pub(crate) fn call(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"slow"}}}}"#)
}

pub(crate) fn request(method: &Method) -> http::request::Builder {
    Request::builder().method(method).uri("/mcp")
}

pub(crate) fn post(session: Option<&str>, body: &str) -> Request<Full<Bytes>> {
    let mut builder =
        request(&Method::POST).header("accept", BOTH).header("content-type", "application/json");
    if let Some(session) = session {
        builder = builder.header("mcp-session-id", session);
    }
    builder.body(Full::from(body.to_owned())).unwrap()
}

pub(crate) fn get(session: &str, last: Option<&str>) -> Request<Full<Bytes>> {
    let mut builder = request(&Method::GET)
        .header("accept", "text/event-stream")
        .header("mcp-session-id", session);
    if let Some(last) = last {
        builder = builder.header("last-event-id", last);
    }
    builder.body(Full::default()).unwrap()
}

pub(crate) fn delete(session: &str) -> Request<Full<Bytes>> {
    request(&Method::DELETE).header("mcp-session-id", session).body(Full::default()).unwrap()
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// What a server says in `content-length`.
    pub(crate) length: Option<u64>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `<status> <code> <id>` of an error.
    pub(crate) fn summary(&self) -> String {
        let field = |name: &str| {
            let start = self.body.find(name).map(|at| at + name.len());
            let rest = start.map_or("", |at| &self.body[at..]);
            rest.split([',', '}']).next().unwrap_or_default().to_owned()
        };
        format!("{} {} {}", self.status, field("\"code\":"), field("\"id\":"))
    }
}

pub(crate) async fn seen(response: Response<StreamBody>) -> Seen {
    let (head, body) = response.into_parts();
    let length = http_body::Body::size_hint(&body).exact();
    let body = timeout(PATIENCE, body.collect()).await.expect("an end").unwrap().to_bytes();
    Seen {
        status: head.status.as_u16(),
        headers: head.headers,
        length,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// An event stream as a client reads it.
pub(crate) struct Events {
    body: StreamBody,
    buffer: String,
}

impl Events {
    pub(crate) fn of(response: Response<StreamBody>) -> Self {
        Self { body: response.into_body(), buffer: String::new() }
    }

    /// The next block up to an empty line; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.find("\n\n") {
                let block = self.buffer[..at].to_owned();
                self.buffer.drain(..at + 2);
                return Some(block);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("more");
            let Some(frame) = frame else {
                assert_eq!(self.buffer, "", "a stream ends between events");
                return None;
            };
            let data = frame.unwrap().into_data().unwrap();
            self.buffer.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// Whether nothing comes although the reader has waited a little.
    pub(crate) async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(50), self.next()).await.is_err()
    }
}

/// What the event with this id and this data looks like.
pub(crate) fn event(id: &str, data: &str) -> String {
    format!("id: {id}\nevent: message\ndata: {data}")
}

pub(crate) fn priming(id: &str) -> String {
    format!("id: {id}\nretry: 1000\ndata: ")
}
