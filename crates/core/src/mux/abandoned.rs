//! Calls that were given up while the child was working on them.
//!
//! A child may go on with a call that its client has cancelled, and then ask or log because of it.
//! Nothing says so in what it writes: it would be taken for the next client's. Owns the memory of
//! such calls, for a while. Must not know why a call was given up.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::calls::ClientCall;
use crate::id::SessionId;
use crate::learnt::Marks;
use crate::message::MethodName;
use crate::protocol::method;

/// For so long a child may still be working on a call that was given up.
pub(super) const ABANDONED_FOR: Duration = Duration::from_mins(1);

/// The most such calls that are remembered. The oldest is forgotten first.
const MAX_ABANDONED: usize = 1024;

/// The calls of one child that were given up lately and have not been answered.
#[derive(Debug, Default)]
pub(super) struct Abandoned(VecDeque<AbandonedCall>);

#[derive(Debug)]
struct AbandonedCall {
    id: u64,
    session: SessionId,
    method: MethodName,
    name: Option<Box<str>>,
    until: Instant,
}

impl AbandonedCall {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Abandoned {
    /// A call that the child has been sent is given up.
    pub(super) fn add(&mut self, id: u64, call: &ClientCall, now: Instant) {
        while self.0.len() >= MAX_ABANDONED || self.0.front().is_some_and(|old| old.until <= now) {
            self.0.pop_front();
        }
        self.0.push_back(AbandonedCall {
            id,
            session: call.session.id(),
            method: call.method.clone(),
            name: call.name.clone(),
            until: now + ABANDONED_FOR,
        });
    }

    /// The child has answered after all: it is done with this one.
    pub(super) fn answered(&mut self, id: u64) {
        self.0.retain(|call| call.id != id);
    }

    /// The child is gone.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether the child may still be working on any of them.
    pub(super) fn is_any(&self, now: Instant) -> bool {
        self.0.iter().any(|call| call.until > now)
    }

    /// Whether the child may still be working for a session other than this one.
    pub(super) fn of_others(&self, session: SessionId, now: Instant) -> bool {
        self.others(session, now).next().is_some()
    }

    /// Whether the child may still ask something for a session other than this one.
    pub(super) fn others_may_ask(&self, session: SessionId, now: Instant) -> bool {
        self.others(session, now).any(|call| method::may_ask(&call.method))
    }

    /// Whether it is even likely: one of those calls is known to ask.
    pub(super) fn others_will_ask(&self, session: SessionId, marks: &Marks, now: Instant) -> bool {
        let mut asking = self.others(session, now).filter(|call| method::may_ask(&call.method));
        asking.any(|call| marks.is_marked(&call.method, call.name()))
    }

    /// One of those that may be at work asks, it is not known which.
    pub(super) fn mark_all(&self, marks: &Marks, now: Instant) {
        for call in self.0.iter().filter(|call| call.until > now && method::may_ask(&call.method)) {
            marks.mark(&call.method, call.name());
        }
    }

    fn others(&self, session: SessionId, now: Instant) -> impl Iterator<Item = &AbandonedCall> {
        self.0.iter().filter(move |call| call.session != session && call.until > now)
    }
}
