//! Streams of notifications that modern clients hold open (2026-07-28, "Subscriptions").
//!
//! Owns what each of them was promised. With a legacy child they end here: the child is subscribed
//! to once for all of them. With a modern child each is a request of its own, passed through. Either
//! way they outlive the child, and the next one has to keep what was promised. Must not know how a
//! stream is written.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::calls::{Call, CallKind};
use super::{Drop, Mux, Note};
use crate::bridge::filter::{Filter, ended, tagged};
use crate::connection::{Listening, Outlet, Session};
use crate::fault::{Fault, FaultKind};
use crate::id::SessionId;
use crate::message::{Id, Message, Notification, Outcome, Params, Request, Response, rewritten};
use crate::protocol::{Era, code, meta, method};

/// Streams that may be open on one child. More are refused as overload.
const MAX_LISTENS: usize = 16_384;

/// One such stream.
#[derive(Debug)]
pub(super) struct Listen {
    pub(super) session: Arc<Session>,
    /// The client's id, by which everything on the stream is marked.
    id: Id,
    params: Option<Params>,
    /// What was promised, or will be when the child has answered.
    granted: Filter,
    acknowledged: bool,
    /// Resources of which the child has not said yet whether it tells of them.
    awaited: BTreeSet<String>,
    /// The request to a modern child.
    upstream: Option<u64>,
}

impl Listen {
    fn outlet(&self) -> &Outlet {
        self.session.outlet()
    }

    fn note_acknowledged(&mut self) {
        self.acknowledged = true;
        let (id, params) = (self.id.clone(), self.params.clone());
        self.session.set_listening(Listening { id, params, acknowledged: true });
    }
}

impl Mux {
    /// A modern client wants to listen.
    pub(super) fn listen(
        &mut self,
        session: &Arc<Session>,
        request: &Request,
        reply: &Outlet,
        now: Instant,
    ) {
        if let Err(error) = Filter::read(request.params.as_ref()) {
            let text = error.to_string();
            return self.answer_error(reply, request.id.clone(), code::INVALID_PARAMS, &text);
        }
        let refuse = |fault: Fault| {
            let answer = Message::Response(fault.answer(request.id.clone()));
            let _gone = reply.answer(answer, Some(fault));
        };
        if self.listens.len() >= MAX_LISTENS {
            return refuse(self.fault(FaultKind::Overloaded));
        }
        let (id, params) = (request.id.clone(), request.params.clone());
        session.set_listening(Listening { id, params, acknowledged: false });
        if !self.attach(session, now) {
            refuse(self.fault(FaultKind::SessionOver));
        }
    }

    /// A session that listens comes here, from its client or from another process.
    pub(super) fn take_listen_over(&mut self, session: &Arc<Session>, now: Instant) {
        let Some(listening) = session.listening() else { return };
        let id = session.id();
        let listen = Listen {
            session: Arc::clone(session),
            id: listening.id,
            params: listening.params,
            granted: Filter::default(),
            acknowledged: listening.acknowledged,
            awaited: BTreeSet::new(),
            upstream: None,
        };
        let moved = listen.acknowledged;
        self.listens.insert(id, listen);
        if self.is_ready() {
            self.begin_listen(id, now);
            if moved {
                self.look_again(id);
            }
        }
    }

    /// Asks the child for what one client wants to hear.
    fn begin_listen(&mut self, id: SessionId, now: Instant) {
        if self.child_era() == Era::Modern {
            return self.pass_listen_on(id);
        }
        let Some(handshake) = &self.handshake else { return };
        let Some(listen) = self.listens.get_mut(&id) else { return };
        let wish = Filter::read(listen.params.as_ref()).unwrap_or_default();
        let can = |list: &str, wanted: bool| wanted && handshake.list_changed().contains(&list);
        listen.granted = Filter {
            tools: can(method::TOOLS_LIST_CHANGED, wish.tools),
            prompts: can(method::PROMPTS_LIST_CHANGED, wish.prompts),
            resources: can(method::RESOURCES_LIST_CHANGED, wish.resources),
            names_uris: wish.names_uris && handshake.subscribe(),
            uris: if handshake.subscribe() { wish.uris } else { BTreeSet::new() },
        };
        let uris = listen.granted.uris.clone();
        listen.awaited.clone_from(&uris);
        let session = Arc::clone(&listen.session);
        for uri in uris {
            session.subscribe(&uri);
            self.listen_to(&session, &uri, now);
        }
        self.acknowledge(id);
    }

