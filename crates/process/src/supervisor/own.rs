//! Processes that belong to one session each (`sharing = "session"`).
//!
//! Owns their number and who has to leave when there are too many. Must not know of the main
//! process: a service has either.

use std::sync::Arc;

use standpipe_core::connection::{GateState, Input, Session};
use standpipe_core::fault::FaultKind;
use standpipe_core::mux::Role;
use standpipe_core::policy::{Decision, Ending};
use standpipe_core::status::Phase;
use tokio::time::Instant;

use super::{Kind, Supervisor, jitter};
use crate::instance::InstanceKey;
use crate::life::{Ended, StopReason};
use crate::terminate::StopLadder;

impl Supervisor {
    /// Lets sessions be opened.
    pub(super) fn open_front(&mut self) {
        if let Some((inbox, _)) = &self.front {
            self.setup.keeper.set(GateState::Open(inbox.clone()));
            self.phase = if self.lives.is_empty() { Phase::Idle } else { Phase::Ready };
        }
    }

    /// Something for a session without a process.
    pub(super) fn arrived(&mut self, input: Input) {
        let session = Arc::clone(input.session());
        if let Input::Open { .. } = input {
            return self.open_own(&session, input);
        }
        // Its process has ended, and with it the session.
        session.end();
        input.refuse(&self.fault(FaultKind::SessionOver));
    }

    fn open_own(&mut self, session: &Arc<Session>, input: Input) {
        let own = self.instances.values().filter(|held| matches!(held.kind, Kind::Own(_))).count();
        if own >= self.setup.spec.limits.max_instances && !self.end_longest_idle() {
            return input.refuse(&self.fault(FaultKind::TooManyInstances));
        }
        let key = self.make(Kind::Own(Arc::clone(session)), Role::Own(Arc::clone(session)));
        let Some(held) = self.instances.get(&key) else {
            return;
        };
        session.set_own(Some(held.instance.inbox.clone()));
        held.instance.inbox.forward(input);
        if self.phase == Phase::Idle {
            self.phase = Phase::Starting;
        }
        self.begin(key);
    }

    /// Ends the session without an open stream that has been silent for the longest time. `false`
    /// when every session is in use.
    fn end_longest_idle(&mut self) -> bool {
        let idle = self.instances.values().filter_map(|held| match &held.kind {
            Kind::Own(session) if held.is_ready() && session.is_detached() => Some((held, session)),
            _ => None,
        });
        let unused = idle.filter(|(held, _)| held.activity().open_calls() == 0);
        let longest = unused.min_by_key(|(held, _)| held.activity().last_used(held.made));
        let Some((held, session)) = longest else {
            return false;
        };
        session.end();
        held.stop(StopReason::Asked(StopLadder::default()));
        true
    }

    pub(super) fn own_ready(&mut self) {
        // A start that works shows that starts work.
        self.policy.reset();
        self.phase = Phase::Ready;
        self.message = None;
    }

    pub(super) fn own_ended(&mut self, key: InstanceKey, ended: &Ended) {
        self.instances.remove(&key);
        if self.phase != Phase::Backoff && self.phase != Phase::CrashLoop {
            self.open_front();
        }
        // One session's crash is no reason to keep others waiting; a start that fails is.
        if ended.ending != Some(Ending::NeverReady) {
            return;
        }
        self.message = Some(Arc::clone(&ended.how));
        match self.policy.on_exit(Instant::now(), Ending::NeverReady, jitter()) {
            Decision::CrashLoop => self.give_up(),
            Decision::RestartNow => {}
            Decision::RestartAt(at) => {
                let gate = GateState::Refusing { why: ended.why.clone(), until: Some(at) };
                self.pause(gate, at);
            }
        }
    }
}
