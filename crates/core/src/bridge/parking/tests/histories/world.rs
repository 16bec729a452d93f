//! Plays a history: the child, its table, the parked calls and the transport between them.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::child::Asked;
use super::{Event, Retry};
use crate::bridge::parking::{Binding, Digester, InputResponses, Parking, Questions, StateError};
use crate::budget::Budget;
use crate::connection::{
    Deliveries, Gate, GateKeeper, GateSettings, Inbox, InboxLimits, Intake, OutletLimits, Session,
    SessionProfile, gate, inbox, outlet,
};
use crate::fault::{Fault, FaultKind};
use crate::id::Principal;
use crate::message::{Id, Message, Outcome, Params, Request, Response, parse};
use crate::mux::{Mux, MuxSettings, Note, Role};
use crate::protocol::{ClientCapabilities, ProtocolVersion, method};
use crate::service::EraChoice;

const QUESTION_TIMEOUT: Duration = Duration::from_mins(3);

/// A call while a client waits for it, or while it is parked.
#[derive(Debug)]
struct Call {
    tag: String,
    session: Arc<Session>,
    intake: Intake,
    questions: Questions,
}

/// A round that its client knows of.
struct Round {
    tag: String,
    state: String,
    /// The keys of what was asked.
    asked: Vec<String>,
}

pub(super) struct World {
    gate: Gate,
    _keeper: GateKeeper,
    pub(super) mux: Mux,
    inbox: Inbox,
    deliveries: Deliveries,
    pub(super) now: Instant,
    held: Budget,
    digester: Digester,
    parking: Parking<Call>,
    running: Vec<Call>,
    listening: Vec<(Arc<Session>, Intake)>,
    rounds: Vec<Round>,
    sessions: Vec<Arc<Session>>,
    /// The child's open calls: its id, and whose it is.
    pub(super) works: Vec<(u64, String)>,
    pub(super) asked: HashMap<u64, Asked>,
    pub(super) nonce: usize,
}

