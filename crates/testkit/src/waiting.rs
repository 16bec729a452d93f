//! Waiting for a condition with a deadline, on a thread.
//!
//! Owns the polling interval. Tests of processes need it: the kernel tells nobody but the parent
//! that a process is gone, so the others have to look.

use std::time::Duration;

/// How often the condition is tried.
const INTERVAL: Duration = Duration::from_millis(10);

/// The condition did not hold in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut {
    /// How long was waited.
    pub after: Duration,
}

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the condition did not hold within {:?}", self.after)
    }
}

impl std::error::Error for TimedOut {}

/// Blocks until `condition` gives a value, trying it every 10 ms and once more at the deadline.
///
/// It blocks the thread: in an asynchronous test, call it from `spawn_blocking`.
///
/// # Errors
/// [`TimedOut`] when `deadline` has passed and the condition still gives `None`.
pub fn wait_until<T>(
    deadline: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T, TimedOut> {
    #[expect(clippy::disallowed_types, reason = "real processes do not live on a paused clock")]
    let start = std::time::Instant::now();
    loop {
        let last_try = start.elapsed() >= deadline;
        if let Some(value) = condition() {
            return Ok(value);
        }
        if last_try {
            return Err(TimedOut { after: deadline });
        }
        std::thread::sleep(INTERVAL);
    }
}
