//! Side processes: where calls run that ask their client something.
//!
//! In the main process a question can only be attributed while nobody else's call is open. A call
//! that is known to ask runs beside it, in a process that serves one session, one such call at a
//! time. Owns their number, whose each is, and the queue of calls that wait for one. Must not know
//! what is asked.

use std::sync::Arc;
use std::time::Duration;

use standpipe_core::connection::{Input, Session};
use standpipe_core::fault::FaultKind;
use standpipe_core::mux::Role;
use standpipe_core::policy::IdlePolicy;
use standpipe_core::status::Phase;
use tokio::time::Instant;

use super::{Kind, Supervisor, is_of};
use crate::instance::{Control, InstanceKey};
use crate::life::{Ended, StopReason};
use crate::terminate::StopLadder;

/// A side process that is not used for this long is ended, unless the service says otherwise.
const SIDE_IDLE: Duration = Duration::from_mins(1);

/// What a side process is for.
pub(super) struct Side {
    owner: Arc<Session>,
    busy: bool,
    /// It was given its owner's roots and serves all of the owner's calls.
    dedicated: bool,
}

impl Side {
    /// A dedicated one lives as long as its session; another only while it is used.
    pub(super) fn policy(&self, configured: IdlePolicy) -> IdlePolicy {
        if self.dedicated { configured } else { IdlePolicy::new(Some(SIDE_IDLE)) }
    }
}

impl Supervisor {
    /// A call that asks its client something wants a process.
    pub(super) fn place_aside(&mut self, input: Input) {
        if let Some(input) = self.try_place(input) {
            self.queue.push_back((input, Instant::now()));
        }
    }

    /// Gives the input back when there is no place for it now.
    fn try_place(&mut self, input: Input) -> Option<Input> {
        let session = Arc::clone(input.session());
        if session.is_over() {
            input.refuse(&self.fault(FaultKind::SessionOver));
            return None;
        }
        let key = match self.free_side_of(&session) {
            Some(key) => key,
            None if self.side_count() < self.setup.spec.limits.side_processes => {
                self.make_side(&session)
            }
            None if self.end_free_side() => self.make_side(&session),
            None => return Some(input),
        };
        let Some(held) = self.instances.get_mut(&key) else {
            return Some(input);
        };
        if let Kind::Side(side) = &mut held.kind {
            side.busy = true;
        }
        if held.is_ready() {
            held.instance.inbox.forward(input);
        } else {
            held.waiting.push(input);
        }
        None
    }

    fn free_side_of(&self, session: &Session) -> Option<InstanceKey> {
        let free = self.instances.iter().find(|(_, held)| match &held.kind {
            Kind::Side(side) => {
                is_of(session, &side.owner) && !side.busy && !side.dedicated && held.is_ready()
            }
            _ => false,
        });
        free.map(|(key, _)| *key)
    }

    fn side_count(&self) -> usize {
        let sides = self.instances.values().filter(|held| match &held.kind {
            Kind::Side(side) => !side.dedicated,
            _ => false,
        });
        sides.count()
    }

    fn make_side(&mut self, session: &Arc<Session>) -> InstanceKey {
        let side = Side { owner: Arc::clone(session), busy: true, dedicated: false };
        let key = self.make(Kind::Side(side), Role::Side(Arc::clone(session)));
        self.begin(key);
        key
    }

    /// Ends the side process that has been free for the longest time, to make room. `false` when
    /// all are busy.
    fn end_free_side(&mut self) -> bool {
        let free = self.instances.iter().filter(|(_, held)| match &held.kind {
            Kind::Side(side) => !side.busy && !side.dedicated && held.is_ready(),
            _ => false,
        });
        let longest = free.min_by_key(|(_, held)| held.activity().last_used(held.made));
        let Some(key) = longest.map(|(key, _)| *key) else {
            return false;
        };
        let Some(held) = self.instances.get_mut(&key) else {
            return false;
        };
        held.stop(StopReason::Idle);
        if let Kind::Side(side) = &mut held.kind {
            side.dedicated = true; // Not to be counted or found any more; it is on its way out.
        }
        true
    }

    pub(super) fn side_is_free(&mut self, key: InstanceKey) {
        if let Some(Kind::Side(side)) = self.instances.get_mut(&key).map(|held| &mut held.kind) {
            side.busy = false;
        }
        self.serve_queue();
    }

    fn serve_queue(&mut self) {
        for (input, since) in std::mem::take(&mut self.queue) {
            if let Some(input) = self.try_place(input) {
                self.queue.push_back((input, since));
            }
        }
    }

    /// Nobody waits for ever.
    pub(super) fn expire_queue(&mut self, now: Instant) {
        let patience = self.setup.spec.timeouts.start;
        while self.queue.front().is_some_and(|(_, since)| *since + patience <= now) {
            if let Some((input, _)) = self.queue.pop_front() {
                input.refuse(&self.fault(FaultKind::Overloaded));
            }
        }
    }

    pub(super) fn side_ended(&mut self, key: InstanceKey, ended: &Ended) {
        let Some(held) = self.instances.remove(&key) else {
            return;
        };
        let fault = self.fault(ended.why.clone());
        for input in held.waiting {
            input.refuse(&fault);
        }
        if let Kind::Side(side) = &held.kind {
            let own = side.owner.own();
            if own.is_some_and(|own| own.same_as(&held.instance.inbox)) {
                side.owner.set_own(None);
            }
        }
        self.serve_queue();
    }

    /// The main process has been given the roots of `owner`: from here on it is that session's, and
    /// the others get a fresh one.
    pub(super) fn given_away(
        &mut self,
        key: InstanceKey,
        owner: &Arc<Session>,
        others: Vec<Arc<Session>>,
    ) {
        if self.main != Some(key) {
            return;
        }
        let Some(held) = self.instances.get_mut(&key) else {
            return;
        };
        owner.set_own(Some(held.instance.inbox.clone()));
        held.kind = Kind::Side(Side { owner: Arc::clone(owner), busy: true, dedicated: true });
        self.main = None;
        let key = self.make(Kind::Main, Role::Main);
        self.main = Some(key);
        if let Some(held) = self.instances.get(&key) {
            // A fresh instance has an empty queue, so this cannot fail.
            let _sent = held.instance.control.try_send(Control::Adopt(others));
        }
        self.phase = Phase::Idle;
        self.make_room_for_dedicated();
        self.start_main();
    }

    /// Processes given to single sessions count like sessions' own: the longest idle one goes when
    /// there are too many.
    fn make_room_for_dedicated(&mut self) {
        let dedicated = self.instances.iter().filter(|(_, held)| match &held.kind {
            Kind::Side(side) => side.dedicated && held.is_ready(),
            _ => false,
        });
        let dedicated: Vec<_> = dedicated.collect();
        if dedicated.len() < self.setup.spec.limits.max_instances {
            return;
        }
        let idle = dedicated.iter().filter(|(_, held)| held.activity().open_calls() == 0);
        if let Some((_, held)) = idle.min_by_key(|(_, held)| held.activity().last_used(held.made)) {
            held.stop(StopReason::Asked(StopLadder::default()));
        }
    }
}
