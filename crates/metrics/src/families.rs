//! Every family of series that services have: names, help texts, buckets, labels.
//!
//! Owns what appears under `/metrics` of each service. It must not know who counts what, nor how a
//! line is written. It exists so that a name is written once.

mod global;

pub(crate) use global::GlobalFamilies;
use prometheus::proto::MetricType;

use crate::cells::{Count, Level};
use crate::exposition::Rows;
use crate::labels::{Label, Outcome, Phase, Transport, Wire};
use crate::service::{ServiceMetrics, Table};

/// From a cached list to a tool that works for minutes, in seconds.
pub(crate) static REQUEST_BUCKETS: [f64; 18] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0, 300.0,
];

/// From a native binary to a package runner that downloads first, in seconds.
pub(crate) static START_BUCKETS: [f64; 12] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// A family that carries the label `service`.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: MetricType,
    /// In the order of their names, `service` among them.
    pub(crate) labels: &'static [&'static str],
    /// Adds the series of one service.
    pub(crate) rows: for<'a> fn(&'a ServiceMetrics, &mut Rows<'a>),
}

/// All of them, in the order of their names.
pub(crate) static FAMILIES: &[Family] = &[
    Family {
        name: "standpipe_dropped_messages_total",
        help: "Messages that were delivered to nobody, by reason.",
        kind: MetricType::COUNTER,
        labels: &["reason", "service"],
        rows: |of, rows| counts(of, &of.dropped, rows),
    },
    Family {
        name: "standpipe_health_cache_hits_total",
        help: "Health questions answered from a recent probe.",
        kind: MetricType::COUNTER,
        labels: &["service"],
        rows: |of, rows| one_count(of, &of.health_cache_hits, rows),
    },
    Family {
        name: "standpipe_noise_lines_total",
        help: "Lines on a child's stdout that are no JSON-RPC message.",
        kind: MetricType::COUNTER,
        labels: &["service"],
        rows: |of, rows| one_count(of, &of.noise_lines, rows),
    },
    Family {
        name: "standpipe_open_streams",
        help: "Event streams that clients hold open.",
        kind: MetricType::GAUGE,
        labels: &["service", "transport"],
        rows: |of, rows| levels(of, &of.open_streams, rows),
    },
    Family {
        name: "standpipe_oversized_lines_total",
        help: "Lines on a child's stdout that are longer than the limit.",
        kind: MetricType::COUNTER,
        labels: &["service"],
        rows: |of, rows| one_count(of, &of.oversized_lines, rows),
    },
    Family {
        name: "standpipe_probe_failures_total",
        help: "Health probes that a service failed.",
        kind: MetricType::COUNTER,
        labels: &["service"],
        rows: |of, rows| one_count(of, &of.probe_failures, rows),
    },
    Family {
        name: "standpipe_process_cpu_seconds_total",
        help: "CPU time used by the service's child processes, ended ones included.",
        kind: MetricType::COUNTER,
        labels: &["service"],
        rows: |of, rows| rows.seconds(&[of.id().as_str()], of.cpu_seconds.get()),
    },
    Family {
        name: "standpipe_process_exits_total",
        help: "Ends of child processes, by reason.",
        kind: MetricType::COUNTER,
        labels: &["reason", "service"],
        rows: |of, rows| counts(of, &of.exits, rows),
    },
    Family {
        name: "standpipe_process_open_fds",
        help: "File descriptors that the service's child processes hold open.",
        kind: MetricType::GAUGE,
        labels: &["service"],
        rows: |of, rows| one_level(of, &of.open_fds, rows),
    },
    Family {
        name: "standpipe_process_resident_memory_bytes",
        help: "Resident memory of the service's child processes.",
        kind: MetricType::GAUGE,
        labels: &["service"],
        rows: |of, rows| one_level(of, &of.resident_bytes, rows),
    },
    Family {
        name: "standpipe_process_start_duration_seconds",
        help: "Time from the launch of a child process to the end of its handshake.",
        kind: MetricType::HISTOGRAM,
        labels: &["service"],
        rows: |of, rows| rows.spread(&[of.id().as_str()], &of.start_duration),
    },
    Family {
        name: "standpipe_process_starts_total",
        help: "Starts of child processes, by how they ended.",
        kind: MetricType::COUNTER,
        labels: &["outcome", "service"],
        rows: |of, rows| counts(of, &of.starts, rows),
    },
    Family {
        name: "standpipe_processes",
        help: "Child processes that are alive.",
        kind: MetricType::GAUGE,
        labels: &["service"],
        rows: |of, rows| one_level(of, &of.processes, rows),
    },
    Family {
        name: "standpipe_refused_questions_total",
        help: "Questions of a child that were shown to nobody, by reason.",
        kind: MetricType::COUNTER,
        labels: &["reason", "service"],
        rows: |of, rows| counts(of, &of.refused_questions, rows),
    },
    Family {
        name: "standpipe_request_duration_seconds",
        help: "Time from a client's request to its answer.",
        kind: MetricType::HISTOGRAM,
        labels: &["service", "transport"],
        rows: |of, rows| {
            for &transport in Transport::ALL {
                let labels = [of.id().as_str(), transport.as_str()];
                rows.spread(&labels, of.request_duration.get(transport));
            }
        },
    },
    Family {
        name: "standpipe_requests_in_flight",
        help: "Requests that wait for their answer.",
        kind: MetricType::GAUGE,
        labels: &["service"],
        rows: |of, rows| one_level(of, &of.in_flight, rows),
    },
    Family {
        name: "standpipe_requests_total",
        help: "Requests of clients, by how they ended.",
        kind: MetricType::COUNTER,
        labels: &["era", "outcome", "service", "transport"],
        rows: |of, rows| {
            for &wire in Wire::ALL {
                for &outcome in Outcome::ALL {
                    let service = of.id().as_str();
                    let labels = [wire.era(), outcome.as_str(), service, wire.transport()];
                    rows.count(&labels, of.requests.get(wire).get(outcome));
                }
            }
        },
    },
    Family {
        name: "standpipe_service_phase",
        help: "1 for the phase the service is in, 0 for the others.",
        kind: MetricType::GAUGE,
        labels: &["phase", "service"],
        rows: |of, rows| {
            for &phase in Phase::ALL {
                rows.level(&[phase.as_str(), of.id().as_str()], i64::from(of.is_in(phase)));
            }
        },
    },
    Family {
        name: "standpipe_service_restarts_total",
        help: "Starts that replaced a child process which had ended or was ended.",
        kind: MetricType::COUNTER,
        labels: &["service"],
        rows: |of, rows| one_count(of, &of.restarts, rows),
    },
    Family {
        name: "standpipe_sessions",
        help: "Sessions of clients that are open.",
        kind: MetricType::GAUGE,
        labels: &["service", "transport"],
        rows: |of, rows| levels(of, &of.sessions, rows),
    },
];

fn one_count<'a>(of: &'a ServiceMetrics, count: &Count, rows: &mut Rows<'a>) {
    rows.count(&[of.id().as_str()], count);
}

fn one_level<'a>(of: &'a ServiceMetrics, level: &Level, rows: &mut Rows<'a>) {
    rows.level(&[of.id().as_str()], level.get());
}

/// Where the other label stands before `service`.
fn counts<'a, L: Label, const N: usize>(
    of: &'a ServiceMetrics,
    counts: &Table<L, Count, N>,
    rows: &mut Rows<'a>,
) {
    for &value in L::VALUES {
        rows.count(&[value.word(), of.id().as_str()], counts.get(value));
    }
}

fn levels<'a>(of: &'a ServiceMetrics, levels: &Table<Transport, Level, 2>, rows: &mut Rows<'a>) {
    for &transport in Transport::ALL {
        rows.level(&[of.id().as_str(), transport.as_str()], levels.get(transport).get());
    }
}
