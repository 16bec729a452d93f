//! Every family of series: names, help texts, buckets, labels.
//!
//! Owns what appears under `/metrics`. It must not know who counts what. It exists so that a name
//! is written once, and so that a service's series can be made and removed together.

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    CounterVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::labels::{
    Dropped, ExitReason, Label, Outcome, Phase, QuestionRefusal, StartOutcome, Wire,
};

/// From a cached list to a tool that works for minutes, in seconds.
const REQUEST_BUCKETS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0, 300.0,
];

/// From a native binary to a package runner that downloads first, in seconds.
const START_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const CONSTANT: &str = "names, labels and buckets are constants that a test registers";

/// The families that carry the label `service`.
pub(crate) struct Families {
    pub(crate) requests: IntCounterVec,
    pub(crate) request_duration: HistogramVec,
    pub(crate) in_flight: IntGaugeVec,
    pub(crate) sessions: IntGaugeVec,
    pub(crate) open_streams: IntGaugeVec,
    pub(crate) starts: IntCounterVec,
    pub(crate) start_duration: HistogramVec,
    pub(crate) exits: IntCounterVec,
    pub(crate) phase: IntGaugeVec,
    pub(crate) restarts: IntCounterVec,
    pub(crate) probe_failures: IntCounterVec,
    pub(crate) health_cache_hits: IntCounterVec,
    pub(crate) noise_lines: IntCounterVec,
    pub(crate) oversized_lines: IntCounterVec,
    pub(crate) dropped: IntCounterVec,
    pub(crate) refused_questions: IntCounterVec,
    pub(crate) processes: IntGaugeVec,
    pub(crate) cpu_seconds: CounterVec,
    pub(crate) resident_bytes: IntGaugeVec,
    pub(crate) open_fds: IntGaugeVec,
}

impl Families {
    pub(crate) fn register(registry: &Registry) -> Self {
        let r = registry;
        Self {
            requests: counters(
                r,
                "standpipe_requests_total",
                "Requests of clients, by how they ended.",
                &["service", "transport", "era", "outcome"],
            ),
            request_duration: histograms(
                r,
                "standpipe_request_duration_seconds",
                "Time from a client's request to its answer.",
                REQUEST_BUCKETS,
                &["service", "transport"],
            ),
            in_flight: gauges(
                r,
                "standpipe_requests_in_flight",
                "Requests that wait for their answer.",
                &["service"],
            ),
            sessions: gauges(
                r,
                "standpipe_sessions",
                "Sessions of clients that are open.",
                &["service", "transport"],
            ),
            open_streams: gauges(
                r,
                "standpipe_open_streams",
                "Event streams that clients hold open.",
                &["service", "transport"],
            ),
            starts: counters(
                r,
                "standpipe_process_starts_total",
                "Starts of child processes, by how they ended.",
                &["service", "outcome"],
            ),
            start_duration: histograms(
                r,
                "standpipe_process_start_duration_seconds",
                "Time from the launch of a child process to the end of its handshake.",
                START_BUCKETS,
                &["service"],
            ),
            exits: counters(
                r,
                "standpipe_process_exits_total",
                "Ends of child processes, by reason.",
                &["service", "reason"],
            ),
            phase: gauges(
                r,
                "standpipe_service_phase",
                "1 for the phase the service is in, 0 for the others.",
                &["service", "phase"],
            ),
            restarts: counters(
                r,
                "standpipe_service_restarts_total",
                "Starts that replaced a child process which had ended or was ended.",
                &["service"],
            ),
            probe_failures: counters(
                r,
                "standpipe_probe_failures_total",
                "Health probes that a service failed.",
                &["service"],
            ),
            health_cache_hits: counters(
                r,
                "standpipe_health_cache_hits_total",
                "Health questions answered from a recent probe.",
                &["service"],
            ),
            noise_lines: counters(
                r,
                "standpipe_noise_lines_total",
                "Lines on a child's stdout that are no JSON-RPC message.",
                &["service"],
            ),
            oversized_lines: counters(
                r,
                "standpipe_oversized_lines_total",
                "Lines on a child's stdout that are longer than the limit.",
                &["service"],
            ),
            dropped: counters(
                r,
                "standpipe_dropped_messages_total",
                "Messages that were delivered to nobody, by reason.",
                &["service", "reason"],
            ),
            refused_questions: counters(
                r,
                "standpipe_refused_questions_total",
                "Questions of a child that were shown to nobody, by reason.",
                &["service", "reason"],
            ),
            processes: gauges(
                r,
                "standpipe_processes",
                "Child processes that are alive.",
                &["service"],
            ),
            cpu_seconds: register(
                r,
                CounterVec::new(
                    Opts::new(
                        "standpipe_process_cpu_seconds_total",
                        "CPU time used by the service's child processes, ended ones included.",
                    ),
                    &["service"],
                )
                .expect(CONSTANT),
            ),
            resident_bytes: gauges(
                r,
                "standpipe_process_resident_memory_bytes",
                "Resident memory of the service's child processes.",
                &["service"],
            ),
            open_fds: gauges(
                r,
                "standpipe_process_open_fds",
                "File descriptors that the service's child processes hold open.",
                &["service"],
            ),
        }
    }

    /// Removes every series of a service. Handles that still exist count into nothing.
    pub(crate) fn forget(&self, service: &str) {
        for &wire in Wire::ALL {
            for &outcome in Outcome::ALL {
                remove(&self.requests, &[service, wire.transport(), wire.era(), outcome.as_str()]);
            }
            // Two wires share a transport: the second removal finds nothing, which is fine.
            remove(&self.request_duration, &[service, wire.transport()]);
            remove(&self.sessions, &[service, wire.transport()]);
            remove(&self.open_streams, &[service, wire.transport()]);
        }
        forget_each::<StartOutcome, _>(&self.starts, service);
        forget_each::<ExitReason, _>(&self.exits, service);
        forget_each::<Phase, _>(&self.phase, service);
        forget_each::<Dropped, _>(&self.dropped, service);
        forget_each::<QuestionRefusal, _>(&self.refused_questions, service);
        for gauge in [&self.in_flight, &self.processes, &self.resident_bytes, &self.open_fds] {
            remove(gauge, &[service]);
        }
        for counter in [
            &self.restarts,
            &self.probe_failures,
            &self.health_cache_hits,
            &self.noise_lines,
            &self.oversized_lines,
        ] {
            remove(counter, &[service]);
        }
        remove(&self.start_duration, &[service]);
        remove(&self.cpu_seconds, &[service]);
    }
}

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

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> HistogramVec {
    let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    register(registry, HistogramVec::new(opts, labels).expect(CONSTANT))
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect(CONSTANT);
    collector
}

fn forget_each<L: Label, B: MetricVecBuilder>(family: &MetricVec<B>, service: &str) {
    for value in L::VALUES {
        remove(family, &[service, value.word()]);
    }
}

fn remove<B: MetricVecBuilder>(family: &MetricVec<B>, labels: &[&str]) {
    // An error means that the series does not exist, which is what is wanted.
    let _absent = family.remove_label_values(labels);
}
