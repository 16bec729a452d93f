//! What the child sends.
//!
//! Owns the way of each line to its receiver. Must not know how a line was read.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use super::calls::CallKind;
use super::{Drop, HandshakeError, Mux, Note, Role};
use crate::connection::{Outlet, Undelivered};
use crate::fault::FaultKind;
use crate::message::{
    Id, Message, Notification, Outcome, Params, RawJson, Rejected, Response, error_object, parse,
};
use crate::protocol::{Era, code, method};

impl Mux {
    /// Takes in one line that looks like JSON.
    pub fn line(&mut self, line: &Bytes, now: Instant) {
        self.heard(now);
        match parse(line) {
            Ok(Message::Response(response)) => self.answered(response, now),
            Ok(Message::Request(request)) => self.asked(request, now),
            Ok(Message::Notification(notification)) => self.told(notification, now),
            Err(rejected) => self.unreadable(line, rejected, now),
        }
    }

    /// A line over the limit was skipped; `id` is the call it answers, where that could be read.
    pub fn oversized(&mut self, id: Option<&Bytes>, bytes: u64, now: Instant) {
        let id = id.and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        let limit = self.settings.max_message_bytes;
        self.fail_answer(id, FaultKind::AnswerTooLarge { bytes, limit }, now);
    }

    /// A question over the limit was skipped; `id` is under which the child waits for its answer.
    pub fn oversized_question(&mut self, id: &Bytes, bytes: u64) {
        let Ok(id) = RawJson::new(id) else { return };
        let limit = self.settings.max_message_bytes;
        let text = format!("the request has {bytes} bytes; at most {limit} are passed on");
        let error = error_object(code::INVALID_REQUEST, &text, None);
        self.answer_child(Id::from(&id), Outcome::Error(error));
    }

    /// What the child sent is no message. When it was to be an answer, the call that it names is not
    /// left waiting; when it was to be a request, the child is not, whose ids are its own.
    fn unreadable(&mut self, line: &Bytes, rejected: Rejected, now: Instant) {
        self.note(Note::Noise);
        let why = rejected.explanation();
        let code = rejected.code();
        let Some(id) = rejected.id else { return };
        if is_request(line) {
            return self.answer_child(id, Outcome::Error(error_object(code, &why, None)));
        }
        self.fail_answer(id.as_number(), FaultKind::MalformedAnswer(why.into()), now);
    }

    fn fail_answer(&mut self, id: Option<u64>, kind: FaultKind, now: Instant) {
        let Some(call) = id.and_then(|id| self.remove_call(id, now)) else {
            return;
        };
        if matches!(call.kind, CallKind::Probe) {
            return self.probe_answered();
        }
        let fault = self.fault(kind);
        match &call.kind {
            CallKind::Discover => {
                // Not a modern one then; what it says to `initialize` will be read.
                let error = Outcome::Error(fault.error());
                return self.discovered(error, now);
            }
            CallKind::Handshake | CallKind::Opening(_) | CallKind::SecondTry(..) => {
                let why = HandshakeError::Invalid(fault.to_string().into());
                self.note(Note::HandshakeFailed(why));
            }
            CallKind::Listen(session) => {
                return self.listen_answered(*session, Outcome::Error(fault.error()));
            }
            CallKind::Upstream => {
                self.upstream_ended(id.unwrap_or_default(), true, now);
            }
            _ => {}
        }
        if let CallKind::Opening(opening) | CallKind::SecondTry(opening, _) = &call.kind {
            opening.session.end();
        }
        self.fail(call, &fault);
    }

    fn answered(&mut self, response: Response, now: Instant) {
        let id = response.id.as_number();
        let Some(call) = id.and_then(|id| self.remove_call(id, now)) else {
            // Never asked, answered before, cancelled or given up.
            id.inspect(|id| self.abandoned.answered(*id));
            if id.is_some_and(|id| self.was_late_ping(id)) {
                return;
            }
            return self.note(Note::Dropped(Drop::UnknownId));
        };
        match call.kind {
            CallKind::Client(call) => {
                if let Some(uri) = &call.subscribes {
                    self.subscribed(uri, Some(&call.session), &response.outcome, now);
                }
                if let Some((call, outcome)) = self.next_round(call, response.outcome, now) {
                    self.deliver_answer(call, outcome);
                }
            }
            CallKind::Handshake => self.handshake_answered(response.outcome, now),
            CallKind::Discover => self.discovered(response.outcome, now),
            CallKind::Opening(opening) => self.opening_answered(opening, response.outcome),
            CallKind::SecondTry(opening, refusal) => {
                self.second_try_answered(opening, refusal, response.outcome, now);
            }
            CallKind::Listen(session) => self.listen_answered(session, response.outcome),
            CallKind::Upstream => {
                let refused = matches!(response.outcome, Outcome::Error(_));
                self.upstream_ended(id.unwrap_or_default(), refused, now);
            }
            CallKind::Subscribing(uri) => self.subscribed(&uri, None, &response.outcome, now),
            CallKind::Probe => self.probe_answered(),
            CallKind::Unheeded => {}
        }
    }

