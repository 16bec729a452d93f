//! One service's series, with their labels resolved.
//!
//! Owns the handles through which a service is counted. It must not know when anything happens.
//! It exists so that counting on the hot path is an atomic addition: no look-up, no label text.

use std::marker::PhantomData;
use std::sync::{Arc, Weak};
use std::time::Duration;

use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::{Counter, Histogram, IntCounter, IntGauge};
use standpipe_core::service::ServiceId;

use crate::families::Families;
use crate::global::Services;
use crate::guards::{ChildUsage, InFlight, OpenSession, OpenStream};
use crate::labels::{
    Dropped, ExitReason, Label, Outcome, Phase, QuestionRefusal, StartOutcome, Wire,
};

/// Counts what happens to one service. All handles of one service share the same series; the
/// series go when the last handle is dropped.
pub struct ServiceMetrics {
    id: ServiceId,
    services: Arc<Services>,
    /// Tells this set of handles from a later one of the same name.
    me: Weak<Self>,
    /// By [`Wire`], then by [`Outcome`].
    requests: Vec<Table<Outcome, IntCounter>>,
    request_duration: Table<Wire, Histogram>,
    pub(crate) in_flight: IntGauge,
    pub(crate) sessions: Table<Wire, IntGauge>,
    pub(crate) open_streams: Table<Wire, IntGauge>,
    starts: Table<StartOutcome, IntCounter>,
    start_duration: Histogram,
    exits: Table<ExitReason, IntCounter>,
    phase: Table<Phase, IntGauge>,
    restarts: IntCounter,
    probe_failures: IntCounter,
    health_cache_hits: IntCounter,
    noise_lines: IntCounter,
    oversized_lines: IntCounter,
    dropped: Table<Dropped, IntCounter>,
    refused_questions: Table<QuestionRefusal, IntCounter>,
    pub(crate) processes: IntGauge,
    pub(crate) cpu_seconds: Counter,
    pub(crate) resident_bytes: IntGauge,
    pub(crate) open_fds: IntGauge,
}

impl ServiceMetrics {
    /// The service.
    pub const fn id(&self) -> &ServiceId {
        &self.id
    }

    /// A request began. Say how it ended with [`InFlight::finish`]; dropping the guard counts it
    /// as cancelled.
    pub fn in_flight(self: &Arc<Self>, wire: Wire) -> InFlight {
        InFlight::new(Arc::clone(self), wire)
    }

    /// A request that was over before it began: refused, or answered on the spot.
    pub fn request(&self, wire: Wire, outcome: Outcome, took: Duration) {
        self.requests[wire.index()].get(outcome).inc();
        self.request_duration.get(wire).observe(took.as_secs_f64());
    }

    /// A session opened; it ends when the guard is dropped.
    pub fn open_session(self: &Arc<Self>, wire: Wire) -> OpenSession {
        OpenSession::new(Arc::clone(self), wire)
    }

    /// An event stream opened; it ends when the guard is dropped.
    pub fn open_stream(self: &Arc<Self>, wire: Wire) -> OpenStream {
        OpenStream::new(Arc::clone(self), wire)
    }

    /// A start ended; `took` counts only if it ended well.
    pub fn start_ended(&self, outcome: StartOutcome, took: Duration) {
        self.starts.get(outcome).inc();
        if outcome == StartOutcome::Ready {
            self.start_duration.observe(took.as_secs_f64());
        }
    }

    /// A process ended.
    pub fn exited(&self, reason: ExitReason) {
        self.exits.get(reason).inc();
    }

    /// The service is in this phase now.
    pub fn set_phase(&self, phase: Phase) {
        // Set before clearing: a scrape in between sees two phases, but never none.
        self.phase.get(phase).set(1);
        for &other in Phase::ALL {
            if other != phase {
                self.phase.get(other).set(0);
            }
        }
    }

    /// A process is started in place of one that ended.
    pub fn restarted(&self) {
        self.restarts.inc();
    }

    /// A health probe failed.
    pub fn probe_failed(&self) {
        self.probe_failures.inc();
    }

