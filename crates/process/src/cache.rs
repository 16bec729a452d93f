//! Descriptions of services that do not run.
//!
//! Owns for how long and for how many the next request still finds one, and the counting of that.
//! Must not own anything that lives: an entry that expires ends no process. Exists so that a service
//! that was stopped or cleaned up is there again when somebody asks for it.

use std::sync::Arc;
use std::time::Duration;

use moka::notification::RemovalCause;
use moka::sync::Cache;
use standpipe_core::service::{ServiceId, ServiceSpec};
use standpipe_metrics::Metrics;

/// Where a description comes from. The greater one takes precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigSource {
    /// A configuration file, or the command line.
    File,
    /// The control plane.
    ControlPlane,
    /// The request itself, where that is allowed.
    Request,
}

/// Bounds of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// For so long after a service was last described, stopped or cleaned up its description is
    /// kept.
    pub ttl: Duration,
    /// So many are kept at most; then those go that were asked for least.
    pub entries: u64,
}

impl CacheSettings {
    /// The longest time that can be configured, in which nothing overflows.
    pub const MAX_TTL: Duration = Duration::from_hours(24 * 365 * 10);
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { ttl: Duration::from_hours(24), entries: 1000 }
    }
}

/// A description and its source.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) spec: Arc<ServiceSpec>,
    pub(crate) source: ConfigSource,
}

/// The cache.
#[derive(Debug)]
pub(crate) struct ConfigCache {
    cache: Cache<ServiceId, Described>,
    metrics: Arc<Metrics>,
}

impl ConfigCache {
    pub(crate) fn new(settings: CacheSettings, metrics: Arc<Metrics>) -> Self {
        let counted = Arc::clone(&metrics);
        let cache = Cache::builder()
            .max_capacity(settings.entries)
            // The cache's own clock refuses what is far beyond this.
            .time_to_live(settings.ttl.min(CacheSettings::MAX_TTL))
            .eviction_listener(move |_, _, cause| {
                if matches!(cause, RemovalCause::Expired | RemovalCause::Size) {
                    counted.config_cache_evicted();
                }
            })
            .build();
        Self { cache, metrics }
    }

    /// The newest description under a name wins, and its time begins anew.
    pub(crate) fn put(&self, described: &Described) {
        self.cache.insert(described.spec.id.clone(), described.clone());
    }

    /// Looks for a description, which is counted.
    pub(crate) fn get(&self, id: &ServiceId) -> Option<Described> {
        let found = self.cache.get(id);
        match &found {
            Some(_) => self.metrics.config_cache_hit(),
            None => self.metrics.config_cache_miss(),
        }
        found
    }

    /// The service is not described by `source` any more.
    pub(crate) fn forget_from(&self, id: &ServiceId, source: ConfigSource) {
        if self.cache.get(id).is_some_and(|known| known.source == source) {
            self.cache.invalidate(id);
        }
    }

    /// The service was removed.
    pub(crate) fn forget(&self, id: &ServiceId) {
        self.cache.invalidate(id);
    }
}

#[cfg(test)]
mod tests;
