//! What a supervisor publishes of its service.
//!
//! Owns the joining of two kinds of facts: those that change when something happens in the life of
//! a child, which the supervisor writes down, and those that change with every message, which are
//! read where the instances count them. Must not decide anything.

use std::sync::Arc;

use standpipe_core::status::{Moment, ServiceStatus};
use tokio::time::Instant;

use crate::instance::Activity;
use crate::stderr::StderrTail;

/// A service at the moment of the last event, and the means to know more.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Everything but what `gauges` and `tail` tell.
    pub(crate) status: ServiceStatus,
    /// What the last process that ended wrote to its stderr.
    pub(crate) tail: Option<StderrTail>,
    /// When one that is gone was last used.
    pub(crate) last_used: Option<Instant>,
    /// When a probe last said how it is.
    pub(crate) probed_at: Option<Instant>,
    pub(crate) gauges: Vec<Gauge>,
}

/// One instance's counters.
#[derive(Debug)]
pub(crate) struct Gauge {
    pub(crate) activity: Arc<Activity>,
    pub(crate) made: Instant,
    /// Whether its sessions are no other instance's too.
    pub(crate) counts_sessions: bool,
}

impl Published {
    /// When it was last known that, or whether, a process answers.
    pub(crate) fn verdict_at(&self) -> Option<Instant> {
        let heard = self.gauges.iter().map(|gauge| gauge.activity.last_heard(gauge.made)).max();
        heard.flatten().max(self.probed_at)
    }

    /// The whole of it, now.
    pub(crate) fn snapshot(&self) -> ServiceStatus {
        let mut status = self.status.clone();
        let mut last_used = self.last_used;
        for gauge in &self.gauges {
            status.calls_in_flight += gauge.activity.open_calls();
            if gauge.counts_sessions {
                status.sessions += gauge.activity.sessions();
            }
            last_used = last_used.max(gauge.activity.accessed(gauge.made));
        }
        status.last_accessed = last_used.map(|at| Moment::ago(at.elapsed()));
        if let (Some(exit), Some(tail)) = (&mut status.last_exit, &self.tail) {
            exit.stderr = tail.last_words();
        }
        status
    }
}
