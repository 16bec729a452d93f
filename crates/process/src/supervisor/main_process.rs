//! The process that all sessions of a service share.
//!
//! Owns when it is started, what callers find at the gate meanwhile, and what follows its end. Must
//! not know of sessions' own processes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use standpipe_core::connection::{GateState, Input};
use standpipe_core::fault::FaultKind;
use standpipe_core::mux::Role;
use standpipe_core::policy::{Decision, Ending};
use standpipe_core::service::Lifecycle;
use standpipe_core::status::Phase;
use tokio::time::Instant;

use super::halt::Halt;
use super::{Kind, Supervisor, jitter};
use crate::instance::InstanceKey;
use crate::life::{self, Ended};

/// A pause of at most this long before a restart is waited out by callers like a start.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Somebody wants the service.
    pub(super) fn demanded(&mut self) {
        // Where each session has its own process, it asks for that.
        let may_start = self.front.is_none() && self.halt.is_none();
        if may_start && self.phase == Phase::Idle && !self.main_lives() {
            self.start_main();
        }
    }

    pub(super) fn main_lives(&self) -> bool {
        let main = self.main.and_then(|key| self.instances.get(&key));
        main.is_some_and(|held| held.life.is_some())
    }

    pub(super) fn start_main(&mut self) {
        let key = self.main_instance();
        self.phase = Phase::Starting;
        self.resume_at = None;
        self.start_again = false;
        self.set_gate(GateState::Opening);
        self.begin(key);
    }

    /// The instance for all sessions; it outlives its children.
    fn main_instance(&mut self) -> InstanceKey {
        let known = self.main.and_then(|key| self.instances.get(&key));
        if let Some(held) = known.filter(|held| !held.instance.control.is_closed()) {
            return held.instance.key;
        }
        // There is none yet, or its task has broken off.
        if let Some(broken) = self.main.take() {
            self.instances.remove(&broken);
        }
        let key = self.make(Kind::Main, Role::Main);
        self.main = Some(key);
        key
    }

    pub(super) fn main_ready(&mut self) {
        let Some(held) = self.main.and_then(|key| self.instances.get_mut(&key)) else {
            return;
        };
        for (input, _) in self.held.drain(..) {
            held.give(input);
        }
        let inbox = held.instance.inbox.clone();
        self.message = None;
        if self.halt.is_none() {
            self.phase = Phase::Ready;
            self.set_gate(GateState::Open(inbox));
        }
    }

    /// The main process has ended or has to.
    pub(super) fn main_ending(&mut self, ended: &Ended) {
        let Some(ending) = ended.ending else {
            return; // Who asked for it has seen to the gate.
        };
        self.message = Some(Arc::clone(&ended.how));
        if let Some(halt) = self.halt {
            if halt != Halt::Restart {
                self.refuse_held(ended.why.clone());
            }
            return;
        }
        if ended.of_probe {
            // Not a failed start: whoever waits goes on waiting.
            self.learnt.died_of_probe();
            self.start_again = true;
            self.phase = Phase::Starting;
            return self.set_gate(GateState::Opening);
        }
        let now = Instant::now();
        match self.policy.on_exit(now, ending, jitter()) {
            Decision::CrashLoop => self.give_up(),
            Decision::RestartNow => {
                self.phase = Phase::Starting;
                self.resume_at = Some(now);
                self.set_gate(GateState::Opening);
            }
            Decision::RestartAt(at) => {
                let pause = at.saturating_duration_since(now);
                let persistent = self.setup.spec.lifecycle == Lifecycle::Persistent;
                let gate = match ending {
                    Ending::AfterReady(_) if pause <= SHORT_PAUSE && persistent => {
                        GateState::Opening
                    }
                    Ending::AfterReady(_) => {
                        GateState::Refusing { why: FaultKind::CoolingDown(pause), until: Some(at) }
                    }
                    Ending::NeverReady => {
                        GateState::Refusing { why: ended.why.clone(), until: Some(at) }
                    }
                };
                self.pause(gate, at);
            }
        }
        if let Some(why) = self.refusal.clone() {
            self.refuse_queue(&why);
            self.refuse_held(why);
        }
    }

    /// Nothing is left of the main process.
    pub(super) fn main_ended(&mut self) {
        let is_decided = self.halt.is_some()
            || self.resume_at.is_some()
            || matches!(self.phase, Phase::Backoff | Phase::CrashLoop);
        if is_decided {
            return;
        }
        // It was stopped as unused, or has shown how it is to be started.
        if self.start_again || !self.held.is_empty() {
            self.start_main();
        } else {
            self.rest();
        }
    }

    /// Nothing runs and nothing is wrong: the next caller starts it.
    pub(super) fn rest(&mut self) {
        if self.front.is_some() {
            return self.open_front();
        }
        self.phase = Phase::Idle;
        // Before the gate closes: who finds it closed is the first to ask again.
        self.setup.rests.store(true, Ordering::Relaxed);
        self.set_gate(GateState::Closed);
        if !self.held.is_empty() {
            self.demanded();
        }
    }

    pub(super) fn pause(&mut self, gate: GateState, until: Instant) {
        self.phase = Phase::Backoff;
        self.resume_at = Some(until);
        self.set_gate(gate);
        let pause = until.saturating_duration_since(Instant::now());
        tracing::info!(
            service = %self.name,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            failures = self.policy.failures(),
            "the service pauses before its next start"
        );
    }

    pub(super) fn give_up(&mut self) {
        self.phase = Phase::CrashLoop;
        self.resume_at = None;
        self.set_gate(GateState::Refusing { why: FaultKind::CrashLoop, until: None });
        tracing::error!(
            service = %self.name, failures = self.policy.failures(),
            "the service failed too often and is not started again by itself"
        );
    }

    /// Whether only time keeps the service from being started again.
    pub(super) fn may_resume(&self) -> bool {
        self.halt.is_none() && !self.main_lives()
    }

    pub(super) fn resume_if_due(&mut self) {
        if !self.may_resume() || self.resume_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.resume_at = None;
        if self.front.is_some() || self.setup.spec.lifecycle == Lifecycle::OneShot {
            return self.rest();
        }
        self.restarts += 1;
        self.setup.metrics.restarted();
        life::restart(&self.name, "policy").in_scope(|| self.start_main());
    }

    /// An input that belongs to the main process, from one that does not serve it.
    pub(super) fn send_to_main(&mut self, input: Input) {
        if input.session().is_over() {
            return input.refuse(&self.fault(FaultKind::SessionOver));
        }
        let main = self.main.and_then(|key| self.instances.get_mut(&key));
        if let Some(held) = main.filter(|held| held.is_ready()) {
            return held.give(input);
        }
        if let Some(why) = self.refusal.clone() {
            return input.refuse(&self.fault(why));
        }
        let wants_answer = matches!(input, Input::Open { .. } | Input::Request { .. });
        if !wants_answer && self.phase == Phase::Idle {
            return; // What nobody waits for is no reason to start.
        }
        self.held.push_back((input, Instant::now()));
        self.demanded();
    }

    /// Tells those who wait for a start why there is none now.
    pub(super) fn refuse_held(&mut self, why: FaultKind) {
        let fault = self.fault(why);
        for (input, _) in self.held.drain(..) {
            input.refuse(&fault);
        }
    }
}
