//! The one request by which a modern child is asked for notifications on behalf of everybody who
//! does not ask for them himself.
//!
//! Owns what that request names: what legacy sessions expect to hear unasked, what they have
//! subscribed to, and the tools, whose headers we check. It is replaced when that changes, the old
//! one being given up when the new one is acknowledged. Must not know to whom a notification goes.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::calls::{Call, CallKind};
use super::{Drop, Handshake, Mux, Note};
use crate::bridge::filter::{Filter, untagged};
use crate::message::{Notification, Params};
use crate::protocol::{Era, method};

/// After a child has ended the request by itself, it is not asked again before this has passed.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The requests that are open: an acknowledged one, and one that is to take its place.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    current: Option<Request>,
    next: Option<Request>,
    /// The child does not want to be asked, or not now.
    refused: bool,
    again_at: Option<Instant>,
}

#[derive(Debug)]
struct Request {
    id: u64,
    filter: Filter,
}

impl Upstream {
    /// When the child is to be asked again.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }
}

impl Mux {
    /// Asks the child for what is wanted by now, where that has changed.
    pub(super) fn refresh_upstream(&mut self, now: Instant) {
        if !self.is_ready() || self.child_era() == Era::Legacy {
            return;
        }
        let upstream = &self.upstream;
        if upstream.refused || upstream.again_at.is_some_and(|at| at > now) {
            return;
        }
        self.upstream.again_at = None;
        if self.upstream.next.is_some() {
            return; // What has changed is seen when that one is acknowledged.
        }
        let filter = self.wanted_upstream();
        if self.upstream.current.as_ref().map(|current| &current.filter) == Some(&filter) {
            return;
        }
        if filter == Filter::default() {
            return self.end_upstream();
        }
        let more = format!(r#","notifications":{}"#, filter.written().as_str());
        let params = Self::own_params(&more);
        let call = Call::ours(CallKind::Upstream);
        let id = self.send_ours(call, method::SUBSCRIPTIONS_LISTEN, Some(params));
        self.upstream.next = Some(Request { id, filter });
    }

    fn wanted_upstream(&self) -> Filter {
        let Some(handshake) = &self.handshake else { return Filter::default() };
        let can = |list: &str| handshake.list_changed().contains(&list);
        let legacy = self.sessions.values().any(|session| session.era() == Era::Legacy);
        let subscribes = self.handshake.as_ref().is_some_and(Handshake::subscribe);
        let uris: BTreeSet<String> =
            if subscribes { self.resources.keys().cloned().collect() } else { BTreeSet::new() };
        Filter {
            tools: can(method::TOOLS_LIST_CHANGED),
            prompts: legacy && can(method::PROMPTS_LIST_CHANGED),
            resources: legacy && can(method::RESOURCES_LIST_CHANGED),
            names_uris: !uris.is_empty(),
            uris,
        }
    }

    fn end_upstream(&mut self) {
        if let Some(current) = self.upstream.current.take() {
            self.calls.remove(&current.id);
            self.cancel_in_child(current.id, "replaced");
        }
    }

    /// A modern child's notification on one of our own streams. `false` when it is on none.
    pub(super) fn told_upstream(
        &mut self,
        id: u64,
        notification: &Notification,
        now: Instant,
    ) -> bool {
        let is = |request: &Option<Request>| request.as_ref().is_some_and(|r| r.id == id);
        if is(&self.upstream.next) {
            if &*notification.method == method::SUBSCRIPTIONS_ACKNOWLEDGED {
                self.end_upstream();
                self.upstream.current = self.upstream.next.take();
                self.refresh_upstream(now);
            }
            // What comes on it before that came on the other one as well, or is out of order.
            return true;
        }
        if !is(&self.upstream.current) {
            return false;
        }
        let uri = notification.params.as_ref().and_then(Params::uri);
        let notification = untagged(notification);
        match &*notification.method {
            method::RESOURCES_UPDATED => self.updated(uri, &notification),
            list if method::is_list_changed(list) => self.list_changed(&notification),
            _ => self.note(Note::Dropped(Drop::NotForwarded)),
        }
        true
    }

    /// The child has ended one of our own streams: with an error it is not asked again.
    pub(super) fn upstream_ended(&mut self, id: u64, refused: bool, now: Instant) -> bool {
        let is = |request: &mut Request| request.id == id;
        let was = self.upstream.current.take_if(is).or_else(|| self.upstream.next.take_if(is));
        if was.is_none() {
            return false;
        }
        self.calls.remove(&id);
        self.upstream.refused |= refused;
        if !refused {
            // Also where another one is left: it may not say what is wanted by now.
            self.upstream.again_at = Some(now + AGAIN_AFTER);
        }
        true
    }
}
