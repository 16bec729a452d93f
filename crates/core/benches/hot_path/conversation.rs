//! A child and its clients, played without pipes, tasks or clocks.
//!
//! Owns the turns: what a transport does with a body and with an answer, and what an instance does
//! with an input and with a line. They are as few and as plain as the real ones, so that what is
//! measured is the core. Must not know what is measured.

use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use standpipe_core::budget::Budget;
use standpipe_core::connection::{
    Deliveries, Gate, GateKeeper, GateSettings, Inbox, InboxLimits, Intake, Outlet, OutletLimits,
    Session, SessionProfile, gate, inbox, outlet,
};
use standpipe_core::message::{Incoming, Message, parse_body};
use standpipe_core::mux::{Mux, MuxSettings, Role};
use standpipe_core::protocol::{ClientCapabilities, Era, ProtocolVersion};
use standpipe_core::service::EraChoice;
use tokio::time::Instant;

/// The longest message of the service.
const MESSAGE_BYTES: usize = 4 << 20;

/// What all streams, and all bodies, may hold.
const HELD_BYTES: usize = 64 << 20;

/// How every line for the child begins.
const HEAD: &[u8] = br#"{"jsonrpc":"2.0","#;

const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;

const INITIALIZED: &[u8] = br#","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}"#;

const DISCOVERED: &[u8] = br#","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m","version":"2"}}}}"#;

/// A legacy client, or a modern client's one request.
pub(crate) struct Caller {
    session: Arc<Session>,
    reply: Option<(Outlet, Intake)>,
    /// What a legacy client reads that belongs to none of its calls.
    _general: Option<Intake>,
}

/// A child that is shared by its clients.
pub(crate) struct Conversation {
    gate: Gate,
    _keeper: GateKeeper,
    streams: OutletLimits,
    bodies: Budget,
    inbox: Inbox,
    deliveries: Deliveries,
    mux: Mux,
    now: Instant,
    /// What the child writes.
    written: BytesMut,
}

impl Conversation {
    /// A child of this era, opened.
    pub(crate) fn new(era: Era) -> Self {
        let minutes = Duration::from_mins;
        let service: Arc<str> = "svc".into();
        let settings = GateSettings {
            start_timeout: minutes(1),
            max_message_bytes: MESSAGE_BYTES,
            question_timeout: minutes(3),
        };
        let (gate, keeper) = gate(&service, settings);
        let settings = MuxSettings {
            service: Arc::clone(&service),
            request_timeout: minutes(5),
            request_max: minutes(60),
            question_timeout: minutes(3),
            start_timeout: minutes(1),
            max_message_bytes: MESSAGE_BYTES,
            interactive: true,
            era: match era {
                Era::Legacy => EraChoice::Legacy,
                Era::Modern => EraChoice::Modern,
            },
        };
        let (inbox, deliveries) = inbox(&service, InboxLimits::for_messages_of(MESSAGE_BYTES));
        let now = Instant::now();
        let learnt = Arc::clone(gate.learnt());
        let mut conversation = Self {
            mux: Mux::new(settings, Role::Main, inbox.clone(), learnt, now),
            gate,
            _keeper: keeper,
            streams: OutletLimits::new(Budget::new(HELD_BYTES)),
            bodies: Budget::new(HELD_BYTES),
            inbox,
            deliveries,
            now,
            written: BytesMut::new(),
        };
        conversation.open(era);
        conversation
    }

    fn open(&mut self, era: Era) {
        self.mux.child_started(self.now);
        let mut ids = Vec::new();
        self.child_reads(&mut ids);
        let id = ids.pop().expect("the child is asked who it is");
        self.child_answers(id, if era == Era::Legacy { INITIALIZED } else { DISCOVERED });
        assert!(self.mux.is_ready() && self.mux.child_era() == era, "the child is open");
        self.child_reads(&mut ids);
    }

