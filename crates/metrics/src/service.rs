//! One service's numbers.
//!
//! Owns the handle through which a service is counted. It must not know when anything happens, nor
//! under which names the numbers appear. It exists so that counting on the hot path is an atomic
//! addition: no look-up, no label text.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use standpipe_core::service::ServiceId;
use tokio::time::Instant;

use crate::cells::{Count, Level, Seconds, Spread};
use crate::families::{REQUEST_BUCKETS, START_BUCKETS};
use crate::global::Services;
use crate::guards::{ChildUsage, InFlight, OpenSession, OpenStream};
use crate::labels::{
    Dropped, ExitReason, Label, Outcome, Phase, QuestionRefusal, StartOutcome, Transport, Wire,
};

/// Counts what happens to one service. All handles of one service share the same series; the
/// series go when the last handle is dropped.
pub struct ServiceMetrics {
    id: ServiceId,
    services: Arc<Services>,
    pub(crate) requests: Table<Wire, Table<Outcome, Count, 8>, 3>,
    pub(crate) request_duration: Table<Transport, Spread<{ REQUEST_BUCKETS.len() }>, 2>,
    pub(crate) in_flight: Level,
    pub(crate) sessions: Table<Transport, Level, 2>,
    pub(crate) open_streams: Table<Transport, Level, 2>,
    pub(crate) starts: Table<StartOutcome, Count, 6>,
    pub(crate) start_duration: Spread<{ START_BUCKETS.len() }>,
    pub(crate) exits: Table<ExitReason, Count, 7>,
    /// One more than the phase's index; 0 while nobody has said which it is.
    phase: AtomicUsize,
    pub(crate) restarts: Count,
    pub(crate) probe_failures: Count,
    pub(crate) health_cache_hits: Count,
    pub(crate) noise_lines: Count,
    pub(crate) oversized_lines: Count,
    pub(crate) dropped: Table<Dropped, Count, 10>,
    pub(crate) refused_questions: Table<QuestionRefusal, Count, 6>,
    pub(crate) processes: Level,
    pub(crate) cpu_seconds: Seconds,
    pub(crate) resident_bytes: Level,
    pub(crate) open_fds: Level,
}

impl ServiceMetrics {
    /// The service.
    pub const fn id(&self) -> &ServiceId {
        &self.id
    }

    /// A request that began at `since`. Say how it ended with [`InFlight::finish`]; dropping the
    /// guard counts it as cancelled.
    pub fn in_flight(self: &Arc<Self>, wire: Wire, since: Instant) -> InFlight {
        InFlight::new(Arc::clone(self), wire, since)
    }

    /// A request that was over before it began: refused, or answered on the spot.
    pub fn request(&self, wire: Wire, outcome: Outcome, took: Duration) {
        self.requests.get(wire).get(outcome).inc();
        self.request_duration.get(wire.over()).observe(took);
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
            self.start_duration.observe(took);
        }
    }

    /// A process ended.
    pub fn exited(&self, reason: ExitReason) {
        self.exits.get(reason).inc();
    }

    /// The service is in this phase now.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase.index() + 1, Ordering::Relaxed);
    }

    /// Whether this is the phase the service is in.
    pub(crate) fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase.index() + 1
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
        self.dropped.get(reason).add(count);
    }

    /// A child's question was shown to nobody.
    pub fn question_refused(&self, reason: QuestionRefusal) {
        self.refused_questions.get(reason).inc();
    }

    /// A child process is alive; it is not any more when the guard is dropped.
    pub fn child(self: &Arc<Self>) -> ChildUsage {
        ChildUsage::new(Arc::clone(self))
    }

    pub(crate) fn new(services: &Arc<Services>, id: &ServiceId) -> Arc<Self> {
        Arc::new(Self {
            id: id.clone(),
            services: Arc::clone(services),
            requests: Table::default(),
            request_duration: Table::of(|| Spread::new(&REQUEST_BUCKETS)),
            in_flight: Level::default(),
            sessions: Table::default(),
            open_streams: Table::default(),
            starts: Table::default(),
            start_duration: Spread::new(&START_BUCKETS),
            exits: Table::default(),
            phase: AtomicUsize::new(0),
            restarts: Count::default(),
            probe_failures: Count::default(),
            health_cache_hits: Count::default(),
            noise_lines: Count::default(),
            oversized_lines: Count::default(),
            dropped: Table::default(),
            refused_questions: Table::default(),
            processes: Level::default(),
            cpu_seconds: Seconds::default(),
            resident_bytes: Level::default(),
            open_fds: Level::default(),
        })
    }
}

impl Drop for ServiceMetrics {
    fn drop(&mut self) {
        self.services.gone(&self.id);
    }
}

impl std::fmt::Debug for ServiceMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServiceMetrics").field(&self.id).finish()
    }
}

/// One number for each of a label's `N` values.
pub(crate) struct Table<L, M, const N: usize> {
    numbers: [M; N],
    label: PhantomData<L>,
}

impl<L: Label, M, const N: usize> Table<L, M, N> {
    /// Refuses to compile where `N` is not the number of values.
    const COMPLETE: () = assert!(L::VALUES.len() == N, "a table has a place for each value");

    fn of(number: impl Fn() -> M) -> Self {
        const { Self::COMPLETE };
        Self { numbers: std::array::from_fn(|_| number()), label: PhantomData }
    }

    pub(crate) fn get(&self, value: L) -> &M {
        // There is one for each value, in their order.
        &self.numbers[value.index()]
    }
}

impl<L: Label, M: Default, const N: usize> Default for Table<L, M, N> {
    fn default() -> Self {
        Self::of(M::default)
    }
}
