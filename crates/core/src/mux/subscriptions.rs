//! Resource subscriptions of many sessions on one child.
//!
//! Owns the count per URI: the child is asked once for the first subscriber and told once when the
//! last has gone. Must not know how updates are written to clients.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::calls::{Call, CallKind, ClientCall};
use super::time::after;
use super::{Handshake, Mux, Role};
use crate::bridge::filter::is_part_of;
use crate::connection::{Outlet, Session};
use crate::fault::{Fault, FaultKind};
use crate::id::SessionId;
use crate::message::{Id, Message, Outcome, RawJson, Response};
use crate::protocol::{Era, code, method};
use crate::trace::Trace;

/// A child that does not say in this time whether it tells of a resource is not waited for: a stream
/// begins with what was granted.
const LISTEN_WAIT: Duration = Duration::from_secs(10);

/// A resource that at least one session has subscribed to.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// The child's answer to the first subscriber; `None` while it has not come: then its call is
    /// open.
    answer: Option<RawJson>,
    subscribers: HashSet<SessionId>,
    /// At most one of each session, so that they are bounded.
    waiting: Vec<Waiting>,
}

/// A subscriber that came while the first one's request was open.
#[derive(Debug)]
struct Waiting {
    session: Arc<Session>,
    /// Its request; a modern client that listens has made none for this resource alone.
    request: Option<(Id, Outlet)>,
}

impl Waiting {
    fn is_request(&self, session: SessionId, id: &RawJson) -> bool {
        let is = self.request.as_ref().is_some_and(|(waiting, _)| waiting.raw() == id);
        is && self.session.id() == session
    }
}

impl Mux {
    /// Decides about a `resources/subscribe`: `Some` to forward it (with the URI where the answer
    /// is for others too), `None` when it was answered or waits for another's answer.
    #[expect(clippy::option_option, reason = "handled here or forwarded; with or without a URI")]
    pub(super) fn may_subscribe(
        &mut self,
        session: &Arc<Session>,
        uri: Option<String>,
        id: &Id,
        reply: &Outlet,
    ) -> Option<Option<Box<str>>> {
        // Without a URI it is the child's to refuse.
        let Some(uri) = uri else { return Some(None) };
        if !session.subscribe(&uri) {
            let text = "this session has too many subscriptions";
            self.answer_error(reply, id.clone(), code::INVALID_PARAMS, text);
            return None;
        }
        let Some(watched) = self.resources.get_mut(&uri) else {
            self.resources.insert(uri.clone(), Watched::default());
            return Some(Some(uri.into_boxed_str()));
        };
        if let Some(answer) = &watched.answer {
            watched.subscribers.insert(session.id());
            let done = Response::result(id.clone(), answer.clone());
            self.answer_client(reply, done);
        } else if watched.waiting.iter().any(|waiting| waiting.session.id() == session.id()) {
            let text = "this session is about to subscribe to this resource already";
            self.answer_error(reply, id.clone(), code::INVALID_REQUEST, text);
        } else {
            let request = Some((id.clone(), reply.clone()));
            watched.waiting.push(Waiting { session: Arc::clone(session), request });
        }
        None
    }

    /// A modern client that listens wants to hear of a resource of a legacy child.
    pub(super) fn listen_to(&mut self, session: &Arc<Session>, uri: &str, now: Instant) {
        let waiting = || Waiting { session: Arc::clone(session), request: None };
        match self.resources.get_mut(uri) {
            Some(watched) if watched.answer.is_some() => {
                watched.subscribers.insert(session.id());
                self.listen_settled(session.id(), uri, true);
            }
            Some(watched) => watched.waiting.push(waiting()),
            None => {
                let watched = Watched { waiting: vec![waiting()], ..Watched::default() };
                self.resources.insert(uri.to_owned(), watched);
                let wait = self.settings.request_timeout.min(LISTEN_WAIT);
                let call = Call {
                    kind: CallKind::Subscribing(uri.into()),
                    deadline: Some(after(now, wait)),
                };
                self.sweep_by(now);
                self.send_ours(call, method::RESOURCES_SUBSCRIBE, Some(uri_params(uri)));
            }
        }
    }

