//! Stopping everything a service has: for a while, to start it again, or for good.
//!
//! Owns the time between the decision and the moment when nothing is left, and what becomes of
//! those who come or wait meanwhile. Must not know how a child is stopped.

use std::time::Duration;

use standpipe_core::connection::GateState;
use standpipe_core::fault::FaultKind;
use standpipe_core::service::MAX_DURATION;
use standpipe_core::status::Phase;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Supervisor;
use super::table::{Held, Kind};
use crate::instance::Control;
use crate::life::{self, StopReason};
use crate::terminate::StopLadder;

/// The ladder of a shutdown: the whole of it, with draining, has to fit into the few seconds that
/// service managers give.
const SHUTDOWN_LADDER: StopLadder = StopLadder {
    stdin_grace: Duration::from_millis(700),
    term_grace: Duration::from_millis(800),
    kill_wait: Duration::from_secs(1),
};

/// Why everything is stopped, and so what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    /// Afterwards the next caller starts it again.
    Stop,
    /// Afterwards it is started again; whoever comes waits for that.
    Restart,
    /// Open calls may end until then; new ones are refused.
    Drain { until: Instant },
    /// Afterwards there is no service.
    End,
    /// Nothing is left.
    Ended,
}

impl Supervisor {
    pub(super) fn stop(&mut self, done: oneshot::Sender<()>) {
        self.stopped.push(done);
        if self.shuts_down() {
            return; // It is told at the end.
        }
        self.halt(Halt::Stop, StopLadder::default());
        self.set_gate(GateState::Refusing { why: FaultKind::Draining, until: None });
        self.refuse_waiting();
    }

    pub(super) fn restart(&mut self) {
        if self.shuts_down() {
            return;
        }
        self.halt(Halt::Restart, StopLadder::default());
        self.set_gate(GateState::Opening);
    }

    /// Somebody asks for a start although nobody calls.
    pub(super) fn wanted(&mut self) {
        if self.halt == Some(Halt::Stop) {
            self.halt = Some(Halt::Restart);
            self.set_gate(GateState::Opening);
        }
        // Where the main process is being stopped as unused, the next one follows.
        self.start_again |= self.phase == Phase::Draining && self.halt.is_none();
        self.demanded();
    }

    pub(super) fn shut_down(&mut self, grace: Duration) {
        if matches!(self.halt, Some(Halt::End | Halt::Ended)) {
            return;
        }
        let until = Instant::now() + grace.min(MAX_DURATION);
        let until = self.drains_until().map_or(until, |earlier| earlier.min(until));
        self.halt = Some(Halt::Drain { until });
        self.phase = Phase::Draining;
        self.resume_at = None;
        self.check_at = None;
        self.set_gate(GateState::Refusing { why: FaultKind::Draining, until: None });
    }

    /// The service is known no more, or another one under its name.
    pub(super) fn replaced(&mut self, grace: Duration) {
        self.leaving = true;
        self.shut_down(grace);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// While draining: whether the open calls have ended, or their time has.
    pub(super) fn check_drain(&mut self, now: Instant) {
        let busy = |held: &Held| held.activity().open_calls() > 0 || !held.waiting.is_empty();
        let waits = !self.queue.is_empty() || !self.held.is_empty();
        if self.leaving {
            // Who waited for a start has been told to try again. Who comes from now on is a client
            // of before: it is to begin anew, with the successor if there is one.
            self.set_gate(GateState::Refusing { why: FaultKind::Removed, until: None });
            self.end_unused_own();
        }
        let is_over = self.drains_until().is_some_and(|until| until <= now);
        if is_over || !(waits || self.instances.values().any(busy)) {
            self.halt(Halt::End, SHUTDOWN_LADDER);
            self.refuse_waiting();
        }
    }

    /// A session with a process of its own does not come to the gate any more: it is to begin anew as
    /// soon as none of its own calls is open, whatever the others do.
    fn end_unused_own(&self) {
        for held in self.instances.values().filter(|held| !held.is_leaving()) {
            if let Kind::Own(session) = &held.kind
                && held.activity().open_calls() == 0
                && held.waiting.is_empty()
            {
                held.stop(StopReason::Asked(StopLadder::default()));
                session.end();
            }
        }
    }

    fn halt(&mut self, halt: Halt, ladder: StopLadder) {
        self.halt = Some(halt);
        self.phase = Phase::Draining;
        // Somebody intervened: what went wrong before does not count any more.
        self.policy.reset();
        self.resume_at = None;
        self.start_again = false;
        self.side_failure = None;
        for held in self.instances.values() {
            held.stop(StopReason::Asked(ladder));
        }
    }

    /// When everything that had to stop is gone: what follows.
    pub(super) fn settle_halt(&mut self) {
        let Some(halt) = self.halt else { return };
        if !self.lives.is_empty() {
            return;
        }
        match halt {
            Halt::Drain { .. } | Halt::Ended => return,
            Halt::End => self.halt = Some(Halt::Ended),
            Halt::Stop => {
                self.halt = None;
                self.message = None;
                self.rest();
            }
            Halt::Restart => {
                self.halt = None;
                self.message = None;
                self.rest();
                life::restart(&self.name, "asked").in_scope(|| self.demanded());
                self.serve_queue();
            }
        }
        if halt != Halt::End {
            self.publish(); // Who is told may look.
            self.tell_stopped();
        }
    }

    /// The last thing a supervisor does.
    pub(super) fn leave(mut self) {
        self.phase = Phase::Stopped;
        self.message = None;
        // From now on instances refuse by themselves what they would have handed over.
        self.reports.close();
        while let Some((key, report)) = self.reports.try_next() {
            self.reported(key, report);
        }
        self.refuse_waiting();
        while let Some(input) = self.front.as_mut().and_then(|(_, inputs)| inputs.try_next()) {
            self.arrived(input);
        }
        if self.leaving {
            self.set_gate(GateState::Refusing { why: FaultKind::Removed, until: None });
            for held in self.instances.values() {
                // An instance that has eight orders waiting is beyond help.
                let _full = held.instance.control.try_send(Control::EndSessions);
            }
        }
        // Their tasks end with the last handle.
        self.instances.clear();
        self.publish();
        self.tell_stopped();
    }

    fn tell_stopped(&mut self) {
        for done in self.stopped.drain(..) {
            let _gone = done.send(());
        }
    }

    /// Answers all that wait for a process that will not come.
    fn refuse_waiting(&mut self) {
        let fault = self.fault(FaultKind::Draining);
        let waiting = self.instances.values_mut().flat_map(|held| held.waiting.drain(..));
        let queued = self.held.drain(..).chain(self.queue.drain(..)).map(|(input, _)| input);
        for input in waiting.chain(queued) {
            input.refuse(&fault);
        }
    }

    /// Whether no child may be started now.
    pub(super) fn is_halting(&self) -> bool {
        self.halt.is_some() && !self.is_draining()
    }

    /// Whether inputs are refused rather than kept for a later child.
    pub(super) fn refuses(&self) -> bool {
        matches!(self.halt, Some(Halt::Stop | Halt::End | Halt::Ended))
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drains_until().is_some()
    }

    pub(super) fn drains_until(&self) -> Option<Instant> {
        match self.halt {
            Some(Halt::Drain { until }) => Some(until),
            _ => None,
        }
    }

    fn shuts_down(&self) -> bool {
        matches!(self.halt, Some(Halt::Drain { .. } | Halt::End | Halt::Ended))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.halt == Some(Halt::Ended)
    }
}