    /// A notification of the child.
    fn told(&mut self, notification: Notification, now: Instant) {
        if &*notification.method == method::TOOLS_LIST_CHANGED {
            self.learnt.tools_changed();
        }
        if self.child_era() == Era::Modern && self.is_ready() {
            return self.told_by_modern(notification, now);
        }
        match &*notification.method {
            method::PROGRESS => self.progress(notification, now),
            method::LOG_MESSAGE => self.logged(notification, now),
            method::CANCELLED => self.withdrawn_by_child(notification.params.as_ref(), now),
            method::RESOURCES_UPDATED => {
                let uri = notification.params.as_ref().and_then(Params::uri);
                self.updated(uri, &notification);
            }
            method::ELICITATION_COMPLETE => self.elicitation_complete(notification),
            name if method::is_list_changed(name) => self.list_changed(&notification),
            _ => self.uncorrelated(notification, now),
        }
    }

    /// A notification of a modern child: each says whose it is, or it is nobody's.
    fn told_by_modern(&mut self, notification: Notification, now: Instant) {
        let params = notification.params.as_ref();
        if &*notification.method == method::CANCELLED {
            let id = params.and_then(Params::request_id).and_then(|id| id.as_number());
            let known = id
                .is_some_and(|id| self.listen_torn_down(id) || self.upstream_ended(id, false, now));
            if !known {
                self.note(Note::Dropped(Drop::AmbiguousCancel));
            }
            return;
        }
        if let Some(mark) = params.and_then(Params::meta_subscription_id) {
            let id = mark.as_number();
            let known = id.is_some_and(|id| {
                self.told_on_listen(id, &notification) || self.told_upstream(id, &notification, now)
            });
            if !known {
                self.note(Note::Dropped(Drop::NotForwarded));
            }
            return;
        }
        match &*notification.method {
            method::PROGRESS => self.progress(notification, now),
            method::LOG_MESSAGE => self.logged(notification, now),
            name if name == method::RESOURCES_UPDATED
                || name == method::SUBSCRIPTIONS_ACKNOWLEDGED
                || method::is_list_changed(name) =>
            {
                self.note(Note::Dropped(Drop::NotForwarded));
            }
            _ => self.uncorrelated(notification, now),
        }
    }

    /// Goes by its token, which is the number we gave the call.
    fn progress(&mut self, notification: Notification, now: Instant) {
        let params = notification.params.as_ref();
        let id = params.and_then(Params::progress_token).and_then(|token| token.as_number());
        let call = id.and_then(|id| self.client_call(id));
        let Some((call, token)) = call.and_then(|call| Some((call, call.token.as_ref()?))) else {
            return self.note(Note::Dropped(Drop::UnownedProgress));
        };
        let params = params.map(|params| params.with_progress_token(token));
        let outlet = call.reply.clone();
        let message = Notification { method: notification.method, params };
        self.extend(id.unwrap_or_default(), now);
        self.deliver(&outlet, Message::Notification(message));
    }

    /// A resource has changed: the one with this URI, where the child names it.
    pub(super) fn updated(&mut self, uri: Option<String>, notification: &Notification) {
        let receivers = match (&self.role, uri) {
            (Role::Own(session), _) if self.child_era() == Era::Legacy => {
                vec![Arc::clone(session)]
            }
            (_, Some(uri)) => self.subscribers_of(&uri),
            (_, None) => Vec::new(),
        };
        if receivers.is_empty() {
            return self.note(Note::Dropped(Drop::NotForwarded));
        }
        for session in receivers {
            match session.era() {
                Era::Legacy => {
                    self.deliver(session.outlet(), Message::Notification(notification.clone()));
                }
                Era::Modern => self.tell_listener(session.id(), notification),
            }
        }
    }

    pub(super) fn list_changed(&mut self, notification: &Notification) {
        let legacy = self.sessions.values().filter(|session| session.era() == Era::Legacy);
        let outlets: Vec<_> = legacy.map(|session| session.outlet().clone()).collect();
        for outlet in outlets {
            self.deliver_once(&outlet, Message::Notification(notification.clone()));
        }
        if self.child_era() == Era::Legacy {
            self.tell_listeners(notification);
        }
    }

    fn elicitation_complete(&mut self, notification: Notification) {
        let id = notification.params.as_ref().and_then(Params::elicitation_id);
        let found = self.elicitations.iter().position(|e| Some(&e.id) == id.as_ref());
        let Some(elicitation) = found.and_then(|at| self.elicitations.remove(at)) else {
            return self.note(Note::Dropped(Drop::NotForwarded));
        };
        self.deliver(elicitation.session.outlet(), Message::Notification(notification));
    }

    pub(super) fn deliver(&mut self, outlet: &Outlet, message: Message) {
        let sent = outlet.deliver(message);
        self.count(sent);
    }

    /// For what says no more than "look again".
    pub(super) fn deliver_once(&mut self, outlet: &Outlet, message: Message) {
        let sent = outlet.deliver_once(message);
        self.count(sent);
    }

    fn count(&mut self, sent: Result<(), Undelivered>) {
        match sent {
            Ok(()) => {}
            Err(Undelivered::Closed) => self.note(Note::Dropped(Drop::NoReceiver)),
            Err(Undelivered::Lagged | Undelivered::Exhausted) => {
                self.note(Note::Dropped(Drop::SlowClient));
            }
        }
    }
}

/// Whether a line that is no message was to be a request.
fn is_request(line: &[u8]) -> bool {
    #[expect(clippy::zero_sized_map_values, reason = "a set cannot be read from an object")]
    let members: HashMap<String, IgnoredAny> = serde_json::from_slice(line).unwrap_or_default();
    let has = |name: &str| members.keys().any(|key| key.eq_ignore_ascii_case(name));
    has("method") && !has("result") && !has("error")
}
