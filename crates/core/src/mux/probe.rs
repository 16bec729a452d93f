//! Asking the child whether it still answers.
//!
//! Owns the one question of ours that may be open (`ping`, or `server/discover` of a modern child), and what its outcome says. Whatever the child
//! writes shows that it lives; and a child may well be busy instead of dead, as many do one thing at
//! a time. Must not decide when to ask, nor what follows.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::calls::{Call, CallKind};
use super::time::after;
use super::{Mux, Note, Phase};
use crate::message::{Id, Message, Params, Request};
use crate::protocol::{Era, method};

/// Pings that were given up and may still be answered. Of older ones an answer counts as unknown.
const MAX_LATE: usize = 16;

/// What came of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The child has written something since.
    Alive,
    /// It has not, and had nothing else to do.
    Silent,
    /// It has not, but may be at work for a client: that says nothing.
    Busy,
}

/// The state of asking.
#[derive(Debug, Default)]
pub(super) struct Probing {
    open: Option<Probe>,
    late: VecDeque<u64>,
    last_heard: Option<Instant>,
}

#[derive(Debug)]
struct Probe {
    id: u64,
    since: Instant,
    until: Instant,
    /// A client's call was sent to the child meanwhile.
    disturbed: bool,
}

impl Mux {
    /// Asks the child for an answer within `timeout`; [`Note::Probed`] tells what came of it. While
    /// the child is or may be at work for a client it is not asked at all.
    pub fn probe(&mut self, timeout: Duration, now: Instant) {
        if self.probing.open.is_some() {
            return; // Its verdict is on its way.
        }
        let at_work = self.client_calls > 0 || self.abandoned.is_any(now);
        if self.phase != Phase::Ready || at_work {
            return self.note(Note::Probed(Verdict::Busy));
        }
        let id = self.fresh_id();
        self.calls.insert(id, Call::ours(CallKind::Probe));
        let (method, params) = match self.child_era() {
            Era::Legacy => (method::PING, None),
            Era::Modern => (method::SERVER_DISCOVER, Some(Params::opaque(Self::own_params("")))),
        };
        let question = Request { id: Id::from_number(id), method: method.into(), params };
        self.outgoing.push(Message::Request(question), Some(id), None);
        let until = after(now, timeout);
        self.probing.open = Some(Probe { id, since: now, until, disturbed: false });
    }

    /// The child has written something, be it noise.
    pub fn heard(&mut self, now: Instant) {
        self.probing.last_heard = Some(now);
    }

    /// When the child last wrote anything.
    pub fn last_heard(&self) -> Option<Instant> {
        self.probing.last_heard
    }

    /// When the open probe is given up.
    pub(super) fn probed_until(&self) -> Option<Instant> {
        self.probing.open.as_ref().map(|probe| probe.until)
    }

    /// A client's call goes to the child.
    pub(super) fn disturb_probe(&mut self) {
        if let Some(probe) = &mut self.probing.open {
            probe.disturbed = true;
        }
    }

    /// The child has answered the ping. An error is an answer as well.
    pub(super) fn probe_answered(&mut self) {
        if self.probing.open.take().is_some() {
            self.note(Note::Probed(Verdict::Alive));
        }
    }

    /// Gives the open probe up when its time is over.
    pub(super) fn sweep_probe(&mut self, now: Instant) {
        let Some(probe) = self.probing.open.take_if(|probe| probe.until <= now) else {
            return;
        };
        self.calls.remove(&probe.id);
        if !self.outgoing.withdraw(probe.id) {
            while self.probing.late.len() >= MAX_LATE {
                self.probing.late.pop_front();
            }
            self.probing.late.push_back(probe.id);
        }
        let spoke = self.probing.last_heard.is_some_and(|heard| heard > probe.since);
        self.note(Note::Probed(match (spoke, probe.disturbed) {
            (true, _) => Verdict::Alive,
            (false, true) => Verdict::Busy,
            (false, false) => Verdict::Silent,
        }));
    }

    /// Whether this is the answer to a ping that was given up.
    pub(super) fn was_late_ping(&mut self, id: u64) -> bool {
        let found = self.probing.late.iter().position(|late| *late == id);
        found.and_then(|at| self.probing.late.remove(at)).is_some()
    }

    /// The child has ended.
    pub(super) fn end_probing(&mut self) {
        self.probing = Probing::default();
    }
}
