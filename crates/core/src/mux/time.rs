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

/// Longer than anything runs. Durations are cut to it, since a point in time has an end.
const FOREVER: Duration = Duration::from_hours(10 * 365 * 24);

/// The moment `by` from `now`.
pub(super) fn after(now: Instant, by: Duration) -> Instant {
    now + by.min(FOREVER)
}

impl Mux {
    /// When [`tick`](Self::tick) wants to be called; `None` while nothing can time out.
    pub fn next_tick(&self) -> Option<Instant> {
        let others = [self.probed_until(), self.silent_at(), self.upstream.again_at()];
        self.sweep_at.into_iter().chain(others.into_iter().flatten()).min()
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
        self.sweep_probe(now);
        self.sweep_opening(now);
        if self.upstream.again_at().is_some_and(|at| at <= now) {
            self.refresh_upstream(now);
        }
        if self.sweep_at.is_none_or(|at| at > now) {
            return;
        }
        self.sweep_at = None;
        self.sweep_calls(now);
        self.sweep_questions(now);
        self.sweep_level(now);
        let timed = self.calls.values().any(|call| call.deadline.is_some());
        if timed || !self.questions.is_empty() {
            self.sweep_by(now);
        }
    }

    fn sweep_calls(&mut self, now: Instant) {
        let settings = &self.settings;
        let late: Vec<(u64, Duration)> = self
            .calls
            .iter()
            .filter(|(_, call)| call.deadline.is_some_and(|deadline| deadline <= now))
            .filter_map(|(id, call)| match &call.kind {
                CallKind::Client(client) if client.parked.is_some() => None,
                CallKind::Client(client) if client.latest <= now => {
                    Some((*id, settings.request_max))
                }
                _ => Some((*id, settings.request_timeout)),
            })
            .collect();
        for (id, limit) in late {
            let timeout = self.fault(FaultKind::Timeout(limit));
            self.give_up(id, &timeout, "the request timed out", now);
        }
    }

    fn sweep_questions(&mut self, now: Instant) {
        let late: Vec<_> =
            self.questions.iter().filter(|(_, q)| q.deadline <= now).map(|(key, _)| *key).collect();
        for key in late {
            self.give_up_question(key, "the client did not answer in time", now);
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
            call.deadline = Some(after(now, by).min(client.latest));
        }
    }
}
