//! The table between a fake child, whose lines are plain text, and fake clients, whose streams are
//! read on the spot. No task, no pipe, no clock.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use crate::budget::Budget;
use crate::connection::{
    Deliveries, Gate, GateKeeper, GateSettings, Inbox, InboxLimits, Input, Intake, Outlet,
    OutletLimits, Session, SessionProfile, gate, inbox, outlet,
};
use crate::fault::FaultKind;
use crate::learnt::Learnt;
use crate::message::{Message, Request, parse};
use crate::mux::calls::{Call, CallKind};
use crate::mux::{Mux, MuxSettings, Note, Role};
use crate::protocol::{ClientCapabilities, ProtocolVersion};
use crate::service::EraChoice;

pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_mins(5);
pub(super) const REQUEST_MAX: Duration = Duration::from_hours(1);
pub(super) const START_TIMEOUT: Duration = Duration::from_mins(1);
pub(super) const QUESTION_TIMEOUT: Duration = Duration::from_mins(3);

/// A time-out may come this much late.
pub(super) const LATE: Duration = Duration::from_secs(1);

pub(super) const ALMOST_REQUEST_TIMEOUT: Duration = REQUEST_TIMEOUT.saturating_sub(LATE);
pub(super) const ALMOST_QUESTION_TIMEOUT: Duration = QUESTION_TIMEOUT.saturating_sub(LATE);