    fn pass_listen_on(&mut self, id: SessionId) {
        let Some(listen) = self.listens.get(&id) else { return };
        let params = listen.params.as_ref().map(|params| params.raw().clone());
        let call = Call::ours(CallKind::Listen(id));
        let upstream = self.send_ours(call, method::SUBSCRIPTIONS_LISTEN, params);
        if let Some(listen) = self.listens.get_mut(&id) {
            listen.upstream = Some(upstream);
        }
    }

    /// The child has said whether it tells of this resource.
    pub(super) fn listen_settled(&mut self, id: SessionId, uri: &str, granted: bool) {
        let Some(listen) = self.listens.get_mut(&id) else { return };
        listen.awaited.remove(uri);
        if !granted {
            listen.granted.uris.remove(uri);
        }
        self.acknowledge(id);
    }

    /// Tells a client what it will hear, once that is known.
    fn acknowledge(&mut self, id: SessionId) {
        let Some(listen) = self.listens.get_mut(&id) else { return };
        if listen.acknowledged || !listen.awaited.is_empty() {
            return;
        }
        listen.note_acknowledged();
        let message = listen.granted.acknowledgement(&listen.id);
        let outlet = listen.outlet().clone();
        self.deliver(&outlet, message);
    }

    /// Those to whom the child's notification goes are told, each under its own mark.
    pub(super) fn tell_listeners(&mut self, notification: &Notification) {
        let mut told = Vec::new();
        for listen in self.listens.values() {
            if listen.acknowledged && listen.granted.wants_list(&notification.method) {
                told.push((listen.outlet().clone(), tagged(notification, &listen.id)));
            }
        }
        for (outlet, message) in told {
            self.deliver_once(&outlet, message);
        }
    }

    /// One of those who listen is told that a resource has changed.
    pub(super) fn tell_listener(&mut self, id: SessionId, notification: &Notification) {
        let Some(listen) = self.listens.get(&id).filter(|listen| listen.acknowledged) else {
            return;
        };
        let message = tagged(notification, &listen.id);
        let outlet = listen.outlet().clone();
        self.deliver(&outlet, message);
    }

    /// The lists may be others than before: the child is a new one.
    fn look_again(&mut self, id: SessionId) {
        let Some(listen) = self.listens.get(&id).filter(|listen| listen.acknowledged) else {
            return;
        };
        let (outlet, mark) = (listen.outlet().clone(), listen.id.clone());
        let lists: Vec<_> = listen.granted.lists().collect();
        for list in lists {
            let changed = Notification { method: list.into(), params: None };
            self.deliver_once(&outlet, tagged(&changed, &mark));
        }
    }

    /// A new child serves: it is asked again for everything that was promised.
    pub(super) fn resume_listens(&mut self, now: Instant) {
        let ids: Vec<SessionId> = self.listens.keys().copied().collect();
        for id in ids {
            self.begin_listen(id, now);
            if self.child_era() == Era::Legacy {
                self.look_again(id);
            }
        }
    }

    /// The child is gone. The streams stay; how the next child is asked depends on its era.
    pub(super) fn pause_listens(&mut self) {
        for listen in self.listens.values_mut() {
            listen.upstream = None;
            listen.awaited.clear();
        }
        let ids: HashSet<SessionId> = self.listens.keys().copied().collect();
        self.forget_subscribers(&ids);
    }

