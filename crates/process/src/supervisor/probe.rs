//! Asking processes that nobody uses whether they still answer.
//!
//! A death is known from the process itself; this is for one that lives and does not serve. Owns
//! when it is asked and how many silences are too many. Must not know how it is asked; see
//! `core::mux`.

use std::time::Duration;

use standpipe_core::connection::GateState;
use standpipe_core::mux::Verdict;
use standpipe_core::service::ProbeSettings;
use standpipe_core::status::Phase;
use tokio::time::Instant;

use super::{Held, Kind, Supervisor};
use crate::instance::{Control, InstanceKey};
use crate::life::StopReason;

/// What is known of one child from asking it.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// When it is asked next, or looked at.
    due: Option<Instant>,
    /// Somebody wants to know, even if it was heard lately.
    wanted: bool,
    /// When it was asked, until there is a verdict.
    asked: Option<Instant>,
    /// When there was a verdict.
    verdict: Option<Instant>,
    /// Silences in a row: how many, when the first was asked for, and when the last one was noticed.
    failures: u32,
    first: Option<Instant>,
    noticed: Option<Instant>,
}

impl Probes {
    /// The child serves from now on.
    pub(super) fn begin(&mut self, settings: &ProbeSettings, now: Instant) {
        *self = Self::default();
        self.due = settings.interval.map(|interval| now + interval);
    }

    /// Whether a silence is one too many. They have to be so many, and to have lasted as long as so
    /// many regular probes take, however often somebody asked in between.
    fn is_dead(&self, settings: &ProbeSettings, asked: Instant) -> bool {
        let interval = settings.interval.unwrap_or_default();
        let lasts = self.first.map_or(Duration::ZERO, |first| asked - first);
        self.failures >= settings.failures
            && lasts >= interval.saturating_mul(settings.failures.saturating_sub(1))
    }
}

impl Held {
    fn heard(&self) -> Option<Instant> {
        self.activity().last_heard(self.made)
    }

    /// Side processes are asked only where they serve their session for long; others end soon.
    fn is_probed(&self) -> bool {
        let lasts = match &self.kind {
            Kind::Main | Kind::Own(_) | Kind::Principal(_) => true,
            Kind::Side(side) => side.is_dedicated(),
        };
        lasts && self.is_ready()
    }

    /// Silences in a row; whatever the child writes ends the row.
    fn probe_failures(&self) -> u32 {
        if self.heard() > self.probes.noticed { 0 } else { self.probes.failures }
    }
}

impl Supervisor {
    /// When somebody is to be asked next.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        if self.halt.is_some() {
            return None;
        }
        let probed = self.instances.values().filter(|held| held.is_probed());
        probed.filter_map(|held| held.probes.due).min()
    }

    /// Asks those whose time has come and who are not in use.
    pub(super) fn run_probes(&mut self, now: Instant) {
        let settings = self.setup.spec.probe;
        let Some(interval) = settings.interval.filter(|_| self.halt.is_none()) else {
            return;
        };
        for held in self.instances.values_mut().filter(|held| held.is_probed()) {
            if held.probes.due.is_none_or(|due| due > now) {
                continue;
            }
            let wanted = std::mem::take(&mut held.probes.wanted);
            // Not before there is a verdict on this one.
            held.probes.due = Some(now + interval.max(settings.timeout));
            if held.activity().open_calls() > 0 {
                held.probes.due = Some(now + interval);
                continue;
            }
            // Who was heard meanwhile need not be asked.
            let again = held.heard().map(|heard| heard + interval).filter(|again| *again > now);
            if let Some(again) = again.filter(|_| !wanted) {
                held.probes.due = Some(again);
                continue;
            }
            // An instance that has eight orders waiting has other things to do.
            if held.instance.control.try_send(Control::Probe(settings.timeout)).is_ok() {
                held.probes.asked = Some(now);
            }
        }
    }

    /// Somebody wants to know.
    pub(super) fn probe_soon(&mut self) {
        let now = Instant::now();
        for held in self.instances.values_mut() {
            if held.probes.due.is_some() && held.probes.asked.is_none() {
                held.probes.due = Some(now);
                held.probes.wanted = true;
            }
        }
    }

    /// What came of asking.
    pub(super) fn probed(&mut self, key: InstanceKey, verdict: Verdict) {
        let settings = self.setup.spec.probe;
        let Some(held) = self.instances.get_mut(&key).filter(|held| held.is_probed()) else {
            return;
        };
        let Some(asked) = held.probes.asked.take() else {
            return;
        };
        let now = Instant::now();
        match verdict {
            Verdict::Busy => return,
            Verdict::Alive => {
                held.probes.verdict = Some(now);
                held.probes.failures = 0;
                return;
            }
            Verdict::Silent => {}
        }
        let failures = held.probe_failures();
        let probes = &mut held.probes;
        if failures == 0 {
            probes.first = Some(asked);
        }
        probes.failures = failures.saturating_add(1);
        probes.noticed = Some(now);
        probes.verdict = Some(now);
        let is_dead = probes.is_dead(&settings, asked);
        self.setup.metrics.probe_failed();
        tracing::warn!(
            service = %self.name, failures = failures + 1, ends = is_dead,
            "the child did not answer a probe"
        );
        if !is_dead {
            return;
        }
        held.stop(StopReason::Unresponsive);
        if matches!(held.kind, Kind::Main) && self.phase == Phase::Ready {
            // Whoever comes now waits for the next one.
            self.set_gate(GateState::Opening);
        }
    }

    /// The most silences in a row of any process.
    pub(super) fn probe_failures(&self) -> u32 {
        let failures = self.instances.values().filter(|h| h.is_ready()).map(Held::probe_failures);
        failures.max().unwrap_or(0)
    }

    /// When it was last known from a probe how a process is.
    pub(super) fn last_verdict(&self) -> Option<Instant> {
        self.instances.values().filter_map(|held| held.probes.verdict).max()
    }
}
