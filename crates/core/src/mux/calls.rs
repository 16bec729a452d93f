//! The calls that wait for the child's answer.
//!
//! Owns the entry of each open call and every way in which one ends. Must not know how it came to be
//! (see `requests`), nor which message of the child answers it (see `child`).

use std::sync::Arc;

use tokio::time::Instant;

use super::rounds::Rounds;
use super::time::after;
use super::{Drop, Handshake, Mux, Note};
use crate::bridge::modern_client;
use crate::bridge::refused::Refused;
use crate::connection::{Outlet, Session, Undelivered};
use crate::fault::{Fault, FaultKind};
use crate::id::SessionId;
use crate::message::{Id, Message, MethodName, Outcome, Params, RawJson, Request, Response};
use crate::protocol::{Era, LogLevel, method};
use crate::trace::Trace;

/// A request that the child has not answered.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) kind: CallKind,
    /// When it is given up; `None`: not by time (its owner watches over it).
    pub(super) deadline: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum CallKind {
    /// Of a client.
    Client(ClientCall),
    /// Our `initialize`.
    Handshake,
    /// Our `server/discover`, by which a child is opened.
    Discover,
    /// A client's own `initialize`, passed through to its own process.
    Opening(Opening),
    /// Our `server/discover` after a client's own `initialize` was refused, in these words.
    SecondTry(Opening, Outcome),
    /// A modern client's request for notifications, passed through to a modern child.
    Listen(SessionId),
    /// Our own such request.
    Upstream,
    /// Our subscription to this resource of a legacy child, on behalf of those who listen.
    Subscribing(Box<str>),
    /// Our question whether the child answers.
    Probe,
    /// Something of ours whose answer changes nothing.
    Unheeded,
}

impl Call {
    pub(super) fn ours(kind: CallKind) -> Self {
        Self { kind, deadline: None }
    }
}

#[derive(Debug)]
pub(super) struct ClientCall {
    pub(super) session: Arc<Session>,
    pub(super) id: Id,
    pub(super) method: MethodName,
    pub(super) name: Option<Box<str>>,
    /// The progress token as the client wrote it.
    pub(super) token: Option<Id>,
    pub(super) reply: Outlet,
    /// When it is given up in spite of all progress.
    pub(super) latest: Instant,
    /// Questions to the client that are open because of this call: its time does not run then.
    pub(super) parked: Option<Parked>,
    /// The resource it subscribes to, when others may wait for the same answer.
    pub(super) subscribes: Option<Box<str>>,
    /// How the call goes on when a modern child asks a legacy client for input.
    pub(super) rounds: Option<Box<Rounds>>,
    /// What was refused while it was open, and may have been because of it.
    pub(super) refused: Option<Box<Refused>>,
    pub(super) trace: Trace,
}

impl ClientCall {
    /// Whether the child is working on it; not while the client is asked between two rounds.
    pub(super) fn is_with_child(&self) -> bool {
        self.rounds.as_ref().is_none_or(|rounds| !rounds.is_asking())
    }

