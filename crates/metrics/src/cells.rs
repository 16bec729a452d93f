//! The numbers that series show: [`Count`], [`Level`], [`Seconds`], [`Spread`].
//!
//! Owns how each is counted and read. It must not know names or labels. It exists because there are
//! more than a hundred series for each service, most of which never count anything: a number here is
//! eight bytes, with neither a text nor an allocation of its own.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus::proto::{Bucket, Histogram};

/// Only ever grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn inc(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Level(AtomicI64);

impl Level {
    pub(crate) fn inc(&self) {
        self.add(1);
    }

    pub(crate) fn dec(&self) {
        self.add(-1);
    }

    pub(crate) fn add(&self, more: i64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A time that only ever grows.
#[derive(Debug, Default)]
pub(crate) struct Seconds(AtomicU64);

impl Seconds {
    pub(crate) fn add(&self, more: f64) {
        let sum = |bits| Some((f64::from_bits(bits) + more).to_bits());
        // It never gives up, so there is no error.
        let _before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
    }

    pub(crate) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// How durations are spread over `N` buckets, and one more for what is longer than all of them.
#[derive(Debug)]
pub(crate) struct Spread<const N: usize> {
    /// In seconds, each included in its bucket.
    bounds: &'static [f64; N],
    buckets: [Count; N],
    longer: Count,
    /// Enough for five hundred years.
    nanoseconds: Count,
}

impl<const N: usize> Spread<N> {
    pub(crate) fn new(bounds: &'static [f64; N]) -> Self {
        let buckets = std::array::from_fn(|_| Count::default());
        Self { bounds, buckets, longer: Count::default(), nanoseconds: Count::default() }
    }

    pub(crate) fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = self.bounds.iter().position(|bound| seconds <= *bound);
        at.map_or(&self.longer, |at| &self.buckets[at]).inc();
        self.nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// As it is shown. What is observed meanwhile may be in the sum already and in no bucket yet, or
    /// the other way round; the number of all is always that of the buckets.
    pub(crate) fn shown(&self) -> Histogram {
        let mut total = 0;
        let buckets = self.bounds.iter().zip(&self.buckets).map(|(bound, count)| {
            total += count.get();
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(total);
            bucket
        });
        let buckets = buckets.collect();
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(total + self.longer.get());
        histogram.set_sample_sum(Duration::from_nanos(self.nanoseconds.get()).as_secs_f64());
        histogram
    }
}
