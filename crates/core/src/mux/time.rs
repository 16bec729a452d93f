//! What happens because time has passed.
//!
//! Owns the sweep: calls and questions are looked over now and then instead of having a timer each,
//! so that an answered call costs nothing here. A time-out may come up to a sixteenth late. Must
//! not read a clock: `now` is always given.

use std::time::Duration;

use tokio::time::Instant;

use super::Mux;
use super::calls::CallKind;
use crate::fault::FaultKind;

/// Bounds of the time between two sweeps.
const SWEEP_MIN: Duration = Duration::from_millis(5);
const SWEEP_MAX: Duration = Duration::from_millis(500);

impl Mux {
    /// When [`tick`](Self::tick) wants to be called; `None` while nothing can time out.
    pub fn next_tick(&self) -> Option<Instant> {
        self.sweep_at
    }

    pub(super) fn sweep_by(&mut self, now: Instant) {
        if self.sweep_at.is_some() {
            return;
        }
        let shortest = self.settings.request_timeout.min(self.settings.question_timeout);
        self.sweep_at = Some(now + (shortest / 16).clamp(SWEEP_MIN, SWEEP_MAX));
    }

    /// Gives up what has waited too long.
    pub fn tick(&mut self, now: Instant) {
        if self.sweep_at.is_none_or(|at| at > now) {
            return;
        }
        self.sweep_at = None;
        self.sweep_calls(now);
        self.sweep_questions(now);
        if self.client_calls > 0 || !self.questions.is_empty() {
            self.sweep_by(now);
        }
    }

    fn sweep_calls(&mut self, now: Instant) {
        let late: Vec<u64> = self
            .calls
            .iter()
            .filter(|(_, call)| match &call.kind {
                CallKind::Client(client) => {
                    client.parked.is_none() && call.deadline.is_some_and(|deadline| deadline <= now)
                }
                _ => false,
            })
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            let timeout = self.fault(FaultKind::Timeout(self.settings.request_timeout));
            if let Some(call) = self.remove_call(id, now) {
                self.fail(call, &timeout);
            }
            self.cancel_in_child(id, "the request timed out");
        }
    }

    fn sweep_questions(&mut self, now: Instant) {
        let late: Vec<_> =
            self.questions.iter().filter(|(_, q)| q.deadline <= now).map(|(key, _)| *key).collect();
        for key in late {
            let call = self.question_call(&key);
            self.give_up_question(key, "the client did not answer in time");
            self.unpark(call, now);
        }
    }

    /// Progress was reported for a call: it has its whole time again, up to the longest a call may
    /// take at all.
    pub(super) fn extend(&mut self, id: u64, now: Instant) {
        let by = self.settings.request_timeout;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if let CallKind::Client(client) = &call.kind {
            call.deadline = Some((now + by).min(client.latest));
        }
    }
}
