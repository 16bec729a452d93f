//! What clients send, and the calls that wait for the child's answer.
//!
//! Owns the entry of each open call and every way in which one ends. Must not know which message of
//! the child answers it; see `child`.

use std::sync::Arc;

use tokio::time::Instant;

use super::time::after;
use super::{Drop, MAX_OPEN_CALLS, Mux, Note, Phase, Role};
use crate::connection::{Input, Outlet, Session, Slot, Undelivered};
use crate::fault::{Fault, FaultKind};
use crate::message::{Id, Message, Notification, Outcome, Params, RawJson, Request, Response};
use crate::protocol::{code, method};
use crate::trace::{Stage, Trace};

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
    /// Our `ping`.
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
    pub(super) trace: Trace,
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
        if self.is_foreign(&session) {
            return self.note(Note::Misrouted(Input::Open { session, request, reply }));
        }
        let opening = Opening { session, request, reply };
        if matches!(self.role, Role::Own(_)) {
            return self.open_own(opening, now);
        }
        let Some(handshake) = self.handshake.as_ref().filter(|_| self.phase == Phase::Ready) else {
            return opening.fail(&self.fault(FaultKind::Starting));
        };
        let result = handshake.result_for(opening.session.profile().version);
        if !self.attach(&opening.session, now) {
            return opening.fail(&self.fault(FaultKind::SessionOver));
        }
        self.answer_client(&opening.reply, Response::result(opening.request.id, result));
    }

    fn open_own(&mut self, opening: Opening, now: Instant) {
        let opened = self.opening.is_some()
            || self.phase == Phase::Ready
            || self.calls.values().any(|call| matches!(call.kind, CallKind::Opening(_)));
        if opened {
            return self.refuse_second(&opening.reply, opening.request.id);
        }
        // Attached at once, so that the session's end is heard even before the child runs.
        if !self.attach(&opening.session, now) {
            self.note(Note::Vacant);
            return opening.fail(&self.fault(FaultKind::SessionOver));
        }
        self.opening = Some(opening);
        if self.phase == Phase::Handshake {
            self.forward_opening();
        }
    }

    fn refuse_second(&mut self, reply: &Outlet, id: Id) {
        let text = "this session is initialized already";
        self.answer_error(reply, id, code::INVALID_REQUEST, text);
    }

    /// A process of a session's own is opened with that client's own words.
    pub(super) fn forward_opening(&mut self) {
        let Some(opening) = self.opening.take() else {
            return;
        };
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
        if self.is_foreign(&session) {
            let input = Input::Request { session, request, reply, slot };
            return self.note(Note::Misrouted(input));
        }
        let refuse = |kind: Fault| {
            let answer = Message::Response(kind.answer(request.id.clone()));
            let _gone = reply.answer_traced(answer, Some(kind), slot.trace());
        };
        if self.phase != Phase::Ready {
            return refuse(self.fault(FaultKind::Starting));
        }
        if self.calls.len() >= MAX_OPEN_CALLS {
            return refuse(self.fault(FaultKind::Overloaded));
        }
        if &*request.method == method::INITIALIZE {
            return self.refuse_second(&reply, request.id);
        }
        if !self.attach(&session, now) {
            return refuse(self.fault(FaultKind::SessionOver));
        }
        let name = asked_name(&request);
        if self.belongs_aside(&session, &request.method, name.as_deref(), now) {
            let input = Input::Request { session, request, reply, slot };
            return self.note(Note::NeedsSide(input));
        }
        let mut subscribes = None;
        let mut params = request.params.clone();
        if !matches!(self.role, Role::Own(_)) {
            match &*request.method {
                method::LOGGING_SET_LEVEL => params = self.lowered_level(&session, params),
                method::RESOURCES_SUBSCRIBE => {
                    let uri = params.as_ref().and_then(Params::uri);
                    match self.may_subscribe(&session, uri, &request.id, &reply) {
                        Some(uri) => subscribes = uri,
                        None => return,
                    }
                }
                method::RESOURCES_UNSUBSCRIBE => {
                    let uri = params.as_ref().and_then(Params::uri);
                    if self.others_subscribe(&session, uri.as_deref()) {
                        let done = Response::result(request.id, RawJson::empty_object());
                        return self.answer_client(&reply, done);
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
            latest: after(now, self.settings.request_max),
            parked: None,
            subscribes,
            trace: slot.trace().clone(),
        };
        call.trace.enter(Stage::Child);
        let params = call.trace.carried_in(params);
        if method::may_ask(&request.method) {
            self.asking.insert(id);
        }
        self.client_calls += 1;
        self.disturb_probe();
        let deadline = Some(after(now, self.settings.request_timeout));
        self.calls.insert(id, Call { kind: CallKind::Client(call), deadline });
        self.sweep_by(now);
        let message = Request { id: Id::from_number(id), method: request.method, params };
        self.outgoing.push(Message::Request(message), Some(id), Some(slot));
    }

    /// Whether the process serves somebody else alone.
    fn is_foreign(&self, session: &Session) -> bool {
        self.role.owner().is_some_and(|owner| owner.id() != session.id())
    }

    /// Whether a call has to run in a side process: it is known to ask its client something and
    /// this process serves others too, or another client is being asked in this process now. While
    /// the process serves one session alone, nobody else can be asked by mistake.
    fn belongs_aside(
        &self,
        session: &Session,
        method: &str,
        name: Option<&str>,
        now: Instant,
    ) -> bool {
        matches!(self.role, Role::Main)
            && self.settings.interactive
            && method::may_ask(method)
            && session.profile().capabilities.any()
            && (self.others_are_asked(session.id())
                || self.abandoned.others_will_ask(session.id(), self.learnt.marks(), now)
                || (self.sessions.len() > 1
                    && self.learnt.marks().is_marked(method, name.unwrap_or_default())))
    }

    fn notification(
        &mut self,
        session: &Arc<Session>,
        notification: Notification,
        slot: Slot,
        now: Instant,
    ) {
        let is_foreign = self.is_foreign(session);
        if (is_foreign || self.phase != Phase::Ready) && &*notification.method == method::CANCELLED
        {
            // Of a call that was begun before the process became somebody else's, or that waits for
            // it to serve.
            return self.cancelled_by_client(session, notification, slot, now);
        }
        if is_foreign {
            let session = Arc::clone(session);
            return self.note(Note::Misrouted(Input::Notification { session, notification, slot }));
        }
        if self.phase != Phase::Ready || !self.attach(session, now) {
            return self.note(Note::Dropped(Drop::NotForwarded));
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

    /// Takes a call out of the table and of every count.
    pub(super) fn remove_call(&mut self, id: u64, now: Instant) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if let CallKind::Client(client) = &call.kind {
            self.client_calls -= 1;
            self.asking.remove(&id);
            self.last_used = now;
            if self.client_calls == 0 && matches!(self.role, Role::Side(_)) {
                self.note(Note::SideFree);
            }
            if !self.sessions.contains_key(&client.session.id()) {
                self.forget_if_done(&client.session);
            }
        }
        Some(call)
    }

    /// Gives the child's answer to the client whose call this was.
    pub(super) fn deliver_answer(&mut self, call: ClientCall, outcome: Outcome) {
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
            CallKind::Handshake | CallKind::Probe | CallKind::Unheeded => {}
        }
    }

    /// Sends a request of our own whose answer changes nothing.
    pub(super) fn ask_child(&mut self, method: &str, params: RawJson, now: Instant) {
        let id = self.fresh_id();
        let deadline = Some(after(now, self.settings.request_timeout));
        self.calls.insert(id, Call { kind: CallKind::Unheeded, deadline });
        self.sweep_by(now);
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
