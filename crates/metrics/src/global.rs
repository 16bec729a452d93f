//! The whole set of metrics: [`Metrics`].
//!
//! Owns the registry and the table of services that are counted. It must not know HTTP. It exists
//! to be made once and passed down: tests make their own and never disturb each other.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use prometheus::{IntCounter, IntGauge, Registry};
use standpipe_core::service::ServiceId;

use crate::exposition;
use crate::families::GlobalFamilies;
use crate::guards::OpenConnection;
use crate::labels::{Label, Refusal, Reload, Spans};
use crate::service::ServiceMetrics;

/// What [`Metrics::render`] calls before it collects, to bring gauges up to date.
type ScrapeHook = Box<dyn Fn() + Send + Sync>;

/// All metrics of one Standpipe.
pub struct Metrics {
    registry: Registry,
    services: Arc<Services>,
    config_cache_hits: IntCounter,
    config_cache_misses: IntCounter,
    config_cache_evictions: IntCounter,
    config_reloads: Box<[IntCounter]>,
    trace_spans: Box<[IntCounter]>,
    refusals: Box<[IntCounter]>,
    connections_total: IntCounter,
    connections: IntGauge,
    body_bytes: IntGauge,
    hooks: Mutex<Vec<ScrapeHook>>,
}

impl Metrics {
    /// The content type of what [`render`](Self::render) returns.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// A fresh set, with everything at zero. `version` is shown in `standpipe_build_info`.
    pub fn new(version: &str) -> Arc<Self> {
        let registry = Registry::new();
        let global = GlobalFamilies::register(&registry);
        let none: [&str; 0] = [];
        global
            .build_info
            .with_label_values(&[version, std::env::consts::OS, std::env::consts::ARCH])
            .set(1);
        let refusals =
            Refusal::ALL.iter().map(|reason| global.refusals.with_label_values(&[reason.word()]));
        let reloads = Reload::ALL
            .iter()
            .map(|outcome| global.config_reloads.with_label_values(&[outcome.word()]));
        let spans = Spans::ALL
            .iter()
            .map(|outcome| global.trace_spans.with_label_values(&[outcome.word()]));
        Arc::new(Self {
            trace_spans: spans.collect(),
            config_reloads: reloads.collect(),
            config_cache_hits: global.config_cache_hits.with_label_values(&none),
            config_cache_misses: global.config_cache_misses.with_label_values(&none),
            config_cache_evictions: global.config_cache_evictions.with_label_values(&none),
            refusals: refusals.collect(),
            connections_total: global.connections_total.with_label_values(&none),
            connections: global.connections,
            body_bytes: global.body_bytes,
            services: Arc::default(),
            registry,
            hooks: Mutex::default(),
        })
    }

    /// The handles of one service. Its series exist, at zero, once this has returned, and until
    /// the last handle is dropped.
    pub fn service(&self, id: &ServiceId) -> Arc<ServiceMetrics> {
        Services::get(&self.services, id)
    }

    /// A description was found in the configuration cache.
    pub fn config_cache_hit(&self) {
        self.config_cache_hits.inc();
    }

    /// A description was not found in the configuration cache.
    pub fn config_cache_miss(&self) {
        self.config_cache_misses.inc();
    }

    /// A description left the configuration cache: too old, or one too many.
    pub fn config_cache_evicted(&self) {
        self.config_cache_evictions.inc();
    }

    /// The configuration was read again.
    pub fn config_reloaded(&self, outcome: Reload) {
        self.config_reloads[outcome.index()].inc();
    }

    /// So many spans have come to this end since the start.
    pub fn spans_so_far(&self, outcome: Spans, total: u64) {
        let counter = &self.trace_spans[outcome.index()];
        counter.inc_by(total.saturating_sub(counter.get()));
    }

    /// An HTTP request or connection was refused.
    pub fn refused(&self, reason: Refusal) {
        self.refusals[reason.index()].inc();
    }

    /// An HTTP connection was accepted; it is closed when the guard is dropped.
    pub fn open_connection(&self) -> OpenConnection {
        self.connections_total.inc();
        OpenConnection::new(self.connections.clone())
    }

    /// The memory that request bodies hold now, in bytes.
    pub fn set_body_bytes(&self, bytes: usize) {
        self.body_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Calls `hook` before each scrape. It may block for a moment, as reading `/proc` does; it
    /// must not call [`render`](Self::render).
    pub fn before_scrape(&self, hook: impl Fn() + Send + Sync + 'static) {
        lock(&self.hooks).push(Box::new(hook));
    }

    /// Everything, in the Prometheus text format.
    pub fn render(&self) -> String {
        for hook in &*lock(&self.hooks) {
            hook();
        }
        exposition::text(self.registry.gather(), &self.services.all())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Which services are counted now.
#[derive(Default)]
pub(crate) struct Services {
    /// Handles are made only under this lock, so that there is never a second set for one service.
    known: Mutex<HashMap<ServiceId, Weak<ServiceMetrics>>>,
}

impl Services {
    fn get(this: &Arc<Self>, id: &ServiceId) -> Arc<ServiceMetrics> {
        let mut known = lock(&this.known);
        if let Some(alive) = known.get(id).and_then(Weak::upgrade) {
            return alive;
        }
        // In the place of a predecessor, if there was one: the new series start at zero.
        let new = ServiceMetrics::new(this, id);
        known.insert(id.clone(), Arc::downgrade(&new));
        new
    }

    fn all(&self) -> Vec<Arc<ServiceMetrics>> {
        lock(&self.known).values().filter_map(Weak::upgrade).collect()
    }

    /// The last handle of a service goes.
    pub(crate) fn gone(&self, id: &ServiceId) {
        let mut known = lock(&self.known);
        // Otherwise it is known by a successor's handle already.
        if known.get(id).is_some_and(|current| current.strong_count() == 0) {
            known.remove(id);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here is left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
