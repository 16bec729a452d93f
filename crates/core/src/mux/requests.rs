//! What clients send.
//!
//! Owns what is decided about a message before the child sees it: whether it belongs here, whether
//! it is answered on the spot, and what it becomes for a child of its own era or the other. Must not
//! know how a call ends.

use std::sync::Arc;

use tokio::time::Instant;

use super::calls::{Call, CallKind, ClientCall, Opening};
use super::rounds::Rounds;
use super::time::after;
use super::{Drop, MAX_OPEN_CALLS, Mux, Note, Phase, Role};
use crate::bridge::{legacy_client, modern_client};
use crate::connection::{Input, Outlet, Session, Slot};
use crate::fault::{Fault, FaultKind};
use crate::message::{Id, Message, Notification, Outcome, Params, RawJson, Request, Response};
use crate::protocol::{Era, LogLevel, code, meta, method};
use crate::trace::Stage;

/// A request on its way to the child.
struct Sent {
    session: Arc<Session>,
    request: Request,
    reply: Outlet,
    slot: Slot,
}

/// What a request becomes for the child.
#[derive(Default)]
struct Prepared {
    params: Option<Params>,
    subscribes: Option<Box<str>>,
    rounds: Option<Box<Rounds>>,
}

impl Mux {
    /// Takes in what a client sent.
    pub fn client(&mut self, input: Input, now: Instant) {
        self.last_used = now;
        match input {
            Input::Open { session, request, reply } => self.open(session, request, reply, now),
            Input::Request { session, request, reply, slot } => {
                self.request(Sent { session, request, reply, slot }, now);
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
        if !self.role.serves(&session) {
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

    pub(super) fn refuse_second(&mut self, reply: &Outlet, id: Id) {
        let text = "this session is initialized already";
        self.answer_error(reply, id, code::INVALID_REQUEST, text);
    }

    fn request(&mut self, sent: Sent, now: Instant) {
        // Each modern request is a client of its own; the roots that the child knows are another's.
        let roots_of_another = self.knows_roots && sent.session.era() == Era::Modern;
        if roots_of_another || !self.role.serves(&sent.session) {
            return self.note(Note::Misrouted(sent.into()));
        }
        if self.phase != Phase::Ready {
            return sent.refuse(&self.fault(FaultKind::Starting));
        }
        if self.calls.len() >= MAX_OPEN_CALLS {
            return sent.refuse(&self.fault(FaultKind::Overloaded));
        }
        match sent.session.era() {
            Era::Legacy => self.legacy_request(sent, now),
            Era::Modern => self.modern_request(sent, now),
        }
    }

    fn legacy_request(&mut self, sent: Sent, now: Instant) {
        if &*sent.request.method == method::INITIALIZE {
            return self.refuse_second(&sent.reply, sent.request.id);
        }
        if !self.attach(&sent.session, now) {
            return sent.refuse(&self.fault(FaultKind::SessionOver));
        }
        let name = asked_name(&sent.request);
        if self.belongs_aside(&sent.session, &sent.request.method, name.as_deref(), now) {
            return self.note(Note::NeedsSide(sent.into()));
        }
        let id = self.fresh_id();
        let prepared = match self.child_era() {
            Era::Legacy => self.for_own_era(id, &sent, now),
            Era::Modern => self.for_modern_child(id, &sent, now),
        };
        if let Some(prepared) = prepared {
            self.send_on(id, sent, name, prepared, now);
        }
    }

    /// What a legacy child gets of a legacy client's request; `None` when it was answered.
    fn for_own_era(&mut self, id: u64, sent: &Sent, now: Instant) -> Option<Prepared> {
        let Sent { session, request, reply, .. } = sent;
        let mut prepared = Prepared { params: request.params.clone(), ..Prepared::default() };
        if !matches!(self.role, Role::Own(_)) {
            match &*request.method {
                method::LOGGING_SET_LEVEL => {
                    prepared.params = self.lowered_level(session, prepared.params);
                }
                method::RESOURCES_SUBSCRIBE => {
                    let uri = request.params.as_ref().and_then(Params::uri);
                    prepared.subscribes = self.may_subscribe(session, uri, &request.id, reply)?;
                }
                method::RESOURCES_UNSUBSCRIBE => {
                    let uri = request.params.as_ref().and_then(Params::uri);
                    if self.others_subscribe(session, uri.as_deref(), now) {
                        self.done(reply, &request.id);
                        return None;
                    }
                }
                _ => {}
            }
        }
        if request.params.as_ref().is_some_and(|params| params.meta_progress_token().is_some()) {
            let ours = Id::from_number(id);
            prepared.params = prepared.params.map(|params| params.with_meta_progress_token(&ours));
        }
        Some(prepared)
    }

    /// What a modern child gets of a legacy client's request; `None` when it was answered.
    fn for_modern_child(&mut self, id: u64, sent: &Sent, now: Instant) -> Option<Prepared> {
        let Sent { session, request, reply, .. } = sent;
        let uri = request.params.as_ref().and_then(Params::uri);
        match &*request.method {
            method::PING => self.done(reply, &request.id),
            method::LOGGING_SET_LEVEL => self.set_level(session, request, reply),
            method::RESOURCES_SUBSCRIBE => {
                self.listen_for(session, uri.as_deref(), &request.id, reply, now);
            }
            method::RESOURCES_UNSUBSCRIBE => {
                self.others_subscribe(session, uri.as_deref(), now);
                self.done(reply, &request.id);
            }
            unknown if legacy_client::is_unknown(unknown) => {
                self.answer_method_not_found(reply, request);
            }
            method => {
                let params = self.modern_params(session, request.params.as_ref(), id);
                let rounds =
                    method::may_ask(method).then(|| Box::new(Rounds::new(request.params.clone())));
                return Some(Prepared { params: Some(params), rounds, subscribes: None });
            }
        }
        None
    }

    /// The parameters of a legacy client's request, under our id, as a modern child wants them.
    pub(super) fn modern_params(
        &self,
        session: &Session,
        params: Option<&Params>,
        id: u64,
    ) -> Params {
        let ours = Id::from_number(id);
        let token = params.and_then(Params::meta_progress_token).map(|_| &ours);
        let level = session.log_level().unwrap_or(LogLevel::Info);
        let interactive = self.settings.interactive;
        legacy_client::forwarded(params, session.profile(), interactive, level, token)
    }

    fn set_level(&mut self, session: &Session, request: &Request, reply: &Outlet) {
        let level = request.params.as_ref().and_then(Params::level);
        let Some(level) = level.as_deref().and_then(LogLevel::parse) else {
            let text = "`params.level` must be one of the eight levels of RFC 5424";
            return self.answer_error(reply, request.id.clone(), code::INVALID_PARAMS, text);
        };
        session.set_log_level(level);
        self.done(reply, &request.id);
    }

    fn modern_request(&mut self, sent: Sent, now: Instant) {
        let child = self.child_era();
        match (&*sent.request.method, child) {
            (removed, _) if method::was_removed(removed) => {
                return self.answer_method_not_found(&sent.reply, &sent.request);
            }
            (method::SERVER_DISCOVER, Era::Legacy) => {
                return self.answer_discover(&sent.reply, sent.request.id);
            }
            (method::SUBSCRIPTIONS_LISTEN, _) => {
                return self.listen(&sent.session, &sent.request, &sent.reply, now);
            }
            (unknown, Era::Legacy) if modern_client::is_unknown(unknown) => {
                return self.answer_method_not_found(&sent.reply, &sent.request);
            }
            _ => {}
        }
        let params = sent.request.params.as_ref();
        if child == Era::Legacy && params.is_some_and(|params| params.request_state().is_some()) {
            let text = "`requestState` is unknown: it was used already, it has expired, or it is \
                        not of this service; call again without it";
            return self.answer_error(&sent.reply, sent.request.id, code::INVALID_PARAMS, text);
        }
        let name = asked_name(&sent.request);
        if self.belongs_aside(&sent.session, &sent.request.method, name.as_deref(), now) {
            return self.note(Note::NeedsSide(sent.into()));
        }
        if !self.attach(&sent.session, now) {
            return sent.refuse(&self.fault(FaultKind::SessionOver));
        }
        let id = self.fresh_id();
        let ours = Id::from_number(id);
        let params = sent.request.params.as_ref().map(|params| {
            let token = params.meta_progress_token().map(|_| &ours);
            match (child, token) {
                (Era::Legacy, token) => modern_client::forwarded(params, token),
                (Era::Modern, _) if !self.settings.interactive => {
                    let declared = legacy_client::silenced(sent.session.profile());
                    let token = token.map(|token| (meta::PROGRESS_TOKEN, token.as_str()));
                    let put = std::iter::once((meta::CLIENT_CAPABILITIES, declared.as_str()));
                    params.with_meta(|_| false, &put.chain(token).collect::<Vec<_>>())
                }
                (Era::Modern, Some(token)) => params.with_meta_progress_token(token),
                (Era::Modern, None) => params.clone(),
            }
        });
        self.send_on(id, sent, name, Prepared { params, ..Prepared::default() }, now);
    }

    /// Writes a request to the child and remembers whose it is.
    fn send_on(
        &mut self,
        id: u64,
        sent: Sent,
        name: Option<Box<str>>,
        prepared: Prepared,
        now: Instant,
    ) {
        let Sent { session, request, reply, slot } = sent;
        let params = prepared.params;
        let token = request.params.as_ref().and_then(Params::meta_progress_token);
        let call = ClientCall {
            session,
            id: request.id,
            method: request.method.clone(),
            name,
            token,
            reply,
            latest: after(now, self.settings.request_max),
            parked: None,
            subscribes: prepared.subscribes,
            rounds: prepared.rounds,
            refused: None,
            trace: slot.trace().clone(),
        };
        call.trace.enter(Stage::Child);
        let params = call.trace.carried_in(params);
        if method::may_ask(&request.method) && self.child_era() == Era::Legacy {
            self.notice_crowd(&call.session, now);
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

    fn notification(
        &mut self,
        session: &Arc<Session>,
        notification: Notification,
        slot: Slot,
        now: Instant,
    ) {
        let is_foreign = !self.role.serves(session);
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
        // A modern client's notification belongs to no request that could be named.
        let is_modern = session.era() == Era::Modern;
        if self.phase != Phase::Ready || (!is_modern && !self.attach(session, now)) {
            return self.note(Note::Dropped(Drop::NotForwarded));
        }
        let child = self.child_era();
        match &*notification.method {
            method::CANCELLED => self.cancelled_by_client(session, notification, slot, now),
            method::PROGRESS => self.progress_of_question(session, &notification, slot),
            // The child was told by us, or will be; a modern one wants to know nothing of it.
            method::INITIALIZED if !matches!(self.role, Role::Own(_)) || child == Era::Modern => {}
            // Roots belong to one client; a process that others use too must not hear of them.
            method::ROOTS_LIST_CHANGED
                if matches!(self.role, Role::Main) || is_modern || child == Era::Modern => {}
            _ if is_modern && child == Era::Legacy => {
                self.note(Note::Dropped(Drop::NotForwarded));
            }
            _ => self.outgoing.push(Message::Notification(notification), None, Some(slot)),
        }
    }

    /// Answers with the empty result.
    pub(super) fn done(&mut self, reply: &Outlet, id: &Id) {
        self.answer_client(reply, Response::result(id.clone(), RawJson::empty_object()));
    }

    fn answer_method_not_found(&mut self, reply: &Outlet, request: &Request) {
        let outcome = Outcome::Error(modern_client::method_not_found(&request.method));
        self.answer_client(reply, Response { id: request.id.clone(), outcome });
    }

    fn answer_discover(&mut self, reply: &Outlet, id: Id) {
        let Some(handshake) = &self.handshake else { return };
        let result = handshake.discover_result();
        self.answer_client(reply, Response::result(id, result));
    }
}

impl Sent {
    fn refuse(self, fault: &Fault) {
        Input::from(self).refuse(fault);
    }
}

impl From<Sent> for Input {
    fn from(sent: Sent) -> Self {
        let Sent { session, request, reply, slot } = sent;
        Self::Request { session, request, reply, slot }
    }
}

/// What a call is about: the tool, the prompt or the resource.
fn asked_name(request: &Request) -> Option<Box<str>> {
    let params = request.params.as_ref()?;
    let name = match &*request.method {
        method::TOOLS_CALL | method::PROMPTS_GET => params.name_str(),
        method::RESOURCES_READ => params.uri_str(),
        _ => None,
    };
    name.map(Box::from)
}
