//! Resource subscriptions of many sessions on one child.
//!
//! Owns the count per URI: the child is asked once for the first subscriber and told once when the
//! last has gone. Must not know how updates are written to clients.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::calls::{Call, CallKind, ClientCall};
use super::{Mux, Role};
use crate::connection::{Outlet, Session};
use crate::fault::{Fault, FaultKind};
use crate::id::SessionId;
use crate::message::{Id, Message, Outcome, RawJson, Response};
use crate::protocol::{code, method};
use crate::trace::Trace;

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
    id: Id,
    reply: Outlet,
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
            let (session, reply) = (Arc::clone(session), reply.clone());
            watched.waiting.push(Waiting { session, id: id.clone(), reply });
        }
        None
    }

    /// The child has answered the first subscriber: all that wait get the same.
    pub(super) fn subscribed(
        &mut self,
        uri: &str,
        session: &Arc<Session>,
        outcome: &Outcome,
        now: Instant,
    ) {
        let Some(watched) = self.resources.get_mut(uri) else {
            return;
        };
        let waiting = std::mem::take(&mut watched.waiting);
        let asked = std::iter::once(session).chain(waiting.iter().map(|waiting| &waiting.session));
        if let Outcome::Result(result) = outcome {
            watched.answer = Some(result.clone());
            // Not those that have unsubscribed meanwhile, or are served by another process by now.
            let here = |session: &&Arc<Session>| self.sessions.contains_key(&session.id());
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
        for Waiting { id, reply, .. } in waiting {
            self.answer_client(&reply, Response { id, outcome: outcome.clone() });
        }
    }

    /// Who made a subscribing call has gone, but others wait for the same answer: the call becomes
    /// the first one's of these. Returns the call as it was; `None` when nobody waits for it.
    pub(super) fn hand_over(&mut self, id: u64) -> Option<ClientCall> {
        let CallKind::Client(call) = &mut self.calls.get_mut(&id)?.kind else {
            return None;
        };
        let uri = call.subscribes.clone()?;
        let watched = self.resources.get_mut(&*uri)?;
        if watched.waiting.is_empty() {
            return None;
        }
        let next = watched.waiting.remove(0);
        let next = ClientCall {
            session: next.session,
            id: next.id,
            method: call.method.clone(),
            name: None,
            token: None,
            reply: next.reply,
            latest: call.latest,
            parked: None,
            subscribes: call.subscribes.clone(),
            // The one that has waited is not traced beyond its wait.
            trace: Trace::default(),
        };
        if next.session.id() != call.session.id() {
            call.session.unsubscribe(&uri);
        }
        Some(std::mem::replace(call, next))
    }

    /// The resources for whose answer this request of a session waits; more than two are not looked
    /// for.
    pub(super) fn waiting_subscribers(&self, session: SessionId, id: &RawJson) -> Vec<String> {
        let is_it = |waiting: &Waiting| waiting.session.id() == session && waiting.id.raw() == id;
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
        let is_it =
            |waiting: &Waiting| waiting.session.id() == session.id() && waiting.id.raw() == id;
        let at = waiting.iter().position(is_it)?;
        session.unsubscribe(uri);
        Some(waiting.remove(at).reply)
    }

    /// What a session waits for here is failed.
    pub(super) fn fail_waiting_of(&mut self, session: SessionId, fault: &Fault) {
        for (uri, watched) in &mut self.resources {
            let gone = watched.waiting.extract_if(.., |waiting| waiting.session.id() == session);
            for Waiting { session, id, reply } in gone {
                session.unsubscribe(uri);
                let _gone = reply.answer(Message::Response(fault.answer(id)), Some(fault.clone()));
            }
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
        for Waiting { session, id, reply } in watched.waiting {
            session.unsubscribe(uri);
            let _gone = reply.answer(Message::Response(fault.answer(id)), Some(fault.clone()));
        }
    }

    /// A subscribing call was cancelled by its client, and nobody else waits for it.
    pub(super) fn forget_subscribing(&mut self, call: &Call) {
        let overtaken = self.fault(FaultKind::Overloaded);
        self.fail_subscribing(call, &overtaken);
    }

    /// Whether an `unsubscribe` ends here because the child still has to report to others. Where it
    /// does not, the child is told, and the resource is forgotten.
    pub(super) fn others_subscribe(&mut self, session: &Session, uri: Option<&str>) -> bool {
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
        false
    }

    /// The sessions to be told that `uri` has changed: those that subscribed to it, or to a
    /// resource that it is part of (2025-11-25, "Subscriptions").
    pub(super) fn subscribers_of(&self, uri: &str) -> Vec<Arc<Session>> {
        let part_of = |watched: &str| {
            uri == watched
                || (uri.starts_with(watched)
                    && (watched.ends_with('/')
                        || uri[watched.len()..].starts_with(['/', '?', '#'])))
        };
        let ids: HashSet<SessionId> = if let Some(watched) = self.resources.get(uri) {
            watched.subscribers.clone()
        } else {
            let parts = self.resources.iter().filter(|(watched, _)| part_of(watched));
            parts.flat_map(|(_, watched)| watched.subscribers.iter().copied()).collect()
        };
        ids.iter().filter_map(|id| self.sessions.get(id)).cloned().collect()
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
            if self.is_ready() {
                self.ask_child(method::RESOURCES_SUBSCRIBE, uri_params(&uri), now);
            }
            self.resources.insert(uri, watched);
        }
    }

    /// The child is a new one: everything is subscribed to again.
    pub(super) fn resubscribe(&mut self, now: Instant) {
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
        self.resources.retain(|uri, watched| {
            for Waiting { session, id, reply } in watched.waiting.drain(..) {
                session.unsubscribe(uri);
                let _gone = reply.answer(Message::Response(fault.answer(id)), Some(fault.clone()));
            }
            watched.answer.is_some()
        });
    }
}

fn uri_params(uri: &str) -> RawJson {
    let uri = RawJson::string(uri);
    RawJson::trusted(format!(r#"{{"uri":{}}}"#, uri.as_str()).into())
}
