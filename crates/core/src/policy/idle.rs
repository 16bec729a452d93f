//! When a process that nobody uses is stopped.
//!
//! Owns the definition of "idle". It must not know what keeps the counts. It exists so that "busy"
//! means the same for one-shot services, side processes and instances of ended sessions.

use std::time::Duration;

use tokio::time::Instant;

/// Stops what was unused for a while, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdlePolicy {
    timeout: Option<Duration>,
}

impl IdlePolicy {
    /// `None` never stops anything.
    pub const fn new(timeout: Option<Duration>) -> Self {
        Self { timeout }
    }

    /// What to do about a process now.
    pub fn check(&self, now: Instant, activity: &Activity) -> IdleVerdict {
        let Some(timeout) = self.timeout else {
            return IdleVerdict::Keep;
        };
        if activity.is_busy() {
            return IdleVerdict::Keep;
        }
        // A deadline beyond the clock's range never comes.
        let Some(deadline) = activity.last_used.checked_add(timeout) else {
            return IdleVerdict::Keep;
        };
        if deadline <= now { IdleVerdict::Stop } else { IdleVerdict::CheckAt(deadline) }
    }
}

/// How much a process is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// When a client last sent something or was sent something.
    pub last_used: Instant,
    /// Calls that wait for their answer, parked ones included.
    pub open_calls: usize,
    /// Streams that clients hold open.
    pub open_streams: usize,
    /// Resource subscriptions: somebody waits for news that only a live process can send.
    pub subscriptions: usize,
}

impl Activity {
    /// Whether stopping the process now would take something from somebody.
    pub const fn is_busy(&self) -> bool {
        self.open_calls > 0 || self.open_streams > 0 || self.subscriptions > 0
    }
}

/// The outcome of [`IdlePolicy::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleVerdict {
    /// Look again when the activity changes.
    Keep,
    /// Look again at this time, unless the activity changes before.
    CheckAt(Instant),
    /// Stop the process.
    Stop,
}
