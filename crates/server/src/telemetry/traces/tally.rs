//! How many spans were exported and how many were lost.
//!
//! Owns two numbers. It must not know where they are shown. It exists because the exporter's thread
//! is there before the metrics are.

use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl Tally {
    pub(super) fn exported(&self, spans: usize) {
        self.exported.fetch_add(spans as u64, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, spans: usize) {
        self.dropped.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// Spans that the collector has taken.
    pub(super) fn exported_spans(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Spans that were lost: the queue was full, or the collector did not take them.
    pub(super) fn dropped_spans(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
