//! How calls end that nobody waits for any more.
//!
//! Owns cancellation by clients and the end of a session. Must not know how a call is answered.

use std::sync::Arc;

use tokio::time::Instant;

use super::calls::{Call, CallKind, ClientCall};
use super::{Drop, Mux, Note, Role};
use crate::connection::{Input, Outlet, Session, Slot};
use crate::fault::{Fault, FaultKind};
use crate::id::SessionId;
use crate::message::{Id, Message, Notification, Params, RawJson};
use crate::protocol::{Era, method};

impl Mux {
    /// A client cancels one of its requests.
    pub(super) fn cancelled_by_client(
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
            CallKind::Client(call) if call.session.id() == session.id() && call.id == id => {
                Some(*ours)
            }
            _ => None,
        });
        let matching: Vec<u64> = matching.take(2).collect();
        let waiting = self.waiting_subscribers(session.id(), &id);
        let ours = match (&matching[..], &waiting[..]) {
            (&[ours], []) => ours,
            ([], [uri]) => {
                let reply = self.stop_waiting(uri, session, &id);
                reply.inspect(|reply| end_stream(reply, session));
                return;
            }
            ([], []) if self.speaks_for(session) => {
                // It waits for a process, or runs in one beside this; the owner knows.
                let session = Arc::clone(session);
                let cancellation = Input::Notification { session, notification, slot };
                return self.note(Note::Misrouted(cancellation));
            }
            _ => return self.note(Note::Dropped(Drop::AmbiguousCancel)),
        };
        if let Some(call) = self.hand_over(ours) {
            return end_stream(&call.reply, session); // The child's answer is for others now.
        }
        let Some(call) = self.remove_call(ours, now) else {
            return;
        };
        self.forget_subscribing(&call);
        let CallKind::Client(call) = call.kind else {
            return;
        };
        self.drop_questions_of_call(ours);
        end_stream(&call.reply, session);
        if self.outgoing.withdraw(ours) || !call.is_with_child() {
            return; // The child never saw it.
        }
        self.abandoned.add(ours, &call, now);
        let params = notification.params.map(|p| p.with_request_id(&Id::from_number(ours)));
        let forwarded = Notification { method: method::CANCELLED.into(), params };
        self.outgoing.push(Message::Notification(forwarded), None, Some(slot));
    }

    /// Whether this is the process that the session's messages come to. Only that one passes
    /// cancellations on, so that none goes in circles.
    fn speaks_for(&self, session: &Session) -> bool {
        let is_own = || session.own().is_some_and(|own| own.same_as(&self.inbox));
        matches!(self.role, Role::Main) || is_own()
    }

    /// The session is over: nothing of it stays.
    pub(super) fn close(&mut self, session: &Arc<Session>, now: Instant) {
        if self.listens.contains_key(&session.id()) {
            return self.close_listen(session.id(), now);
        }
        let over = self.fault(FaultKind::SessionOver);
        self.fail_waiting_of(session.id(), &over);
        self.cancel_calls_of(session.id(), &over, now);
        if let Some(opening) = self.opening.take_if(|o| o.session.id() == session.id()) {
            opening.fail(&over);
        }
        self.release(session, now);
        session.unseen_by(&self.inbox);
        match self.role.session() {
            Some(owner) if owner.id() == session.id() => self.note(Note::Vacant),
            None if session.era() == Era::Legacy => {
                self.restore_level(now);
                self.refresh_upstream(now);
            }
            _ => {}
        }
    }

    fn cancel_calls_of(&mut self, session: SessionId, over: &Fault, now: Instant) {
        let open = self.calls.iter().filter(|(_, call)| is_of(call, session));
        let open: Vec<u64> = open.map(|(id, _)| *id).collect();
        for id in open {
            if let Some(call) = self.hand_over(id) {
                Self::fail_client(call, over);
                continue;
            }
            self.give_up(id, over, "the session has ended", now);
        }
    }

    /// Ends a call for a reason of ours, and tells the child to stop working on it.
    pub(super) fn give_up(&mut self, id: u64, fault: &Fault, reason: &str, now: Instant) {
        let Some(call) = self.remove_call(id, now) else {
            return;
        };
        self.drop_questions_of_call(id);
        let with_child = match &call.kind {
            CallKind::Client(call) => call.is_with_child(),
            _ => true,
        };
        if with_child && !self.outgoing.withdraw(id) {
            if let CallKind::Client(call) = &call.kind {
                self.abandoned.add(id, call, now);
            }
            let reason = RawJson::string(reason);
            let params = format!(r#"{{"requestId":{id},"reason":{}}}"#, reason.as_str());
            let params = RawJson::trusted(params.into());
            self.outgoing.push(Message::notification(method::CANCELLED, Some(params)), None, None);
        }
        self.fail(call, fault);
    }

    /// Forgets what a session has here, but for its open calls.
    pub(super) fn release(&mut self, session: &Arc<Session>, now: Instant) {
        if self.listens.contains_key(&session.id()) {
            return self.close_listen(session.id(), now);
        }
        self.sessions.remove(&session.id());
        self.decline_questions_of(session, now);
        self.drop_subscriptions_of(session.id(), now);
        self.forget_if_done(session);
    }

    /// A session that is served elsewhere, and has nothing open here, need not tell us of its end.
    pub(super) fn forget_if_done(&self, session: &Session) {
        let id = session.id();
        if !self.sessions.contains_key(&id) && !self.calls.values().any(|call| is_of(call, id)) {
            session.unseen_by(&self.inbox);
        }
    }

    fn fail_client(call: ClientCall, fault: &Fault) {
        let answer = Message::Response(fault.answer(call.id));
        let _gone = call.reply.answer(answer, Some(fault.clone()));
    }
}

fn is_of(call: &Call, session: SessionId) -> bool {
    matches!(&call.kind, CallKind::Client(call) if call.session.id() == session)
}

/// A cancelled request gets no answer (2025-11-25, "Cancellation"); its stream, if it has one of its
/// own, ends.
fn end_stream(reply: &Outlet, session: &Session) {
    if !reply.same_as(session.outlet()) {
        reply.end();
    }
}