    /// Our own subscription has failed for a reason of ours.
    pub(super) fn not_subscribed(&mut self, uri: &str) {
        let Some(watched) = self.resources.remove(uri) else { return };
        let fault = self.fault(FaultKind::Overloaded);
        for waiting in watched.waiting {
            waiting.session.unsubscribe(uri);
            self.fail_waiting(waiting, uri, &fault);
        }
    }

    /// Whoever waited does not get what it waited for.
    fn fail_waiting(&mut self, waiting: Waiting, uri: &str, fault: &Fault) {
        match waiting.request {
            Some((id, reply)) => {
                let answer = Message::Response(fault.answer(id));
                let _gone = reply.answer(answer, Some(fault.clone()));
            }
            None => self.listen_settled(waiting.session.id(), uri, false),
        }
    }

    /// A legacy client of a modern child subscribes: that is answered here, and the child is asked
    /// for what all of them want together.
    pub(super) fn listen_for(
        &mut self,
        session: &Arc<Session>,
        uri: Option<&str>,
        id: &Id,
        reply: &Outlet,
        now: Instant,
    ) {
        if !self.handshake.as_ref().is_some_and(Handshake::subscribe) {
            let text = "this server tells nobody of changed resources";
            return self.answer_error(reply, id.clone(), code::METHOD_NOT_FOUND, text);
        }
        let Some(uri) = uri else {
            let text = "`params.uri` must be a string";
            return self.answer_error(reply, id.clone(), code::INVALID_PARAMS, text);
        };
        if !session.subscribe(uri) {
            let text = "this session has too many subscriptions";
            return self.answer_error(reply, id.clone(), code::INVALID_PARAMS, text);
        }
        let watched = self.resources.entry(uri.to_owned()).or_default();
        watched.answer = Some(RawJson::empty_object());
        watched.subscribers.insert(session.id());
        self.done(reply, id);
        self.refresh_upstream(now);
    }

