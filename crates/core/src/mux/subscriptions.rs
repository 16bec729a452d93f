//! Resource subscriptions of many sessions on one child.
//!
//! Owns the count per URI: the child is asked once for the first subscriber and told once when the
//! last has gone. Must not know how updates are written to clients.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::calls::{Call, CallKind, answer_error};
use super::{Mux, Role};
use crate::connection::{Outlet, Session};
use crate::fault::Fault;
use crate::id::SessionId;
use crate::message::{Id, Message, Outcome, RawJson, Response};
use crate::protocol::{code, method};

/// A resource that at least one session has subscribed to.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// The child's answer to the first subscriber; `None` while it has not come.
    answer: Option<RawJson>,
    subscribers: HashSet<SessionId>,
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
        _now: Instant,
    ) -> Option<Option<Box<str>>> {
        // Without a URI it is the child's to refuse.
        let Some(uri) = uri else { return Some(None) };
        if !session.subscribe(&uri) {
            let text = "this session has too many subscriptions";
            answer_error(reply, id.clone(), code::INVALID_PARAMS, text);
            return None;
        }
        let Some(watched) = self.resources.get_mut(&uri) else {
            self.resources.insert(uri.clone(), Watched::default());
            return Some(Some(uri.into_boxed_str()));
        };
        if let Some(answer) = &watched.answer {
            watched.subscribers.insert(session.id());
            let done = Message::Response(Response::result(id.clone(), answer.clone()));
            let _gone = reply.answer(done, None);
        } else {
            let (session, reply) = (Arc::clone(session), reply.clone());
            watched.waiting.push(Waiting { session, id: id.clone(), reply });
        }
        None
    }

    /// The child has answered the first subscriber: all that wait get the same.
    pub(super) fn subscribed(&mut self, uri: &str, session: &Arc<Session>, outcome: &Outcome) {
        let Some(watched) = self.resources.get_mut(uri) else {
            return;
        };
        let waiting = std::mem::take(&mut watched.waiting);
        if let Outcome::Result(result) = outcome {
            watched.answer = Some(result.clone());
            watched.subscribers.insert(session.id());
            watched.subscribers.extend(waiting.iter().map(|waiting| waiting.session.id()));
        } else {
            self.resources.remove(uri);
            session.unsubscribe(uri);
        }
        for Waiting { session, id, reply } in waiting {
            if matches!(outcome, Outcome::Error(_)) {
                session.unsubscribe(uri);
            }
            let answer = Response { id, outcome: outcome.clone() };
            let _gone = reply.answer(Message::Response(answer), None);
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

    /// A subscribing call was cancelled by its client: who waits for it is told to try again.
    pub(super) fn forget_subscribing(&mut self, call: &Call) {
        let overtaken = self.fault(crate::fault::FaultKind::Overloaded);
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
    pub(super) fn drop_subscriptions_of(&mut self, session: &Arc<Session>) {
        let mut unwatched = Vec::new();
        self.resources.retain(|uri, watched| {
            watched.waiting.retain(|waiting| waiting.session.id() != session.id());
            let was = watched.subscribers.remove(&session.id());
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
            self.ask_child(method::RESOURCES_UNSUBSCRIBE, uri_params(&uri));
        }
    }

    /// A session comes from another process: what it had subscribed to there is subscribed to here.
    pub(super) fn restore_subscriptions(&mut self, session: &Arc<Session>, _now: Instant) {
        for uri in session.subscriptions() {
            let known = self.resources.contains_key(&uri);
            let watched = self.resources.entry(uri.clone()).or_default();
            watched.subscribers.insert(session.id());
            watched.answer.get_or_insert_with(RawJson::empty_object);
            if !known && self.is_ready() {
                self.ask_child(method::RESOURCES_SUBSCRIBE, uri_params(&uri));
            }
        }
    }

    /// The child is a new one: everything is subscribed to again.
    pub(super) fn resubscribe(&mut self, _now: Instant) {
        let uris: Vec<String> = self.resources.keys().cloned().collect();
        for uri in uris {
            self.ask_child(method::RESOURCES_SUBSCRIBE, uri_params(&uri));
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
