//! The families without the label `service`.
//!
//! Owns their names and help texts. It must not know who counts what. It exists apart from those of
//! services because there is one of each, so that the library's own types serve as they are.

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

const CONSTANT: &str = "names and labels are constants that a test registers";

/// The families without the label `service`.
pub(crate) struct GlobalFamilies {
    pub(crate) config_cache_hits: IntCounterVec,
    pub(crate) config_cache_misses: IntCounterVec,
    pub(crate) config_cache_evictions: IntCounterVec,
    pub(crate) config_reloads: IntCounterVec,
    pub(crate) trace_spans: IntCounterVec,
    pub(crate) refusals: IntCounterVec,
    pub(crate) connections_total: IntCounterVec,
    pub(crate) connections: IntGauge,
    pub(crate) body_bytes: IntGauge,
    pub(crate) build_info: IntGaugeVec,
}

impl GlobalFamilies {
    pub(crate) fn register(registry: &Registry) -> Self {
        let r = registry;
        Self {
            config_cache_hits: counters(
                r,
                "standpipe_config_cache_hits_total",
                "Look-ups of a service's description that the cache answered.",
                &[],
            ),
            config_cache_misses: counters(
                r,
                "standpipe_config_cache_misses_total",
                "Look-ups of a service's description that the cache could not answer.",
                &[],
            ),
            config_cache_evictions: counters(
                r,
                "standpipe_config_cache_evictions_total",
                "Descriptions that left the cache because they were too old or too many.",
                &[],
            ),
            config_reloads: counters(
                r,
                "standpipe_config_reloads_total",
                "Times the configuration was read again, by how that ended.",
                &["outcome"],
            ),
            trace_spans: counters(
                r,
                "standpipe_trace_spans_total",
                "Spans of traces, by what became of them.",
                &["outcome"],
            ),
            refusals: counters(
                r,
                "standpipe_http_refusals_total",
                "HTTP requests and connections refused before they reached a service, by reason.",
                &["reason"],
            ),
            connections_total: counters(
                r,
                "standpipe_http_connections_total",
                "HTTP connections accepted.",
                &[],
            ),
            connections: register(
                r,
                IntGauge::new("standpipe_http_connections", "HTTP connections that are open.")
                    .expect(CONSTANT),
            ),
            body_bytes: register(
                r,
                IntGauge::new(
                    "standpipe_request_body_bytes",
                    "Memory reserved for the request bodies that are being read or waiting.",
                )
                .expect(CONSTANT),
            ),
            build_info: gauges(
                r,
                "standpipe_build_info",
                "Always 1; the labels say what is running.",
                &["version", "os", "arch"],
            ),
        }
    }
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels).expect(CONSTANT))
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register(registry, IntGaugeVec::new(Opts::new(name, help), labels).expect(CONSTANT))
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect(CONSTANT);
    collector
}
