//! Processes that belong to one session each (`sharing = "session"`).
//!
//! Owns their number and who has to leave when there are too many. Must not know of the main
//! process: a service has either.

use std::sync::Arc;
use std::time::Duration;

use standpipe_core::connection::{GateState, Input, Session};
use standpipe_core::fault::FaultKind;
use standpipe_core::mux::Role;
use standpipe_core::policy::{Decision, Ending};
use standpipe_core::status::Phase;
use tokio::time::Instant;

use super::{Held, Kind, Supervisor, jitter};
use crate::instance::InstanceKey;
use crate::life::{Ended, StopReason};
use crate::terminate::StopLadder;

/// How often a session that found no room is tried again, and for how long. Its place is mostly
/// there already: a client may know that its call was answered, and open the next session, a moment
/// before the supervisor sees that the process is unused.
pub(super) const ROOM_CHECK: Duration = Duration::from_millis(10);
const ROOM_PATIENCE: Duration = Duration::from_millis(200);

impl Supervisor {
    /// Lets sessions be opened.
    pub(super) fn open_front(&mut self) {
        let Some((inbox, _)) = &self.front else {
            return;
        };
        let state = GateState::Open(inbox.clone());
        self.set_gate(state);
        self.phase = if self.instances.values().any(Held::is_ready) {
            Phase::Ready
        } else if self.lives.is_empty() {
            Phase::Idle
        } else {
            Phase::Starting
        };
    }

    /// Something for a session without a process.
    pub(super) fn arrived(&mut self, input: Input) {
        let session = Arc::clone(input.session());
        if let Some(why) = self.refusal.clone().or(self.halt.map(|_| FaultKind::Draining)) {
            return input.refuse(&self.fault(why));
        }
        if let Input::Open { .. } = input {
            if let Some(input) = self.open_own(&session, input) {
                self.held.push_back((input, Instant::now()));
            }
            return;
        }
        // Its process has ended, and with it the session.
        session.end();
        input.refuse(&self.fault(FaultKind::SessionOver));
    }

    /// Tries those again that found no room.
    pub(super) fn open_held(&mut self, now: Instant) {
        for (input, since) in std::mem::take(&mut self.held) {
            let session = Arc::clone(input.session());
            if self.halt.is_some() {
                input.refuse(&self.fault(FaultKind::Draining));
            } else if session.is_over() {
                input.refuse(&self.fault(FaultKind::SessionOver));
            } else if let Some(input) = self.open_own(&session, input) {
                if since + ROOM_PATIENCE > now {
                    self.held.push_back((input, since));
                } else {
                    input.refuse(&self.fault(FaultKind::TooManyInstances));
                }
            }
        }
    }

    /// Gives the input back when there is no room.
    fn open_own(&mut self, session: &Arc<Session>, input: Input) -> Option<Input> {
        // Those on their way out are not counted: they make room.
        let own = |held: &&Held| matches!(held.kind, Kind::Own(_)) && !held.is_leaving();
        let own = self.instances.values().filter(own).count();
        if own >= self.setup.spec.limits.max_instances && !self.end_longest_idle() {
            return Some(input);
        }
        let key = self.make(Kind::Own(Arc::clone(session)), Role::Own(Arc::clone(session)));
        let Some(held) = self.instances.get(&key) else {
            return Some(input);
        };
        session.set_own(Some(held.instance.inbox.clone()));
        // From here on the instance is told when the client ends, even before there is a child.
        session.seen_by(&held.instance.inbox);
        held.instance.inbox.forward(input);
        if session.is_over() {
            self.instances.remove(&key);
            return None;
        }
        if self.phase == Phase::Idle {
            self.phase = Phase::Starting;
        }
        self.begin(key);
        None
    }

    /// Ends the session without an open stream that has been silent for the longest time. `false`
    /// when every session is in use.
    fn end_longest_idle(&mut self) -> bool {
        let idle = self.instances.values().filter_map(|held| match &held.kind {
            Kind::Own(session) if held.is_ready() && session.is_detached() => Some((held, session)),
            _ => None,
        });
        let unused = idle.filter(|(held, _)| held.activity().open_calls() == 0);
        let longest = unused.min_by_key(|(held, _)| held.last_used());
        let Some((held, session)) = longest else {
            return false;
        };
        held.stop(StopReason::Asked(StopLadder::default()));
        session.end();
        true
    }

    pub(super) fn own_ready(&mut self) {
        if self.phase == Phase::CrashLoop || self.halt.is_some() {
            return;
        }
        // A start that works shows that starts work.
        self.policy.reset();
        self.resume_at = None;
        self.message = None;
        self.open_front();
    }

    pub(super) fn own_ending(&mut self, ended: &Ended) {
        // One session's crash is no reason to keep others waiting, nor is an `initialize` that the
        // child did not like; a start that fails is.
        if ended.ending != Some(Ending::NeverReady) || ended.refused || self.halt.is_some() {
            return;
        }
        self.message = Some(Arc::clone(&ended.how));
        if self.phase == Phase::CrashLoop {
            return;
        }
        match self.policy.on_exit(Instant::now(), Ending::NeverReady, jitter()) {
            Decision::CrashLoop => self.give_up(),
            Decision::RestartNow => {}
            Decision::RestartAt(at) => {
                let gate = GateState::Refusing { why: ended.why.clone(), until: Some(at) };
                self.pause(gate, at);
            }
        }
    }

    pub(super) fn own_ended(&mut self, key: InstanceKey) {
        if let Some(Held { kind: Kind::Own(session), .. }) = self.instances.remove(&key) {
            session.end();
        }
        if self.halt.is_none() && !matches!(self.phase, Phase::Backoff | Phase::CrashLoop) {
            self.open_front();
        }
    }
}
