//! What many latencies come to.
//!
//! Owns percentiles. Must not know what took so long.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// Latencies, in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Latencies(Vec<u64>);

impl Latencies {
    pub(super) fn add(&mut self, latency: Duration) {
        self.0.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// The value that so many of a thousand do not exceed, in microseconds. Sorted ones only.
    pub(super) fn permille(&self, permille: usize) -> f64 {
        let rank = (self.0.len() * permille).div_ceil(1000).max(1);
        self.0.get(rank - 1).map_or(0.0, |nanos| float(*nanos) / 1000.0)
    }
}

/// A count as a number that can be divided.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// A number with three digits after the point.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
