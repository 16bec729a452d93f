//! What the supervisor tells the world of its service.
//!
//! Owns the translation of its state into a status and into metrics. Must not change anything.

use std::sync::Arc;

use standpipe_core::status::{LastExit, Phase, ServiceStatus};

use super::{Held, Supervisor};
use crate::exit::Exit;
use crate::life::Ended;
use crate::published::Published;

impl Supervisor {
    pub(super) fn publish(&self) {
        let main = self.main.and_then(|key| self.instances.get(&key));
        let last_exit = self.last_exit.as_ref();
        let status = ServiceStatus {
            state: self.phase.state(),
            phase: self.phase,
            message: self.message.clone(),
            generation: self.processes,
            pid: main.and_then(Held::pid),
            instances: self.instances.values().filter(|held| held.lives()).count(),
            probe_failures: self.probe_failures(),
            restarts: self.restarts,
            limits: self.limits,
            last_exit: last_exit.map(LastEnd::shown),
            ..ServiceStatus::default()
        };
        if !self.is_leaving() {
            self.setup.metrics.set_phase(metrics_phase(self.phase));
        }
        self.setup.published.send_replace(Published {
            status,
            tail: last_exit.map(|last| last.ended.tail.clone()),
            last_used: self.last_used,
            probed_at: self.last_verdict(),
            gauges: self.instances.values().map(Held::gauge).collect(),
        });
    }
}

/// How the last child ended.
pub(super) struct LastEnd {
    /// Its number.
    pub(super) of: u64,
    pub(super) ended: Ended,
}

impl LastEnd {
    fn shown(&self) -> LastExit {
        LastExit {
            reason: Arc::clone(&self.ended.how),
            status: self.ended.exit.and_then(Exit::code),
            signal: self.ended.exit.and_then(Exit::signal),
            at: self.ended.at,
            stderr: Vec::new(),
        }
    }
}

fn metrics_phase(phase: Phase) -> standpipe_metrics::Phase {
    match phase {
        Phase::Idle => standpipe_metrics::Phase::Idle,
        Phase::Starting => standpipe_metrics::Phase::Starting,
        Phase::Ready => standpipe_metrics::Phase::Ready,
        Phase::Draining => standpipe_metrics::Phase::Draining,
        Phase::Stopped => standpipe_metrics::Phase::Stopped,
        Phase::Backoff => standpipe_metrics::Phase::Backoff,
        Phase::CrashLoop => standpipe_metrics::Phase::CrashLoop,
    }
}