    /// A recent probe spared another one.
    pub fn health_cache_hit(&self) {
        self.health_cache_hits.inc();
    }

    /// The child printed something that is no message.
    pub fn noise_line(&self) {
        self.noise_lines.inc();
    }

    /// The child printed a line longer than the limit.
    pub fn oversized_line(&self) {
        self.oversized_lines.inc();
    }

    /// Messages were delivered to nobody.
    pub fn dropped(&self, reason: Dropped, count: u64) {
        self.dropped.get(reason).inc_by(count);
    }

    /// A child's question was shown to nobody.
    pub fn question_refused(&self, reason: QuestionRefusal) {
        self.refused_questions.get(reason).inc();
    }

    /// A child process is alive; it is not any more when the guard is dropped.
    pub fn child(self: &Arc<Self>) -> ChildUsage {
        ChildUsage::new(Arc::clone(self))
    }

    pub(crate) fn resolve(
        families: &Families,
        services: &Arc<Services>,
        id: &ServiceId,
    ) -> Arc<Self> {
        let name = id.as_str();
        let of = |family| single(family, name);
        let by_transport = |wire: &Wire| [name, wire.transport()];
        let requests = |wire: &Wire| {
            Table::new(Outcome::ALL.iter().map(|outcome| {
                let labels = [name, wire.transport(), wire.era(), outcome.as_str()];
                families.requests.with_label_values(&labels)
            }))
        };
        Arc::new_cyclic(|me| Self {
            id: id.clone(),
            services: Arc::clone(services),
            me: Weak::clone(me),
            requests: Wire::ALL.iter().map(requests).collect(),
            request_duration: Table::new(
                Wire::ALL
                    .iter()
                    .map(|wire| families.request_duration.with_label_values(&by_transport(wire))),
            ),
            in_flight: families.in_flight.with_label_values(&[name]),
            sessions: Table::new(
                Wire::ALL
                    .iter()
                    .map(|wire| families.sessions.with_label_values(&by_transport(wire))),
            ),
            open_streams: Table::new(
                Wire::ALL
                    .iter()
                    .map(|wire| families.open_streams.with_label_values(&by_transport(wire))),
            ),
            starts: Table::of(&families.starts, name),
            start_duration: families.start_duration.with_label_values(&[name]),
            exits: Table::of(&families.exits, name),
            phase: Table::of(&families.phase, name),
            restarts: of(&families.restarts),
            probe_failures: of(&families.probe_failures),
            health_cache_hits: of(&families.health_cache_hits),
            noise_lines: of(&families.noise_lines),
            oversized_lines: of(&families.oversized_lines),
            dropped: Table::of(&families.dropped, name),
            refused_questions: Table::of(&families.refused_questions, name),
            processes: families.processes.with_label_values(&[name]),
            cpu_seconds: families.cpu_seconds.with_label_values(&[name]),
            resident_bytes: families.resident_bytes.with_label_values(&[name]),
            open_fds: families.open_fds.with_label_values(&[name]),
        })
    }
}

impl Drop for ServiceMetrics {
    fn drop(&mut self) {
        self.services.gone(&self.id, &self.me);
    }
}

impl std::fmt::Debug for ServiceMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServiceMetrics").field(&self.id).finish()
    }
}

/// One series for each value of a label.
pub(crate) struct Table<L, M> {
    series: Box<[M]>,
    label: PhantomData<L>,
}

impl<L: Label, M> Table<L, M> {
    fn new(series: impl Iterator<Item = M>) -> Self {
        Self { series: series.collect(), label: PhantomData }
    }

    fn of<B: MetricVecBuilder<M = M>>(family: &MetricVec<B>, service: &str) -> Self
    where
        M: prometheus::core::Metric,
    {
        Self::new(L::VALUES.iter().map(|value| family.with_label_values(&[service, value.word()])))
    }

    pub(crate) fn get(&self, value: L) -> &M {
        // Tables are only made from all values in their order.
        &self.series[value.index()]
    }
}

fn single(family: &prometheus::IntCounterVec, service: &str) -> IntCounter {
    family.with_label_values(&[service])
}
