//! Whether and when a dead child is started again.
//!
//! Owns the counting of failed starts, the back-off, the cool-down and the crash loop. It must not
//! know why a child died, nor start anything. It exists so that a broken server costs a few starts
//! and then a visible state, instead of an endless loop.
//!
//! - A child that had run well is started again at once, but two such restarts are at least a
//!   *cool-down* apart.
//! - A start that fails, and equally a child that dies soon after it was ready, is followed by a
//!   delay that doubles with each further failure (*back-off*).
//! - Too many failures in a row are a *crash loop*. Only [`RestartPolicy::reset`] leaves it: an
//!   operator's restart or a new configuration, never the passing of time.

use std::time::Duration;

use tokio::time::Instant;

use crate::service::RestartSettings;

/// How a child ended that was not told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It could not be launched, died in the handshake or was too slow in it.
    NeverReady,
    /// It had been ready for this long.
    AfterReady(Duration),
}

/// What follows a child's end.
///
/// A one-shot service is not started by itself: for it `RestartNow` means that the next request
/// may start it, and `RestartAt` from when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Start again without waiting.
    RestartNow,
    /// Start again, not before this time.
    RestartAt(Instant),
    /// Do not start again; the service is in error until somebody intervenes.
    CrashLoop,
}

/// Counts one service's failures and decides about its restarts.
#[derive(Debug, Clone)]
pub struct RestartPolicy {
    settings: RestartSettings,
    failures: u32,
    /// Start of the latest restart that [`on_exit`](Self::on_exit) granted.
    last_restart: Option<Instant>,
}

impl RestartPolicy {
    /// A policy without a history.
    pub const fn new(settings: RestartSettings) -> Self {
        Self { settings, failures: 0, last_restart: None }
    }

    /// Records an end that nobody asked for and decides what follows.
    ///
    /// `jitter` is a random fraction from 0 to 1 (values outside are clamped): services that fail
    /// together do not come back together.
    pub fn on_exit(&mut self, now: Instant, ending: Ending, jitter: f64) -> Decision {
        let ran_for = match ending {
            Ending::NeverReady => Duration::ZERO,
            Ending::AfterReady(ran_for) => ran_for,
        };
        if ran_for >= self.settings.healthy_after {
            self.failures = 0;
        }
        let failed = ending == Ending::NeverReady || ran_for < self.settings.early_death;
        let not_before = if failed {
            self.failures = self.failures.saturating_add(1);
            if self.is_crash_loop() {
                return Decision::CrashLoop;
            }
            now.checked_add(self.backoff(jitter))
        } else {
            self.last_restart.and_then(|last| last.checked_add(self.settings.cooldown))
        };
        let at = not_before.map_or(now, |not_before| not_before.max(now));
        self.last_restart = Some(at);
        if at > now { Decision::RestartAt(at) } else { Decision::RestartNow }
    }

    /// Forgets everything: somebody intervened.
    pub fn reset(&mut self) {
        *self = Self::new(self.settings);
    }

    /// Failed starts since the last healthy run.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the service is in a crash loop.
    pub const fn is_crash_loop(&self) -> bool {
        self.failures >= self.settings.max_failures
    }

    /// `backoff_min`, doubled for each failure after the first, up to `backoff_max`; then up to a
    /// fifth more or less, never outside of the two.
    fn backoff(&self, jitter: f64) -> Duration {
        let RestartSettings { backoff_min, backoff_max, .. } = self.settings;
        let doublings = self.failures.saturating_sub(1).min(31);
        let base = backoff_min.saturating_mul(1 << doublings).min(backoff_max);
        // NaN compares with nothing, so it has to be replaced before clamping.
        let jitter = if jitter.is_nan() { 0.5 } else { jitter.clamp(0.0, 1.0) };
        base.mul_f64(0.8 + 0.4 * jitter).clamp(backoff_min, backoff_max)
    }
}
