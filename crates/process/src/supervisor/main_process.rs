//! The process that all sessions of a service share.
//!
//! Owns when it is started, what callers find at the gate meanwhile, and what follows its end. Must
//! not know of sessions' own processes.

use std::time::Duration;

use standpipe_core::connection::{GateState, Input};
use standpipe_core::fault::FaultKind;
use standpipe_core::mux::Role;
use standpipe_core::policy::{Activity, Decision, Ending, IdlePolicy, IdleVerdict};
use standpipe_core::service::{Lifecycle, Sharing};
use standpipe_core::status::Phase;
use tokio::time::Instant;

use super::{Held, Kind, Supervisor, jitter};
use crate::life::{Ended, StopReason};

/// A pause of at most this long before a restart is waited out by callers like a start.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Somebody wants the service.
    pub(super) fn demanded(&mut self) {
        if self.setup.spec.sharing == Sharing::Session {
            return; // Each session asks for its own.
        }
        if self.phase == Phase::Idle && !self.main_lives() {
            self.start_main();
        }
    }

    pub(super) fn main_lives(&self) -> bool {
        let main = self.main.and_then(|key| self.instances.get(&key));
        main.is_some_and(|held| held.life.is_some())
    }

    pub(super) fn start_main(&mut self) {
        let key = match self.main {
            Some(key) => key,
            None => self.make(Kind::Main, Role::Main),
        };
        self.main = Some(key);
        self.phase = Phase::Starting;
        self.setup.keeper.set(GateState::Opening);
        self.begin(key);
    }

    pub(super) fn main_ready(&mut self) {
        let Some(held) = self.main.and_then(|key| self.instances.get(&key)) else {
            return;
        };
        let inbox = held.instance.inbox.clone();
        self.phase = Phase::Ready;
        self.message = None;
        for input in self.held.drain(..) {
            inbox.forward(input);
        }
        self.setup.keeper.set(GateState::Open(inbox));
    }

    pub(super) fn main_ended(&mut self, ended: &Ended) {
        let Some(ending) = ended.ending else {
            // It was asked to.
            if std::mem::take(&mut self.start_again) {
                self.start_main();
            } else {
                self.rest();
            }
            return;
        };
        self.message = Some(std::sync::Arc::clone(&ended.how));
        let now = Instant::now();
        let decision = self.policy.on_exit(now, ending, jitter());
        let persistent = self.setup.spec.lifecycle == Lifecycle::Persistent;
        match decision {
            Decision::CrashLoop => self.give_up(),
            Decision::RestartNow if persistent => self.restart_main(),
            Decision::RestartNow => self.rest(),
            Decision::RestartAt(at) => {
                let pause = at.saturating_duration_since(now);
                let short = pause <= SHORT_PAUSE && persistent;
                let state = match ending {
                    Ending::AfterReady(_) if short => GateState::Opening,
                    Ending::AfterReady(_) => {
                        GateState::Refusing { why: FaultKind::CoolingDown(pause), until: Some(at) }
                    }
                    Ending::NeverReady => {
                        GateState::Refusing { why: ended.why.clone(), until: Some(at) }
                    }
                };
                self.pause(state, at);
            }
        }
        if !self.main_lives() && self.phase != Phase::Backoff {
            self.refuse_held(ended.why.clone());
        }
    }

    /// Nothing runs and nothing is wrong: the next caller starts it.
    pub(super) fn rest(&mut self) {
        if self.front.is_some() {
            return self.open_front();
        }
        self.phase = Phase::Idle;
        self.setup.keeper.set(GateState::Closed);
    }

    pub(super) fn pause(&mut self, gate: GateState, until: Instant) {
        self.phase = Phase::Backoff;
        self.resume_at = Some(until);
        self.setup.keeper.set(gate);
        tracing::info!(
            service = %self.name,
            pause_ms = u64::try_from(until.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(u64::MAX),
            failures = self.policy.failures(),
            "the service pauses before its next start"
        );
    }

    pub(super) fn give_up(&mut self) {
        self.phase = Phase::CrashLoop;
        self.setup.keeper.set(GateState::Refusing { why: FaultKind::CrashLoop, until: None });
        tracing::error!(
            service = %self.name, failures = self.policy.failures(),
            "the service failed too often and is not started again by itself"
        );
    }

    /// The pause is over.
    pub(super) fn resume(&mut self) {
        if self.front.is_some() {
            self.open_front();
        } else if self.setup.spec.lifecycle == Lifecycle::Persistent {
            self.restart_main();
        } else {
            self.rest();
        }
    }

    fn restart_main(&mut self) {
        self.restarts += 1;
        self.setup.metrics.restarted();
        self.start_main();
    }

    /// An input that belongs to the main process but was sent to one that is somebody else's now.
    pub(super) fn send_to_main(&mut self, input: Input) {
        let main = self.main.and_then(|key| self.instances.get(&key));
        if let Some(held) = main.filter(|held| held.is_ready()) {
            return held.instance.inbox.forward(input);
        }
        self.held.push(input);
        self.demanded();
    }

    fn refuse_held(&mut self, why: FaultKind) {
        let fault = self.fault(why);
        for input in self.held.drain(..) {
            input.refuse(&fault);
        }
    }

    pub(super) fn watches_idleness(&self) -> bool {
        let sides = self.instances.values().any(|held| matches!(held.kind, Kind::Side(_)));
        let timed = self.setup.spec.idle_timeout.is_some() && !self.lives.is_empty();
        sides || timed || !self.queue.is_empty()
    }

    /// Stops what nobody has used for long enough.
    pub(super) fn stop_idle(&mut self, now: Instant) {
        let configured = IdlePolicy::new(self.setup.spec.idle_timeout);
        let mut main_stops = false;
        for held in self.instances.values().filter(|held| held.is_ready()) {
            let verdict = match &held.kind {
                Kind::Main | Kind::Own(_) => configured.check(now, &activity_of(held)),
                Kind::Side(side) => side.policy(configured).check(now, &activity_of(held)),
            };
            if verdict == IdleVerdict::Stop {
                main_stops |= matches!(held.kind, Kind::Main);
                held.stop(StopReason::Idle);
            }
        }
        if main_stops && self.phase == Phase::Ready {
            // Whoever comes now waits for the next start.
            self.phase = Phase::Draining;
            self.start_again = false;
            self.setup.keeper.set(GateState::Opening);
        }
    }
}

fn activity_of(held: &Held) -> Activity {
    let activity = held.activity();
    Activity {
        last_used: activity.last_used(held.made),
        open_calls: activity.open_calls(),
        open_streams: 0,
        subscriptions: activity.subscriptions(),
    }
}