    /// A legacy client, with its session.
    pub(crate) fn caller(&mut self) -> Caller {
        let (to_general, general) = outlet(self.streams.clone());
        let profile =
            SessionProfile::new(ProtocolVersion::V2025_11_25, ClientCapabilities::default());
        let session = Session::new(self.gate.clone(), profile, to_general);
        let (reply, mut stream) = outlet(self.streams.clone());
        let Message::Request(request) = read(&Bytes::from_static(INITIALIZE)) else {
            unreachable!("`initialize` is a request");
        };
        self.inbox.open(&session, request, &reply).expect("the child is there");
        self.take_in();
        client_reads(&mut stream);
        // What the child is told of a new client is no part of a call.
        self.child_reads(&mut Vec::new());
        Caller { session, reply: None, _general: Some(general) }
    }

    /// A modern client's request, about to be made.
    pub(crate) fn modern_caller(&mut self, profile: SessionProfile) -> Caller {
        let reply = outlet(self.streams.clone());
        let session = Session::new(self.gate.clone(), profile, reply.0.clone());
        Caller { session, reply: Some(reply), _general: None }
    }

    /// The client sends this body, and the child's input takes it in.
    pub(crate) fn call(&mut self, caller: &mut Caller, body: &Bytes) -> Intake {
        let (reply, stream) = caller.reply.take().unwrap_or_else(|| outlet(self.streams.clone()));
        let permit = self.bodies.take(body.len());
        self.inbox.send(&caller.session, read(body), &reply, permit).expect("there is room");
        drop(reply);
        self.take_in();
        stream
    }

    fn take_in(&mut self) {
        while let Some(input) = self.deliveries.try_next() {
            self.mux.client(input, self.now);
        }
        self.settle();
    }

    /// The child reads all that waits for it; the ids of the requests among it.
    pub(crate) fn child_reads(&mut self, ids: &mut Vec<u64>) {
        while !self.mux.outgoing().is_empty() {
            for chunk in black_box(self.mux.outgoing().next_batch()).chunks {
                let mut rest = &chunk[..];
                while !rest.is_empty() {
                    ids.extend(id_of(rest));
                    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                    rest = &rest[end..];
                }
            }
        }
    }

    /// The child answers the request `id`; `rest` is what follows the id.
    pub(crate) fn child_answers(&mut self, id: u64, rest: &[u8]) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        let mut left = id;
        while left > 0 {
            first -= 1;
            digits[first] = b'0' + u8::try_from(left % 10).unwrap_or_default();
            left /= 10;
        }
        self.written.extend_from_slice(HEAD);
        self.written.extend_from_slice(br#""id":"#);
        self.written.extend_from_slice(&digits[first..]);
        self.written.extend_from_slice(rest);
        let line = self.written.split().freeze();
        self.mux.line(&line, self.now);
        self.settle();
    }

    /// The modern request is over.
    pub(crate) fn end(&mut self, caller: &Caller) {
        caller.session.end();
        self.take_in();
    }

    /// What an instance does after every turn.
    fn settle(&mut self) {
        self.mux.tick(self.now);
        black_box(self.mux.take_notes());
    }
}

/// The client reads its answer, and nothing else.
pub(crate) fn client_reads(stream: &mut Intake) {
    let mut context = Context::from_waker(Waker::noop());
    match stream.poll_next(&mut context) {
        Poll::Ready(Ok(Some(delivery))) if delivery.last && delivery.fault.is_none() => {
            black_box(delivery.message.encode());
        }
        other => unreachable!("the call was answered, and not with {other:?}"),
    }
    let over = matches!(stream.poll_next(&mut context), Poll::Ready(Ok(None)) | Poll::Pending);
    assert!(over, "nothing follows an answer");
}

fn read(body: &Bytes) -> Message {
    match parse_body(body) {
        Ok(Incoming::Single(message)) => message,
        other => unreachable!("the body holds one message, not {other:?}"),
    }
}

/// The id of a line for the child, if it is a request: ours come first and are numbers.
fn id_of(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(HEAD)?.strip_prefix(br#""id":"#)?;
    let number = digits.iter().take_while(|byte| byte.is_ascii_digit());
    Some(number.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
