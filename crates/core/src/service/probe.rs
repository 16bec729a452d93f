//! How a process that nobody uses is asked whether it still answers.
//!
//! Owns the settings and their defaults. Must not know how a process is asked.

use std::time::Duration;

use super::{MAX_DURATION, SpecFault};

/// When a process is probed, and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProbeSettings {
    /// Time from one probe to the next; `None` asks nothing.
    pub interval: Option<Duration>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many failures in a row end the process.
    pub failures: u32,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(20)),
            timeout: Duration::from_secs(5),
            failures: 3,
        }
    }
}

/// The first of the settings that makes no sense.
pub(super) fn fault(probe: &ProbeSettings) -> Option<SpecFault> {
    let durations = [
        ("probe.interval", probe.interval.unwrap_or(MAX_DURATION)),
        ("probe.timeout", probe.timeout),
    ];
    for (key, value) in durations {
        if value.is_zero() {
            return Some(SpecFault::Zero { key });
        }
        if value > MAX_DURATION {
            return Some(SpecFault::TooLarge { key, max: MAX_DURATION.as_secs(), unit: "seconds" });
        }
    }
    (probe.failures == 0).then_some(SpecFault::Zero { key: "probe.failures" })
}
