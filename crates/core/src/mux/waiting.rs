//! Those who wait for the answer to somebody else's subscription.
//!
//! Owns what becomes of them when the one whose request it is goes, fails or is cancelled. Must not
//! know what they are told in the end; see `subscriptions`.

use std::sync::Arc;

use super::Mux;
use super::calls::{Call, CallKind, ClientCall};
use crate::connection::{Outlet, Session};
use crate::fault::{Fault, FaultKind};
use crate::id::SessionId;
use crate::message::{Id, Message};
use crate::trace::Trace;

/// A subscriber that came while the first one's request was open.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) session: Arc<Session>,
    /// Its request; a modern client that listens has made none for this resource alone.
    pub(super) request: Option<(Id, Outlet)>,
}

impl Waiting {
    fn is_request(&self, session: SessionId, id: &Id) -> bool {
        let is = self.request.as_ref().is_some_and(|(waiting, _)| waiting == id);
        is && self.session.id() == session
    }
}

impl Mux {
    /// Whoever waited does not get what it waited for.
    pub(super) fn fail_waiting(&mut self, waiting: Waiting, uri: &str, fault: &Fault) {
        match waiting.request {
            Some((id, reply)) => {
                let answer = Message::Response(fault.answer(id));
                let _gone = reply.answer(answer, Some(fault.clone()));
            }
            // Those who listen go on to, and ask the next child.
            None if !self.is_ready() => {}
            None => self.listen_settled(waiting.session.id(), uri, false),
        }
    }

    /// Who made a subscribing call has gone, but others wait for the same answer: the call becomes
    /// the first one's of these, or ours. Returns the call as it was; `None` when nobody waits for it.
    pub(super) fn hand_over(&mut self, id: u64) -> Option<ClientCall> {
        let call = self.calls.get_mut(&id)?;
        let CallKind::Client(old) = &mut call.kind else {
            return None;
        };
        let uri = old.subscribes.clone()?;
        let watched = self.resources.get_mut(&*uri)?;
        let at = watched.waiting.iter().position(|waiting| waiting.request.is_some());
        let next = at.map(|at| watched.waiting.remove(at));
        let heir = next.as_ref().map(|next| next.session.id());
        if let Some(Waiting { session, request: Some((id, reply)) }) = next {
            let next = ClientCall {
                session,
                id,
                method: old.method.clone(),
                name: None,
                token: None,
                reply,
                latest: old.latest,
                parked: None,
                subscribes: old.subscribes.clone(),
                rounds: None,
                refused: None,
                // The one that has waited is not traced beyond its wait.
                trace: Trace::default(),
            };
            let old = std::mem::replace(old, next);
            if heir != Some(old.session.id()) {
                old.session.unsubscribe(&uri);
            }
            return Some(old);
        }
        if watched.waiting.is_empty() {
            return None;
        }
        let ours = std::mem::replace(&mut call.kind, CallKind::Subscribing(uri.clone()));
        self.client_calls -= 1;
        let CallKind::Client(old) = ours else { return None };
        old.session.unsubscribe(&uri);
        Some(old)
    }

    /// The resources for whose answer this request of a session waits; more than two are not looked
    /// for.
    pub(super) fn waiting_subscribers(&self, session: SessionId, id: &Id) -> Vec<String> {
        let is_it = |waiting: &Waiting| waiting.is_request(session, id);
        let waits = self.resources.iter().filter(|(_, w)| w.waiting.iter().any(is_it));
        waits.map(|(uri, _)| uri.clone()).take(2).collect()
    }

    /// A request that waits for another's answer is cancelled. Returns where its answer would go.
    pub(super) fn stop_waiting(&mut self, uri: &str, session: &Session, id: &Id) -> Option<Outlet> {
        let waiting = &mut self.resources.get_mut(uri)?.waiting;
        let is_it = |waiting: &Waiting| waiting.is_request(session.id(), id);
        let at = waiting.iter().position(is_it)?;
        session.unsubscribe(uri);
        Some(waiting.remove(at).request?.1)
    }

    /// What a session waits for here is failed.
    pub(super) fn fail_waiting_of(&mut self, session: SessionId, fault: &Fault) {
        let mut failed = Vec::new();
        for (uri, watched) in &mut self.resources {
            let gone = watched.waiting.extract_if(.., |waiting| waiting.session.id() == session);
            failed.extend(gone.map(|waiting| (uri.clone(), waiting)));
        }
        for (uri, waiting) in failed {
            waiting.session.unsubscribe(&uri);
            self.fail_waiting(waiting, &uri, fault);
        }
    }

    /// A subscribing call failed for a reason of ours: those that wait for it fail with it.
    pub(super) fn fail_subscribing(&mut self, call: &Call, fault: &Fault) {
        let CallKind::Client(call) = &call.kind else {
            return;
        };
        let Some(uri) = &call.subscribes else { return };
        let Some(watched) = self.resources.remove(&**uri) else {
            return;
        };
        call.session.unsubscribe(uri);
        for waiting in watched.waiting {
            waiting.session.unsubscribe(uri);
            self.fail_waiting(waiting, uri, fault);
        }
    }

    /// A subscribing call was cancelled by its client, and nobody else waits for it.
    pub(super) fn forget_subscribing(&mut self, call: &Call) {
        let overtaken = self.fault(FaultKind::Overloaded);
        self.fail_subscribing(call, &overtaken);
    }
}