/// Something that happens to a process and one of its clients, and what it is called.
pub(super) type Way = (&'static str, fn(&mut Harness, &Client));

pub(super) const EVERYTHING: ClientCapabilities =
    ClientCapabilities { sampling: true, elicitation: true, elicitation_url: true, roots: true };
pub(super) const NOTHING: ClientCapabilities = ClientCapabilities {
    sampling: false,
    elicitation: false,
    elicitation_url: false,
    roots: false,
};

pub(super) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":"open","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;

/// What the fake child answers to `initialize`.
pub(super) const SERVER: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"logging":{},"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true}},"serverInfo":{"name":"s","version":"1"}}"#;

/// Everything that several tables of one service have in common.
pub(super) struct World {
    pub(super) gate: Gate,
    _keeper: GateKeeper,
    /// What all streams of clients draw on.
    pub(super) held: Budget,
    /// What all request bodies draw on.
    pub(super) bodies: Budget,
    pub(super) learnt: Arc<Learnt>,
}

impl World {
    pub(super) fn new() -> Self {
        let settings = GateSettings {
            start_timeout: Duration::from_mins(1),
            max_message_bytes: 64 * 1024,
            question_timeout: QUESTION_TIMEOUT,
        };
        let (gate, keeper) = gate(&"svc".into(), settings);
        let learnt = Arc::clone(gate.learnt());
        let (held, bodies) = (Budget::new(64 << 20), Budget::new(64 << 20));
        Self { gate, _keeper: keeper, held, bodies, learnt }
    }

    /// A session that nobody has opened yet.
    pub(super) fn session(&self, capabilities: ClientCapabilities) -> Client {
        let (general, get) = self.stream();
        let profile = SessionProfile::new(ProtocolVersion::V2025_06_18, capabilities);
        Client { session: Session::new(self.gate.clone(), profile, general), get }
    }

    pub(super) fn stream(&self) -> (Outlet, Stream) {
        let (outlet, intake) = outlet(OutletLimits::new(self.held.clone()));
        (outlet, Stream(intake))
    }
}

/// One client.
pub(super) struct Client {
    pub(super) session: Arc<Session>,
    /// What belongs to none of its requests.
    pub(super) get: Stream,
}

/// What a client reads.
pub(super) struct Stream(pub(super) Intake);

impl Stream {
    /// The next message, as text; `None` when there is none (any more).
    pub(super) fn next(&mut self) -> Option<String> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.0.poll_next(&mut cx) {
            Poll::Ready(Ok(Some(delivery))) => {
                let bytes = delivery.message.encode().into_bytes();
                Some(String::from_utf8(bytes.to_vec()).expect("messages are UTF-8"))
            }
            Poll::Ready(Ok(None)) | Poll::Pending => None,
            Poll::Ready(Err(lagged)) => panic!("{lagged}"),
        }
    }

    pub(super) fn all(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// The one message that is there.
    #[track_caller]
    pub(super) fn only(&mut self) -> String {
        let all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        all.into_iter().next().unwrap_or_default()
    }

    /// The code and the HTTP status of the one answer that is there, an error of ours.
    #[track_caller]
    pub(super) fn refusal(&mut self) -> (i32, u16) {
        match self.0.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Some(delivery))) => {
                let fault = delivery.fault.expect("it is of ours");
                (fault.code(), fault.status())
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn is_silent(&mut self) {
        assert_eq!(self.all(), Vec::<String>::new());
    }

    /// Whether nothing will come any more.
    pub(super) fn is_over(&mut self) -> bool {
        matches!(self.0.poll_next(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(None)))
    }

    /// Whether it was ended because its request was cancelled.
    pub(super) fn was_cancelled(&self) -> bool {
        self.0.was_cancelled()
    }
}

/// One process's table.
pub(super) struct Harness {
    pub(super) world: Arc<World>,
    pub(super) mux: Mux,
    pub(super) inbox: Inbox,
    deliveries: Deliveries,
    pub(super) now: Instant,
}

impl Harness {
    /// A shared process, ready.
    pub(super) fn main() -> Self {
        let mut harness = Self::idle(&Arc::new(World::new()), Role::Main);
        harness.start();
        harness
    }

    /// A process that has not been launched.
    pub(super) fn idle(world: &Arc<World>, role: Role) -> Self {
        Self::with(world, role, |_| {})
    }

    pub(super) fn with(
        world: &Arc<World>,
        role: Role,
        change: impl FnOnce(&mut MuxSettings),
    ) -> Self {
        let mut settings = MuxSettings {
            service: "svc".into(),
            request_timeout: REQUEST_TIMEOUT,
            request_max: REQUEST_MAX,
            question_timeout: QUESTION_TIMEOUT,
            start_timeout: START_TIMEOUT,
            max_message_bytes: 64 * 1024,
            interactive: true,
            era: EraChoice::Legacy,
        };
        change(&mut settings);
        let (inbox, deliveries) = inbox(&"svc".into(), InboxLimits::for_messages_of(64 * 1024));
        let now = Instant::now();
        let learnt = Arc::clone(&world.learnt);
        let mux = Mux::new(settings, role, inbox.clone(), learnt, now);
        Self { world: Arc::clone(world), mux, inbox, deliveries, now }
    }

    /// Launches the child and answers its handshake.
    pub(super) fn start(&mut self) {
        self.mux.child_started(self.now);
        let id = id_of(&self.sent()[0]);
        self.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{SERVER}}}"#));
        let sent = self.sent();
        assert_eq!(sent[0], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert!(self.mux.is_ready());
        // What follows is what sessions had set up; for those who look at it.
        self.mux.notes.retain(|note| !matches!(note, Note::Ready));
    }

    pub(super) fn die(&mut self) {
        self.mux.child_ended(FaultKind::ChildGone("exit status 1".into()));
        self.pump();
    }

    /// A session, opened.
    pub(super) fn client(&mut self, capabilities: ClientCapabilities) -> Client {
        let mut client = self.world.session(capabilities);
        let mut opened = self.open(&client);
        assert!(opened.only().contains(r#""id":"open","result""#));
        client.get.is_silent();
        client
    }

    pub(super) fn open(&mut self, client: &Client) -> Stream {
        let (reply, stream) = self.world.stream();
        self.inbox.open(&client.session, initialize(), &reply).expect("the table is there");
        drop(reply);
        self.pump();
        stream
    }

    /// Sends any message of a client; what belongs to it comes out of the stream.
    pub(super) fn send(&mut self, client: &Client, text: &str) -> Stream {
        let (reply, stream) = self.world.stream();
        let body = self.world.bodies.take(text.len());
        let message = parse(&Bytes::from(text.to_owned())).expect("a good message");
        self.inbox.send(&client.session, message, &reply, body).expect("room");
        drop(reply);
        self.pump();
        stream
    }

    /// Answers a question the way transports do: to whoever asked it.
    pub(super) fn answer(&mut self, client: &Client, text: &str) -> bool {
        let Ok(Message::Response(response)) = parse(&Bytes::from(text.to_owned())) else {
            panic!("not an answer: {text}");
        };
        let Some(asked_by) = client.session.take_question(&response.id) else {
            return false;
        };
        let body = self.world.bodies.take(text.len());
        let message = Message::Response(response);
        asked_by.send(&client.session, message, client.session.outlet(), body).expect("room");
        self.pump();
        true
    }

    pub(super) fn call(&mut self, client: &Client, id: &str, tool: &str) -> Stream {
        let params = format!(r#"{{"name":"{tool}"}}"#);
        self.ask(client, id, "tools/call", &params)
    }

    pub(super) fn ask(&mut self, client: &Client, id: &str, method: &str, params: &str) -> Stream {
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        self.send(client, &text)
    }

    pub(super) fn cancel(&mut self, client: &Client, id: &str) {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        );
        self.send(client, &text);
    }

    pub(super) fn pump(&mut self) {
        while let Some(input) = self.deliveries.try_next() {
            self.mux.client(input, self.now);
        }
    }

    /// What waits for this process, without taking it in.
    pub(super) fn next_input(&mut self) -> Option<Input> {
        self.deliveries.try_next()
    }

    /// The child writes a line.
    pub(super) fn child(&mut self, line: &str) {
        self.mux.line(&Bytes::from(line.to_owned()), self.now);
    }

    /// The lines that the child reads now.
    pub(super) fn sent(&mut self) -> Vec<String> {
        let mut text = Vec::new();
        while !self.mux.outgoing().is_empty() {
            for chunk in self.mux.outgoing().next_batch().chunks {
                text.extend_from_slice(&chunk);
            }
        }
        let text = String::from_utf8(text).expect("lines are UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    pub(super) fn sent_one(&mut self) -> String {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.into_iter().next().unwrap_or_default()
    }

    /// Time passes.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.mux.tick(self.now);
    }

    pub(super) fn notes(&mut self) -> Vec<String> {
        self.mux.take_notes().iter().map(|note| format!("{note:?}")).collect()
    }

    /// Ends the session, as its transport does.
    pub(super) fn end(&mut self, client: &Client) {
        client.session.end();
        self.pump();
    }

    /// Nothing of anybody is left.
    #[track_caller]
    pub(super) fn is_empty(&mut self) {
        self.sent();
        let mux = &self.mux;
        assert_eq!(mux.client_calls, 0, "counted calls");
        let ours = |call: &&Call| {
            matches!(call.kind, CallKind::Handshake | CallKind::Unheeded | CallKind::Upstream)
        };
        let open = mux.calls.values().filter(|call| !ours(call));
        assert_eq!(open.count(), 0, "open calls: {:?}", mux.calls);
        assert!(mux.asking.is_empty(), "asking: {:?}", mux.asking);
        assert!(mux.questions.is_empty(), "questions: {:?}", mux.questions);
        assert!(mux.sessions.is_empty(), "sessions: {:?}", mux.sessions);
        assert!(mux.resources.is_empty(), "resources: {:?}", mux.resources);
        assert!(mux.elicitations.is_empty(), "elicitations: {:?}", mux.elicitations);
        assert!(mux.listens.is_empty(), "listens: {:?}", mux.listens);
        assert_eq!(self.world.bodies.used(), 0, "bytes of requests");
    }
}

pub(super) fn initialize() -> Request {
    match parse(&Bytes::from_static(INITIALIZE.as_bytes())) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
pub(super) fn id_of(text: &str) -> u64 {
    json(text)["id"].as_u64().unwrap_or_else(|| panic!("no number as id: {text}"))
}

pub(super) fn method_of(text: &str) -> String {
    json(text)["method"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn code_of(text: &str) -> i64 {
    json(text)["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {text}"))
}