impl World {
    pub(super) fn new() -> Self {
        let settings = GateSettings {
            start_timeout: Duration::from_mins(1),
            max_message_bytes: 64 * 1024,
            question_timeout: QUESTION_TIMEOUT,
        };
        let (gate, keeper) = gate(&"svc".into(), settings);
        let (inbox, deliveries) = inbox(&"svc".into(), InboxLimits::for_messages_of(64 * 1024));
        let settings = MuxSettings {
            service: "svc".into(),
            request_timeout: Duration::from_mins(5),
            request_max: Duration::from_hours(1),
            question_timeout: QUESTION_TIMEOUT,
            start_timeout: Duration::from_mins(1),
            max_message_bytes: 64 * 1024,
            interactive: true,
            era: EraChoice::Legacy,
        };
        let now = Instant::now();
        let learnt = Arc::clone(gate.learnt());
        let mux = Mux::new(settings, Role::Main, inbox.clone(), learnt, now);
        let mut world = Self {
            gate,
            _keeper: keeper,
            mux,
            inbox,
            deliveries,
            now,
            held: Budget::new(64 << 20),
            digester: Digester::default(),
            parking: Parking::default(),
            running: Vec::new(),
            listening: Vec::new(),
            rounds: Vec::new(),
            sessions: Vec::new(),
            works: Vec::new(),
            asked: HashMap::new(),
            nonce: 0,
        };
        world.start();
        world
    }

    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Call { capable } => self.call(capable),
            Event::Listen => self.listen(),
            Event::GoAway(which) => self.go_away(which),
            Event::Read => self.read(),
            Event::Ask(which) => self.ask(which),
            Event::Withdraw(which) => self.withdraw(which),
            Event::Reply(which) => self.reply(which),
            Event::Park(which) => self.park(which),
            Event::Retry { call, how } => self.retry(call, how),
            Event::Die => self.die(),
            Event::Pass(time) => self.pass(time),
        }
        self.pump();
        self.look();
    }

    fn session(&mut self, capable: bool) -> (Arc<Session>, crate::connection::Outlet, Intake) {
        let capabilities = ClientCapabilities { elicitation: capable, ..Default::default() };
        let profile = SessionProfile::new(ProtocolVersion::V2026_07_28, capabilities);
        let (reply, intake) = outlet(OutletLimits::new(self.held.clone()));
        let session = Session::new(self.gate.clone(), profile, reply.clone());
        self.sessions.push(Arc::clone(&session));
        (session, reply, intake)
    }

    fn call(&mut self, capable: bool) {
        self.nonce += 1;
        let tag = format!("c{}", self.nonce);
        let (session, reply, intake) = self.session(capable);
        let message = Message::Request(request(&tag, ""));
        self.inbox.send(&session, message, &reply, None).expect("room");
        self.running.push(Call { tag, session, intake, questions: Questions::default() });
    }

    fn listen(&mut self) {
        let (session, reply, intake) = self.session(false);
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{{{META},"notifications":{{"toolsListChanged":true,"resourceSubscriptions":["u:1"]}}}}}}"#,
            method::SUBSCRIPTIONS_LISTEN
        );
        let message = parse(&Bytes::from(text)).expect("a message");
        self.inbox.send(&session, message, &reply, None).expect("room");
        self.listening.push((session, intake));
    }

    fn go_away(&mut self, which: usize) {
        if which.is_multiple_of(4) && !self.listening.is_empty() {
            let (session, _intake) = self.listening.swap_remove(which % self.listening.len());
            session.end();
        } else if !self.running.is_empty() {
            let call = self.running.swap_remove(which % self.running.len());
            call.session.end();
        }
    }

    fn park(&mut self, which: usize) {
        let asked: Vec<usize> =
            (0..self.running.len()).filter(|at| !self.running[*at].questions.is_empty()).collect();
        let Some(at) = asked.get(which % asked.len().max(1)).copied() else { return };
        let call = self.running.swap_remove(at);
        let state = self.parking.state();
        let result = call.questions.input_required(state.as_str());
        let asked = json(result.as_str())["inputRequests"].clone();
        let asked: Vec<String> = asked.as_object().expect("an object").keys().cloned().collect();
        let text = state.as_str().to_owned();
        self.rounds.push(Round { tag: call.tag.clone(), state: text, asked });
        call.session.set_parked(Some(self.now));
        let binding = self.binding(&call.tag, Retry::Right);
        self.parking.park(&state, binding, call, self.now + QUESTION_TIMEOUT).expect("room");
    }

    fn binding(&self, tag: &str, how: Retry) -> Binding {
        let other = if matches!(how, Retry::OtherParameters) { "x" } else { "" };
        let Request { method, params, .. } = request(tag, other);
        Binding {
            service: if matches!(how, Retry::OtherService) { "other" } else { "svc" }.into(),
            principal: match how {
                Retry::OtherPrincipal => Principal::new("eve"),
                _ => Principal::default(),
            },
            request: self.digester.digest(&method, params.as_ref()),
        }
    }

    fn retry(&mut self, which: usize, how: Retry) {
        if self.rounds.is_empty() {
            return;
        }
        // Mostly the newest: the others are used.
        let back = if which.is_multiple_of(3) { which % self.rounds.len() } else { 0 };
        let round = &self.rounds[self.rounds.len() - 1 - back];
        let (tag, state) = (round.tag.clone(), round.state.clone());
        let answer = match how {
            Retry::Malformed => r#"{"action":7}"#.to_owned(),
            _ => format!(r#"{{"action":"accept","content":{{"by":"{tag}"}}}}"#),
        };
        let answers = match how {
            Retry::WithoutAnswers => String::new(),
            _ => round
                .asked
                .iter()
                .map(|key| format!("\"{key}\":{answer}"))
                .collect::<Vec<_>>()
                .join(","),
        };
        let answers = crate::message::RawJson::new(&Bytes::from(format!("{{{answers}}}")));
        let mut answers = InputResponses::read(&answers.expect("JSON")).expect("responses");
        let binding = self.binding(&tag, how);
        let call = match self.parking.find(&state, &binding, self.now) {
            Ok(call) => call.expect("it is one of ours"),
            Err(why) => {
                assert!(
                    !matches!(how, Retry::OtherParameters)
                        || why == StateError::OtherRequest
                        || self.gone(&state)
                );
                return;
            }
        };
        assert!(
            !matches!(how, Retry::OtherParameters | Retry::OtherService | Retry::OtherPrincipal),
            "{how:?} got a call"
        );
        assert_eq!(call.tag, tag);
        if call.questions.check(&answers).is_err() {
            return; // The call stays as it is.
        }
        let mut call = self.parking.take(&state).expect("it is there");
        assert!(self.parking.take(&state).is_none());
        call.session.set_parked(None);
        for settled in call.questions.settle(&mut answers) {
            Self::settle(&call.session, settled.id, Outcome::Result(settled.result));
        }
        self.running.push(call);
    }

    fn gone(&self, state: &str) -> bool {
        let tag = self.rounds.iter().find(|round| round.state == state).map(|round| &round.tag);
        let right = tag.map(|tag| self.binding(tag, Retry::Right));
        right.is_none_or(|right| self.parking.find(state, &right, self.now).is_err())
    }

    fn settle(session: &Arc<Session>, id: Id, outcome: Outcome) {
        let Some(asked_by) = session.take_question(&id) else { return };
        let message = Message::Response(Response { id, outcome });
        asked_by.send(session, message, session.outlet(), None).expect("room");
    }

    fn pass(&mut self, time: Duration) {
        self.read();
        self.now += time;
        self.mux.tick(self.now);
        for call in self.parking.sweep(self.now, |call| call.session.is_over()) {
            call.session.end();
        }
        self.pump();
        self.read();
    }

    /// What a supervisor without a process to spare does.
    pub(super) fn pump(&mut self) {
        while let Some(input) = self.deliveries.try_next() {
            self.mux.client(input, self.now);
        }
        let busy = Fault::new(&"svc".into(), FaultKind::Overloaded);
        for note in self.mux.take_notes() {
            if let Note::NeedsSide(input) | Note::Misrouted(input) = note {
                input.refuse(&busy);
            }
        }
    }

    /// Reads what came for calls that a client waits for, as their transport does.
    pub(super) fn look(&mut self) {
        let mut at = 0;
        while at < self.running.len() {
            if take_in(&mut self.running[at]) {
                let done = self.running.swap_remove(at);
                assert!(!done.session.is_over() || done.session.parked_since().is_none());
            } else {
                at += 1;
            }
        }
        for (_, intake) in &mut self.listening {
            while let Poll::Ready(Ok(Some(_))) = poll(intake) {}
        }
    }

    pub(super) fn line(&mut self, text: &str) {
        self.mux.line(&Bytes::copy_from_slice(text.as_bytes()), self.now);
    }

    pub(super) fn lines(&mut self) -> Vec<String> {
        let mut text = Vec::new();
        while !self.mux.outgoing().is_empty() {
            for chunk in self.mux.outgoing().next_batch().chunks {
                text.extend_from_slice(&chunk);
            }
        }
        let text = String::from_utf8(text).expect("lines are UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    /// Everybody goes; nothing may be left.
    pub(super) fn finish(mut self) {
        while !self.running.is_empty() || !self.listening.is_empty() {
            self.happen(Event::GoAway(0));
            self.happen(Event::GoAway(1));
        }
        self.happen(Event::Pass(QUESTION_TIMEOUT));
        assert!(self.parking.is_empty(), "parked calls");
        assert_eq!(self.mux.open_calls(), 0, "calls that nobody can carry on");
        self.happen(Event::Pass(Duration::from_mins(10)));
        self.read();
        assert!(self.parking.principals.is_empty(), "counted principals");
        assert_eq!(self.mux.open_calls(), 0, "open calls");
        assert_eq!(self.mux.sessions(), 0, "sessions");
        assert_eq!(self.mux.subscriptions(), 0, "subscriptions");
        assert_eq!(self.mux.listens(), 0, "streams");
        for (id, asked) in &self.asked {
            assert!(asked.withdrawn || asked.answers == 1, "question {id} was not answered");
        }
        for session in &self.sessions {
            for number in 0..64 {
                assert!(session.take_question(&Id::from_number(number)).is_none(), "a question");
            }
        }
        assert_eq!(self.held.used(), 0, "bytes held for clients");
    }
}

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn request(tag: &str, more: &str) -> Request {
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{{"tag":"{tag}","more":"{more}"}},{META}}}}}"#
    );
    match parse(&Bytes::from(text)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Takes in what came for a call. Whether it has its answer.
fn take_in(call: &mut Call) -> bool {
    while let Poll::Ready(Ok(next)) = poll(&mut call.intake) {
        let Some(delivery) = next else { return true };
        if delivery.last {
            return true;
        }
        match delivery.message {
            Message::Request(request) => {
                let text = request.params.as_ref().map(|params| params.raw().as_str().to_owned());
                let text = text.unwrap_or_default();
                let own = format!(r#""message":"{}""#, call.tag);
                assert!(text.contains(&own), "{} is asked {text}", call.tag);
                let asked =
                    call.questions.ask(request, delivery.permit, &mut InputResponses::default());
                assert!(asked.expect("an elicitation").is_none());
            }
            Message::Notification(note) if &*note.method == method::CANCELLED => {
                let text = Message::Notification(note).encode().into_bytes();
                let Ok(Message::Notification(note)) = parse(&text) else { panic!("ours") };
                let id = note.params.as_ref().and_then(Params::request_id).expect("an id");
                call.questions.withdraw(&id);
            }
            other => panic!("{} got {other:?}", call.tag),
        }
    }
    false
}

fn poll(
    intake: &mut Intake,
) -> Poll<Result<Option<crate::connection::Delivery>, crate::connection::Lagged>> {
    intake.poll_next(&mut Context::from_waker(Waker::noop()))
}

pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
