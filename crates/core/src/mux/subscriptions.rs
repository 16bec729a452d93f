//! Resource subscriptions of many sessions on one child.
//!
//! Owns the count per URI: the child is asked once for the first subscriber and told once when the
//! last has gone. Must not know how updates are written to clients.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::calls::{Call, CallKind};
use super::time::after;
use super::waiting::Waiting;
use super::{Handshake, Mux, Role};
use crate::bridge::filter::is_part_of;
use crate::connection::{Outlet, Session};
use crate::fault::{Fault, FaultKind};
use crate::id::SessionId;
use crate::message::{Id, Outcome, RawJson, Response};
use crate::protocol::{Era, code, method};

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
    pub(super) waiting: Vec<Waiting>,
}

impl Watched {
    /// Those to whom updates go. Who listens was promised that by a child of before, and need not
    /// wait for this one's answer.
    fn hearers(&self) -> impl Iterator<Item = SessionId> {
        let listening = self.waiting.iter().filter(|waiting| waiting.request.is_none());
        self.subscribers.iter().copied().chain(listening.map(|waiting| waiting.session.id()))
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
            watched.hearers().collect()
        } else {
            let parts = self.resources.iter().filter(|(watched, _)| is_part_of(uri, watched));
            parts.flat_map(|(_, watched)| watched.hearers()).collect()
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

    /// Those who listen do so in another way from now on, or not at all; the child is not told.
    pub(super) fn forget_subscribers(&mut self, sessions: &HashSet<SessionId>) {
        self.resources.retain(|_, watched| {
            watched.subscribers.retain(|id| !sessions.contains(id));
            watched.answer.is_none() || !watched.subscribers.is_empty()
        });
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
