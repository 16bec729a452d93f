//! What clients send, and the calls that wait for the child's answer.
//!
//! Owns the entry of each open call and every way in which one ends. Must not know which message of
//! the child answers it; see `child`.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Drop, MAX_OPEN_CALLS, Mux, Note, Phase, Role};
use crate::connection::{Input, Outlet, Session, Slot, Undelivered};
use crate::fault::{Fault, FaultKind};
use crate::id::SessionId;
use crate::message::{
    Id, Message, Notification, Outcome, Params, RawJson, Request, Response, error_object,
};
use crate::protocol::{LogLevel, code, method};

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
    /// A client's own `initialize`, passed through to its own process.
    Opening(Opening),
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
    pub(super) method: Box<str>,
    pub(super) name: Option<Box<str>>,
    /// The progress token as the client wrote it.
    pub(super) token: Option<RawJson>,
    pub(super) reply: Outlet,
    /// When it is given up in spite of all progress.
    pub(super) latest: Instant,
    /// Questions to the client that are open because of this call: its time does not run then.
    pub(super) parked: Option<Parked>,
    /// The resource it subscribes to, when others may wait for the same answer.
    pub(super) subscribes: Option<Box<str>>,
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
    /// Takes in what a client sent.
    pub fn client(&mut self, input: Input, now: Instant) {
        self.last_used = now;
        match input {
            Input::Open { session, request, reply } => self.open(session, request, reply, now),
            Input::Request { session, request, reply, slot } => {
                self.request(session, request, reply, slot, now);
            }
            Input::Notification { session, notification, slot } => {
                self.notification(&session, notification, slot, now);
            }
            Input::Answer { session, response, slot } => {
                self.answer(&session, response, slot, now);
            }
            Input::Close { session } => self.close(&session, now),
        }
    }

    fn open(&mut self, session: Arc<Session>, request: Request, reply: Outlet, now: Instant) {
        let opening = Opening { session, request, reply };
        if matches!(self.role, Role::Own(_)) {
            self.opening = Some(opening);
            if self.phase == Phase::Handshake {
                self.forward_opening(now);
            }
            return;
        }
        let Some(handshake) = self.handshake.as_ref().filter(|_| self.phase == Phase::Ready) else {
            return opening.fail(&self.fault(FaultKind::Starting));
        };
        let result = handshake.result_for(opening.session.profile().version);
        if !self.attach(&opening.session) {
            return opening.fail(&self.fault(FaultKind::SessionOver));
        }
        let answer = Message::Response(Response::result(opening.request.id, result));
        let _gone = opening.reply.answer(answer, None);
    }

    /// A process of a session's own is opened with that client's own words.
    pub(super) fn forward_opening(&mut self, _now: Instant) {
        let Some(opening) = self.opening.take() else {
            return;
        };
        if !self.attach(&opening.session) {
            return opening.fail(&self.fault(FaultKind::SessionOver));
        }
        let id = self.fresh_id();
        let forwarded = Request {
            id: Id::from_number(id),
            method: method::INITIALIZE.into(),
            params: opening.request.params.clone(),
        };
        self.calls.insert(id, Call::ours(CallKind::Opening(opening)));
        self.outgoing.push(Message::Request(forwarded), None, None);
    }

    fn request(
        &mut self,
        session: Arc<Session>,
        request: Request,
        reply: Outlet,
        slot: Slot,
        now: Instant,
    ) {
        let refuse = |kind: Fault| {
            let answer = Message::Response(kind.answer(request.id.clone()));
            let _gone = reply.answer(answer, Some(kind));
        };
        if self.phase != Phase::Ready {
            return refuse(self.fault(FaultKind::Starting));
        }
        if self.calls.len() >= MAX_OPEN_CALLS {
            return refuse(self.fault(FaultKind::Overloaded));
        }
        if &*request.method == method::INITIALIZE {
            let text = "this session is initialized already";
            return answer_error(&reply, request.id, code::INVALID_REQUEST, text);
        }
        if self.role.owner().is_some_and(|owner| owner.id() != session.id()) {
            let input = Input::Request { session, request, reply, slot };
            return self.note(Note::Misrouted(input));
        }
        if !self.attach(&session) {
            return refuse(self.fault(FaultKind::SessionOver));
        }
        let name = asked_name(&request);
        if self.belongs_aside(&session, &request.method, name.as_deref()) {
            let input = Input::Request { session, request, reply, slot };
            return self.note(Note::NeedsSide(input));
        }
        let mut subscribes = None;
        let mut params = request.params.clone();
        if matches!(self.role, Role::Main) {
            match &*request.method {
                method::LOGGING_SET_LEVEL => params = self.lowered_level(&session, params),
                method::RESOURCES_SUBSCRIBE => {
                    let uri = params.as_ref().and_then(Params::uri);
                    match self.may_subscribe(&session, uri, &request.id, &reply, now) {
                        Some(uri) => subscribes = uri,
                        None => return,
                    }
                }
                method::RESOURCES_UNSUBSCRIBE => {
                    let uri = params.as_ref().and_then(Params::uri);
                    if self.others_subscribe(&session, uri.as_deref()) {
                        let done = Response::result(request.id, RawJson::empty_object());
                        let _gone = reply.answer(Message::Response(done), None);
                        return;
                    }
                }
                _ => {}
            }
        }
        let id = self.fresh_id();
        let token = params.as_ref().and_then(Params::meta_progress_token);
        if token.is_some() {
            let ours = Id::from_number(id);
            params = params.map(|params| params.with_meta_progress_token(ours.raw()));
        }
        let call = ClientCall {
            session,
            id: request.id,
            method: request.method.clone(),
            name,
            token,
            reply,
            latest: now + self.settings.request_max,
            parked: None,
            subscribes,
        };
        if method::may_ask(&request.method) {
            self.asking.insert(id);
        }
        self.client_calls += 1;
        let deadline = Some(now + self.settings.request_timeout);
        self.calls.insert(id, Call { kind: CallKind::Client(call), deadline });
        self.sweep_by(now);
        let message = Request { id: Id::from_number(id), method: request.method, params };
        self.outgoing.push(Message::Request(message), Some(id), Some(slot));
    }

    /// Whether a call is known to ask its client something, and this process serves others too.
    /// While it serves one session alone, nobody else can be asked by mistake.
    fn belongs_aside(&self, session: &Session, method: &str, name: Option<&str>) -> bool {
        matches!(self.role, Role::Main)
            && self.settings.interactive
            && self.sessions.len() > 1
            && session.profile().capabilities.any()
            && method::may_ask(method)
            && self.marks.is_marked(method, name.unwrap_or_default())
    }

    fn notification(
        &mut self,
        session: &Arc<Session>,
        notification: Notification,
        slot: Slot,
        now: Instant,
    ) {
        if self.phase == Phase::Down || !self.attach(session) {
            return;
        }
        match &*notification.method {
            method::CANCELLED => self.cancelled_by_client(session, notification, slot, now),
            method::PROGRESS => self.progress_of_question(session, &notification, slot),
            // The child was told by us, or will be.
            method::INITIALIZED if !matches!(self.role, Role::Own(_)) => {}
            // Roots belong to one client; a process that others use too must not hear of them.
            method::ROOTS_LIST_CHANGED if matches!(self.role, Role::Main) => {}
            _ => self.outgoing.push(Message::Notification(notification), None, Some(slot)),
        }
    }

    fn cancelled_by_client(
        &mut self,
        session: &Arc<Session>,
        notification: Notification,
        slot: Slot,
        now: Instant,
    ) {
        let Some(id) = notification.params.as_ref().and_then(Params::request_id) else {
            return self.note(Note::Dropped(Drop::AmbiguousCancel));
        };
        let matching = self.calls.iter().filter_map(|(ours, call)| match &call.kind {
            CallKind::Client(call) if call.session.id() == session.id() && *call.id.raw() == id => {
                Some(*ours)
            }
            _ => None,
        });
        let matching: Vec<u64> = matching.take(2).collect();
        let &[ours] = &matching[..] else {
            if matching.is_empty() && matches!(self.role, Role::Main) {
                // It may run in a side process of this session.
                if let Some(other) = session.other_than(&self.inbox) {
                    let input =
                        Input::Notification { session: Arc::clone(session), notification, slot };
                    other.forward(input);
                    return;
                }
            }
            return self.note(Note::Dropped(Drop::AmbiguousCancel));
        };
        let params = notification.params.map(|p| p.with_request_id(Id::from_number(ours).raw()));
        if let Some(call) = self.remove_call(ours, now) {
            self.forget_subscribing(&call);
            if let CallKind::Client(call) = call.kind {
                // A cancelled request gets no answer (2025-11-25, "Cancellation"); its stream, if it
                // has one of its own, ends.
                if !call.reply.same_as(call.session.outlet()) {
                    call.reply.end();
                }
            }
        }
        if self.outgoing.withdraw(ours) {
            return; // The child never saw it.
        }
        let forwarded = Notification { method: method::CANCELLED.into(), params };
        self.outgoing.push(Message::Notification(forwarded), None, Some(slot));
    }

    /// The session is over: nothing of it stays.
    fn close(&mut self, session: &Arc<Session>, now: Instant) {
        self.cancel_calls_of(session.id(), "the session has ended", now);
        self.release(session);
        session.unseen_by(&self.inbox);
        match self.role.owner() {
            None => self.restore_level(now),
            Some(owner) if owner.id() == session.id() => self.note(Note::Vacant),
            Some(_) => {}
        }
    }

    fn cancel_calls_of(&mut self, session: SessionId, reason: &str, now: Instant) {
        let open: Vec<u64> = self
            .calls
            .iter()
            .filter(
                |(_, call)| matches!(&call.kind, CallKind::Client(c) if c.session.id() == session),
            )
            .map(|(id, _)| *id)
            .collect();
        for id in open {
            let over = self.fault(FaultKind::SessionOver);
            if let Some(call) = self.remove_call(id, now) {
                self.fail(call, &over);
            }
            self.cancel_in_child(id, reason);
        }
    }

    /// Forgets what a session has here, but for its open calls.
    pub(super) fn release(&mut self, session: &Arc<Session>) {
        self.sessions.remove(&session.id());
        self.decline_questions_of(session);
        self.drop_subscriptions_of(session);
    }

    /// Tells the child to stop working on a call that has been removed, if it ever saw it.
    pub(super) fn cancel_in_child(&mut self, id: u64, reason: &str) {
        if self.outgoing.withdraw(id) {
            return;
        }
        let reason = RawJson::string(reason);
        let params = format!(r#"{{"requestId":{id},"reason":{}}}"#, reason.as_str());
        let params = RawJson::trusted(params.into());
        self.outgoing.push(Message::notification(method::CANCELLED, Some(params)), None, None);
    }

    /// Takes a call out of the table and of every count.
    pub(super) fn remove_call(&mut self, id: u64, now: Instant) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if matches!(call.kind, CallKind::Client(_)) {
            self.client_calls -= 1;
            self.asking.remove(&id);
            self.last_used = now;
            if self.client_calls == 0 && matches!(self.role, Role::Side(_)) {
                self.note(Note::SideFree);
            }
        }
        Some(call)
    }

    /// Gives the child's answer to the client whose call this was.
    pub(super) fn deliver_answer(&mut self, call: ClientCall, outcome: Outcome) {
        let id = call.id.clone();
        let answer = Message::Response(Response { id: call.id, outcome });
        match call.reply.answer(answer, None) {
            Ok(()) => {}
            Err(Undelivered::Exhausted) => {
                let held = self.fault(FaultKind::AnswersHeld);
                let _gone = call.reply.answer(Message::Response(held.answer(id)), Some(held));
                self.note(Note::Dropped(Drop::SlowClient));
            }
            Err(_) => self.note(Note::Dropped(Drop::NoReceiver)),
        }
    }

    /// Answers a removed call with a failure of ours.
    pub(super) fn fail(&mut self, call: Call, fault: &Fault) {
        self.fail_subscribing(&call, fault);
        match call.kind {
            CallKind::Client(call) => {
                let answer = Message::Response(fault.answer(call.id));
                let _gone = call.reply.answer(answer, Some(fault.clone()));
            }
            CallKind::Opening(opening) => opening.fail(fault),
            CallKind::Handshake | CallKind::Unheeded => {}
        }
    }

    /// The lowest level that any session wants, after `session` has asked for its own: that is what
    /// the child is set to.
    fn lowered_level(&mut self, session: &Arc<Session>, params: Option<Params>) -> Option<Params> {
        let asked = params.as_ref().and_then(Params::level);
        let Some(asked) = asked.as_deref().and_then(LogLevel::parse) else {
            return params;
        };
        session.set_log_level(asked);
        let lowest = self.lowest_level()?;
        self.level_sent = Some(lowest);
        params.map(|params| params.with_level(&RawJson::string(lowest.as_str())))
    }

    fn lowest_level(&self) -> Option<LogLevel> {
        self.sessions.values().filter_map(|session| session.log_level()).min()
    }

    /// Sets the child to the lowest level that is wanted now, where that has changed.
    pub(super) fn restore_level(&mut self, _now: Instant) {
        let lowest = self.lowest_level();
        let logging = self.handshake.as_ref().is_some_and(super::Handshake::logging);
        if self.phase != Phase::Ready || !logging || lowest.is_none() || lowest == self.level_sent {
            return;
        }
        self.level_sent = lowest;
        if let Some(level) = lowest {
            let params = RawJson::trusted(format!(r#"{{"level":"{}"}}"#, level.as_str()).into());
            self.ask_child(method::LOGGING_SET_LEVEL, params);
        }
    }

    /// Sends a request of our own whose answer changes nothing.
    pub(super) fn ask_child(&mut self, method: &str, params: RawJson) {
        let id = self.fresh_id();
        self.calls.insert(id, Call::ours(CallKind::Unheeded));
        let params = Some(Params::opaque(params));
        let request = Request { id: Id::from_number(id), method: method.into(), params };
        self.outgoing.push(Message::Request(request), None, None);
    }
}

/// What a call is about: the tool, the prompt or the resource.
fn asked_name(request: &Request) -> Option<Box<str>> {
    let params = request.params.as_ref()?;
    let name = match &*request.method {
        method::TOOLS_CALL | method::PROMPTS_GET => params.name(),
        method::RESOURCES_READ => params.uri(),
        _ => None,
    };
    name.map(String::into_boxed_str)
}

pub(super) fn answer_error(reply: &Outlet, id: Id, code: i32, text: &str) {
    let outcome = Outcome::Error(error_object(code, text, None));
    let _gone = reply.answer(Message::Response(Response { id, outcome }), None);
}
