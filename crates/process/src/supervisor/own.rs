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
use standpipe_core::protocol::Era;
use standpipe_core::status::Phase;
use tokio::time::Instant;

use super::{Held, Kind, Supervisor, jitter};
use crate::instance::InstanceKey;
use crate::life::{Ended, StopReason};
use crate::terminate::StopLadder;

/// So long a session is tried again that found no room. Its place is mostly there already: a client
/// knows that its call was answered, and opens the next session, a moment before the supervisor sees
/// that the process is unused.
const MOMENT: Duration = Duration::from_millis(200);

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
        if session.era() == Era::Modern {
            return self.arrived_without_session(input);
        }
        if let Input::Open { .. } = input {
            return self.hold(input);
        }
        // Its process has ended, and with it the session.
        session.end();
        input.refuse(&self.fault(FaultKind::SessionOver));
    }

    /// Keeps an input until there is room for the process that it needs.
    pub(super) fn hold(&mut self, input: Input) {
        let now = Instant::now();
        self.held.push_back((input, now));
        self.open_held(now);
    }

    /// Starts processes for those that wait, as far as there is room.
    pub(super) fn open_held(&mut self, now: Instant) {
        let mut coming = self.own(true);
        for (input, since) in std::mem::take(&mut self.held) {
            let session = Arc::clone(input.session());
            let input = match session.era() {
                Era::Legacy => input,
                // One that waited before it may have started the process of both.
                Era::Modern => match self.give_to_principal(input) {
                    None => continue,
                    Some(input) => input,
                },
            };
            if self.halt.is_some() {
                input.refuse(&self.fault(FaultKind::Draining));
            } else if session.is_over() {
                input.refuse(&self.fault(FaultKind::SessionOver));
            } else if self.own(true) + self.own(false) < self.setup.spec.limits.max_instances {
                match session.era() {
                    Era::Legacy => self.open_own(&session, input),
                    Era::Modern => self.open_principal(input),
                }
            } else if coming > 0 || self.end_longest_idle() {
                // Its place comes to it when the process has ended.
                coming = coming.saturating_sub(1);
                self.held.push_back((input, since));
            } else if since + MOMENT > now {
                self.held.push_back((input, since));
            } else {
                input.refuse(&self.fault(FaultKind::TooManyInstances));
            }
        }
    }

    /// How many sessions and principals have a process that is on its way out, or that is not.
    fn own(&self, leaving: bool) -> usize {
        let own = self.instances.values().filter(|held| match held.kind {
            Kind::Own(_) => true,
            Kind::Principal(_) => held.lives(),
            Kind::Main | Kind::Side(_) => false,
        });
        own.filter(|held| held.is_leaving() == leaving).count()
    }

    fn open_own(&mut self, session: &Arc<Session>, input: Input) {
        let key = self.make(Kind::Own(Arc::clone(session)), Role::Own(Arc::clone(session)));
        let Some(held) = self.instances.get(&key) else {
            return;
        };
        session.set_own(Some(held.instance.inbox.clone()));
        // From here on the instance is told when the client ends, even before there is a child.
        session.seen_by(&held.instance.inbox);
        held.instance.inbox.forward(input);
        if session.is_over() {
            self.instances.remove(&key);
            return;
        }
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
        // Sessions that wait for room are no exception: a place that becomes free is no reason to
        // start anything before its time.
        if let Some(why) = self.refusal.clone() {
            self.refuse_held(why);
        }
    }

    pub(super) fn own_ended(&mut self, key: InstanceKey) {
        if let Some(Held { kind: Kind::Own(session), .. }) = self.instances.remove(&key) {
            session.end();
        }
        self.settle_front();
    }

    /// Nothing is left of a process: others may have been waiting for its place.
    pub(super) fn settle_front(&mut self) {
        if self.halt.is_none() && !matches!(self.phase, Phase::Backoff | Phase::CrashLoop) {
            self.open_front();
        }
        self.open_held(Instant::now());
    }
}