    /// The level from which on it wants log messages, if it does.
    pub(super) fn log_level(&self) -> Option<LogLevel> {
        match self.session.era() {
            Era::Modern => self.session.log_level(),
            Era::Legacy => Some(self.session.log_level().unwrap_or(LogLevel::Info)),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Parked {
    pub(super) questions: usize,
    pub(super) since: Instant,
}

/// A client's `initialize` on its way to that client's own process.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) session: Arc<Session>,
    pub(super) request: Request,
    pub(super) reply: Outlet,
}

impl Opening {
    pub(super) fn fail(self, fault: &Fault) {
        let answer = Message::Response(fault.answer(self.request.id));
        let _gone = self.reply.answer(answer, Some(fault.clone()));
    }
}

impl Mux {
    /// Takes a call out of the table and of every count.
    pub(super) fn remove_call(&mut self, id: u64, now: Instant) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if let CallKind::Client(client) = &call.kind {
            self.client_calls -= 1;
            self.asking.remove(&id);
            self.last_used = now;
            if self.client_calls == 0 && self.role.is_side() {
                self.note(Note::SideFree);
            }
            if client.session.era() == Era::Modern {
                let session = Arc::clone(&client.session);
                self.decline_questions_of(&session, now);
                self.forget_request(&session);
                if self.level_stale {
                    self.sweep_by(now);
                }
            } else if !self.sessions.contains_key(&client.session.id()) {
                self.forget_if_done(&client.session);
            }
        }
        Some(call)
    }

    /// Gives the child's answer to the client whose call this was, in the words of its era.
    pub(super) fn deliver_answer(&mut self, call: ClientCall, outcome: Outcome) {
        let (client, child) = (call.session.era(), self.child_era());
        let outcome = match (client, child) {
            (Era::Modern, Era::Legacy) => {
                let info = self.handshake.as_ref().and_then(Handshake::server_info);
                modern_client::answered(&call.method, outcome, info)
            }
            (Era::Modern, Era::Modern) if &*call.method == method::SERVER_DISCOVER => {
                narrowed(outcome)
            }
            _ => outcome,
        };
        let outcome = match &call.refused {
            Some(refused) => refused.explain(client, outcome),
            None => outcome,
        };
        self.answer_traced(&call.reply, Response { id: call.id, outcome }, &call.trace);
    }

    /// Answers a client; with an error of ours where no more answers can be held.
    pub(super) fn answer_client(&mut self, reply: &Outlet, answer: Response) {
        self.answer_traced(reply, answer, &Trace::default());
    }

    fn answer_traced(&mut self, reply: &Outlet, answer: Response, trace: &Trace) {
        let id = answer.id.clone();
        match reply.answer_traced(Message::Response(answer), None, trace) {
            Ok(()) => {}
            Err(Undelivered::Exhausted) => {
                let held = self.fault(FaultKind::AnswersHeld);
                let _gone = reply.answer(Message::Response(held.answer(id)), Some(held));
                self.note(Note::Dropped(Drop::SlowClient));
            }
            Err(_) => self.note(Note::Dropped(Drop::NoReceiver)),
        }
    }

    pub(super) fn answer_error(&mut self, reply: &Outlet, id: Id, code: i32, text: &str) {
        self.answer_client(reply, Response::error(id, code, text));
    }

    /// Answers a removed call with a failure of ours.
    pub(super) fn fail(&mut self, call: Call, fault: &Fault) {
        self.fail_subscribing(&call, fault);
        match call.kind {
            CallKind::Client(call) => {
                let answer = Message::Response(fault.answer(call.id));
                let _gone = call.reply.answer_traced(answer, Some(fault.clone()), &call.trace);
            }
            CallKind::Opening(opening) => opening.fail(fault),
            CallKind::SecondTry(opening, refusal) => {
                // What it said to its client stands, whatever has become of it since.
                let answer = Response { id: opening.request.id, outcome: refusal };
                self.answer_client(&opening.reply, answer);
            }
            CallKind::Subscribing(uri) => self.not_subscribed(&uri),
            CallKind::Handshake
            | CallKind::Discover
            | CallKind::Listen(_)
            | CallKind::Upstream
            | CallKind::Probe
            | CallKind::Unheeded => {}
        }
    }

    /// Sends a request of our own whose answer changes nothing.
    pub(super) fn ask_child(&mut self, method: &str, params: RawJson, now: Instant) {
        let deadline = Some(after(now, self.settings.request_timeout));
        self.sweep_by(now);
        self.send_ours(Call { kind: CallKind::Unheeded, deadline }, method, Some(params));
    }

    /// Sends a request of our own, and returns its id.
    pub(super) fn send_ours(&mut self, call: Call, method: &str, params: Option<RawJson>) -> u64 {
        let id = self.fresh_id();
        self.calls.insert(id, call);
        let params = params.map(Params::opaque);
        let request = Request { id: Id::from_number(id), method: method.into(), params };
        self.outgoing.push(Message::Request(request), Some(id), None);
        id
    }

    /// Tells the child that one of its requests is not wanted any more.
    pub(super) fn cancel_in_child(&mut self, id: u64, reason: &str) {
        if self.outgoing.withdraw(id) {
            return; // It never saw it.
        }
        let reason = RawJson::string(reason);
        let params = format!(r#"{{"requestId":{id},"reason":{}}}"#, reason.as_str());
        let params = RawJson::trusted(params.into());
        self.outgoing.push(Message::notification(method::CANCELLED, Some(params)), None, None);
    }
}

/// What a modern child says of itself, with the revisions that can be spoken through here.
fn narrowed(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Result(result) => match Handshake::discovered(result.clone()) {
            Ok(handshake) => Outcome::Result(handshake.discover_result()),
            Err(_) => Outcome::Result(result),
        },
        Outcome::Error(error) => Outcome::Error(error),
    }
}