    /// The child has answered the first subscriber, or us: all that wait get the same.
    pub(super) fn subscribed(
        &mut self,
        uri: &str,
        session: Option<&Arc<Session>>,
        outcome: &Outcome,
        now: Instant,
    ) {
        let Some(watched) = self.resources.get_mut(uri) else {
            return;
        };
        let waiting = std::mem::take(&mut watched.waiting);
        let asked = session.into_iter().chain(waiting.iter().map(|waiting| &waiting.session));
        if let Outcome::Result(result) = outcome {
            watched.answer = Some(result.clone());
            // Not those that have unsubscribed meanwhile, or are served by another process by now.
            let here = |session: &&Arc<Session>| {
                let id = session.id();
                self.sessions.contains_key(&id) || self.listens.contains_key(&id)
            };
            let still = asked.filter(here).filter(|session| session.subscribes(uri));
            watched.subscribers.extend(still.map(|session| session.id()));
            if watched.subscribers.is_empty() {
                self.resources.remove(uri);
                self.ask_child(method::RESOURCES_UNSUBSCRIBE, uri_params(uri), now);
            }
        } else {
            asked.for_each(|session| {
                session.unsubscribe(uri);
            });
            self.resources.remove(uri);
        }
        for Waiting { session, request } in waiting {
            match request {
                Some((id, reply)) => {
                    self.answer_client(&reply, Response { id, outcome: outcome.clone() });
                }
                None => {
                    let granted = matches!(outcome, Outcome::Result(_));
                    self.listen_settled(session.id(), uri, granted);
                }
            }
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
    pub(super) fn waiting_subscribers(&self, session: SessionId, id: &RawJson) -> Vec<String> {
        let is_it = |waiting: &Waiting| waiting.is_request(session, id);
        let waits = self.resources.iter().filter(|(_, w)| w.waiting.iter().any(is_it));
        waits.map(|(uri, _)| uri.clone()).take(2).collect()
    }

    /// A request that waits for another's answer is cancelled. Returns where its answer would go.
    pub(super) fn stop_waiting(
        &mut self,
        uri: &str,
        session: &Session,
        id: &RawJson,
    ) -> Option<Outlet> {
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

    /// Whether an `unsubscribe` ends here because the child still has to report to others. Where it
    /// does not, the child is told, and the resource is forgotten.
    pub(super) fn others_subscribe(
        &mut self,
        session: &Session,
        uri: Option<&str>,
        now: Instant,
    ) -> bool {
        let Some(uri) = uri else { return false };
        session.unsubscribe(uri);
        let Some(watched) = self.resources.get_mut(uri) else {
            return false;
        };
        watched.subscribers.remove(&session.id());
        if watched.answer.is_none() || !watched.subscribers.is_empty() {
            return true;
        }
        self.resources.remove(uri);
        self.refresh_upstream(now);
        false
    }

    /// The sessions to be told that `uri` has changed: those that subscribed to it, or to a
    /// resource that it is part of (2025-11-25, "Subscriptions").
    pub(super) fn subscribers_of(&self, uri: &str) -> Vec<Arc<Session>> {
        let ids: HashSet<SessionId> = if let Some(watched) = self.resources.get(uri) {
            watched.subscribers.clone()
        } else {
            let parts = self.resources.iter().filter(|(watched, _)| is_part_of(uri, watched));
            parts.flat_map(|(_, watched)| watched.subscribers.iter().copied()).collect()
        };
        let session = |id: &SessionId| {
            let listens = || self.listens.get(id).map(|listen| &listen.session);
            self.sessions.get(id).or_else(listens)
        };
        ids.iter().filter_map(session).cloned().collect()
    }

    /// Drops a session's subscriptions here; the child is told where it was the last.
    pub(super) fn drop_subscriptions_of(&mut self, session: SessionId, now: Instant) {
        let mut unwatched = Vec::new();
        self.resources.retain(|uri, watched| {
            let was = watched.subscribers.remove(&session);
            let last = was && watched.subscribers.is_empty() && watched.answer.is_some();
            if last {
                unwatched.push(uri.clone());
            }
            !last
        });
        if !self.is_ready() {
            return;
        }
        if self.child_era() == Era::Modern {
            return self.refresh_upstream(now);
        }
        for uri in unwatched {
            self.ask_child(method::RESOURCES_UNSUBSCRIBE, uri_params(&uri), now);
        }
    }

    /// A session comes from another process: what it had subscribed to there is subscribed to here.
    pub(super) fn restore_subscriptions(&mut self, session: &Arc<Session>, now: Instant) {
        for uri in session.subscriptions() {
            if let Some(watched) = self.resources.get_mut(&uri) {
                watched.subscribers.insert(session.id());
                continue;
            }
            let watched = Watched {
                answer: Some(RawJson::empty_object()),
                subscribers: HashSet::from([session.id()]),
                waiting: Vec::new(),
            };
            if self.is_ready() && self.child_era() == Era::Legacy {
                self.ask_child(method::RESOURCES_SUBSCRIBE, uri_params(&uri), now);
            }
            self.resources.insert(uri, watched);
        }
    }

    /// The child is a new one: everything is subscribed to again.
    pub(super) fn resubscribe(&mut self, now: Instant) {
        if self.child_era() == Era::Modern {
            return self.refresh_upstream(now);
        }
        let uris: Vec<String> = self.resources.keys().cloned().collect();
        for uri in uris {
            self.ask_child(method::RESOURCES_SUBSCRIBE, uri_params(&uri), now);
        }
    }

    /// The child is gone: what was not answered yet is not subscribed to.
    pub(super) fn reset_subscriptions(&mut self, fault: &Fault) {
        if matches!(self.role, Role::Own(_)) {
            self.resources = HashMap::new();
            return;
        }
        let mut failed = Vec::new();
        self.resources.retain(|uri, watched| {
            failed.extend(watched.waiting.drain(..).map(|waiting| (uri.clone(), waiting)));
            watched.answer.is_some()
        });
        for (uri, waiting) in failed {
            // Those who listen go on to, and ask the next child.
            if waiting.request.is_some() {
                waiting.session.unsubscribe(&uri);
                self.fail_waiting(waiting, &uri, fault);
            }
        }
    }
}

fn uri_params(uri: &str) -> RawJson {
    let uri = RawJson::string(uri);
    RawJson::trusted(format!(r#"{{"uri":{}}}"#, uri.as_str()).into())
}