    /// A modern child's notification on the stream of one of its clients. `false` when it is of none.
    pub(super) fn told_on_listen(&mut self, upstream: u64, notification: &Notification) -> bool {
        let Some(CallKind::Listen(id)) = self.calls.get(&upstream).map(|call| &call.kind) else {
            return false;
        };
        let id = *id;
        let Some(listen) = self.listens.get_mut(&id) else { return false };
        if &*notification.method == method::SUBSCRIPTIONS_ACKNOWLEDGED {
            listen.granted = Filter::read(notification.params.as_ref()).unwrap_or_default();
            if listen.acknowledged {
                // The promise was made before; this child is to keep it.
                self.look_again(id);
                return true;
            }
            listen.note_acknowledged();
        }
        let message = tagged(notification, &listen.id);
        let outlet = listen.outlet().clone();
        if method::is_list_changed(&notification.method) {
            self.deliver_once(&outlet, message);
        } else {
            self.deliver(&outlet, message);
        }
        true
    }

    /// A modern child has ended a stream, in good order or with an error.
    pub(super) fn listen_answered(&mut self, id: SessionId, outcome: Outcome) {
        let Some(listen) = self.take_listen(id) else { return };
        let outcome = match outcome {
            Outcome::Result(result) => {
                let found = crate::message::member_of(result.as_str(), "_meta");
                let old = found.filter(|meta| meta.starts_with('{')).unwrap_or("{}");
                let mark = (meta::SUBSCRIPTION_ID, listen.id.as_str());
                let marked = rewritten(old, |_| false, &[mark]);
                let marked = [("_meta", marked.as_str())];
                Outcome::Result(rewritten(result.as_str(), |_| false, &marked))
            }
            error @ Outcome::Error(_) => error,
        };
        let outlet = listen.outlet().clone();
        self.answer_client(&outlet, Response { id: listen.id, outcome });
    }

    /// A modern child tears a stream down. `false` when it is none of its clients'.
    pub(super) fn listen_torn_down(&mut self, upstream: u64) -> bool {
        let Some(CallKind::Listen(id)) = self.calls.get(&upstream).map(|call| &call.kind) else {
            return false;
        };
        let id = *id;
        self.calls.remove(&upstream);
        let Some(listen) = self.take_listen(id) else { return false };
        let outlet = listen.outlet().clone();
        let result = ended(&listen.id);
        self.answer_client(&outlet, Response::result(listen.id, result));
        true
    }

    /// A client listens no more: nothing of that is left here.
    pub(super) fn close_listen(&mut self, id: SessionId, now: Instant) {
        let Some(listen) = self.take_listen(id) else { return };
        if let Some(upstream) = listen.upstream
            && self.calls.remove(&upstream).is_some()
        {
            self.cancel_in_child(upstream, "the client has gone");
        }
        let over = self.fault(FaultKind::SessionOver);
        self.fail_waiting_of(id, &over);
        self.drop_subscriptions_of(id, now);
    }

    fn take_listen(&mut self, id: SessionId) -> Option<Listen> {
        let listen = self.listens.remove(&id)?;
        listen.session.unseen_by(&self.inbox);
        Some(listen)
    }

    /// The service ends: so do the streams, in good order.
    pub(super) fn end_listens(&mut self) {
        let ids: Vec<SessionId> = self.listens.keys().copied().collect();
        for id in ids {
            let Some(listen) = self.take_listen(id) else { continue };
            if let Some(upstream) = listen.upstream {
                self.calls.remove(&upstream);
            }
            self.forget_subscribers(&HashSet::from([id]));
            let result = ended(&listen.id);
            let answer = Message::Response(Response::result(listen.id.clone(), result));
            if listen.outlet().answer(answer, None).is_err() {
                self.note(Note::Dropped(Drop::NoReceiver));
            }
        }
    }
}
