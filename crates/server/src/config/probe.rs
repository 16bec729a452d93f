//! How processes that nobody uses are asked whether they answer: the table `probe`.
//!
//! Owns the way from its keys to [`ProbeSettings`]. It must not know who asks. It exists because the
//! asking can be switched off, by the word `"never"`.

use std::time::Duration;

use standpipe_core::service::ProbeSettings;

use super::keys;
use super::section::{Patience, Section};

/// More failures in a row than this is a mistake in writing.
const MAX_FAILURES: usize = 100_000;

/// The settings that were given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ProbeTuning {
    interval: Option<Patience>,
    timeout: Option<Duration>,
    failures: Option<usize>,
}

impl ProbeTuning {
    pub(super) fn read(section: &Section<'_>) -> Self {
        section.expect_keys(&[keys::PROBE], &[]);
        Self {
            interval: section.patience("interval"),
            timeout: section.duration("timeout"),
            failures: section.count("failures", MAX_FAILURES),
        }
    }

    /// Sets what was given.
    pub(super) fn apply(self, probe: &mut ProbeSettings) {
        match self.interval {
            Some(Patience::Ends(interval)) => probe.interval = Some(interval),
            Some(Patience::Endless) => probe.interval = None,
            None => {}
        }
        probe.timeout = self.timeout.unwrap_or(probe.timeout);
        if let Some(failures) = self.failures {
            probe.failures = u32::try_from(failures).unwrap_or(u32::MAX);
        }
    }
}
