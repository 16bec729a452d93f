//! Cancellations of calls that are not in the process which their session's messages come to.
//!
//! Owns the search for them among the calls that wait for a process. Whether a call waits or has been
//! given to a process is known here and nowhere else, so it is here that a cancellation finds it, and
//! never overtakes it. Must not know why a call waits.

use std::sync::Arc;

use standpipe_core::connection::{Inbox, Input, Session};
use standpipe_core::message::{Message, Notification, Params};
use standpipe_core::protocol::method;
use standpipe_metrics::Dropped;

use super::Supervisor;
use crate::instance::InstanceKey;

impl Supervisor {
    /// The instance under `key` hands over what belongs elsewhere: to the main process, unless it is
    /// a cancellation which has come to the right one, that does not have the call.
    pub(super) fn misrouted(&mut self, key: InstanceKey, input: Input) {
        match input {
            Input::Notification { session, notification, .. }
                if &*notification.method == method::CANCELLED && self.speaks_for(&session, key) =>
            {
                self.cancel(key, &session, &notification);
            }
            other if self.front.is_some() => self.arrived(other),
            other => self.send_to_main(other),
        }
    }

    fn cancel(&mut self, key: InstanceKey, session: &Arc<Session>, notification: &Notification) {
        let id = notification.params.as_ref().and_then(Params::request_id);
        let is_it = |input: &Input| match input {
            Input::Request { session: whose, request, .. } => {
                whose.id() == session.id() && Some(&request.id) == id.as_ref()
            }
            _ => false,
        };
        if let Some(call) = self.take_waiting(is_it) {
            return withdraw(call);
        }
        let here = self.instances.get(&key).map(|held| &held.instance.inbox);
        if !here.is_some_and(|here| tell_others(session, here, notification)) {
            self.setup.metrics.dropped(Dropped::AmbiguousCancel, 1);
        }
    }

    fn speaks_for(&self, session: &Session, key: InstanceKey) -> bool {
        let is_own = || {
            let held = self.instances.get(&key);
            let own = session.own();
            held.zip(own).is_some_and(|(held, own)| own.same_as(&held.instance.inbox))
        };
        self.main == Some(key) || is_own()
    }

    /// Takes the one call out that `is_it` holds for, wherever it waits; none where there are two.
    fn take_waiting(&mut self, is_it: impl Fn(&Input) -> bool) -> Option<Input> {
        let queued = self.held.iter().chain(&self.queue).map(|(input, _)| input);
        let given = self.instances.values().flat_map(|held| &held.waiting);
        if queued.chain(given).filter(|input| is_it(input)).count() != 1 {
            return None;
        }
        for queue in [&mut self.held, &mut self.queue] {
            if let Some(at) = queue.iter().position(|(input, _)| is_it(input)) {
                return queue.remove(at).map(|(input, _)| input);
            }
        }
        let found = self.instances.iter_mut().find_map(|(key, held)| {
            let at = held.waiting.iter().position(&is_it)?;
            Some((*key, held.waiting.remove(at)))
        });
        let (key, call) = found?;
        // A side process that is being started for this call takes another one now.
        self.side_is_free(key, false);
        Some(call)
    }
}

/// All side processes of a session are told, seen from the instance behind `here`: an id is used once
/// in a session. `false` when there is none.
fn tell_others(session: &Arc<Session>, here: &Inbox, notification: &Notification) -> bool {
    let own = session.own();
    let mut others = session.others_than(here);
    others.retain(|other| !own.as_ref().is_some_and(|own| own.same_as(other)));
    for other in &others {
        let message = Message::Notification(notification.clone());
        // With a full queue the call goes on, and its late answer is allowed (2025-11-25,
        // "Cancellation").
        let _full = other.send(session, message, session.outlet(), None);
    }
    !others.is_empty()
}

/// A cancelled request gets no answer (2025-11-25, "Cancellation"); its stream, if it has one of its
/// own, ends.
fn withdraw(call: Input) {
    if let Input::Request { session, reply, .. } = call
        && !reply.same_as(session.outlet())
    {
        reply.end();
    }
}
