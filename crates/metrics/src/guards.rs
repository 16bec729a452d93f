//! What has a beginning and an end: guards that count when made and uncount when dropped.
//!
//! Owns the pairing of "one more" with "one less". It must not know what the guarded thing is. It
//! exists so that a gauge cannot drift when a future is dropped half way.

use std::fmt;
use std::sync::Arc;

use prometheus::IntGauge;
use tokio::time::Instant;

use crate::labels::{Outcome, Wire};
use crate::service::ServiceMetrics;

/// A request that waits for its answer.
///
/// Dropped without [`finish`](Self::finish) it counts as [`Outcome::Cancelled`]: whoever owned it
/// went away.
#[must_use = "dropping the guard ends the request as cancelled"]
pub struct InFlight {
    service: Arc<ServiceMetrics>,
    wire: Wire,
    since: Instant,
    outcome: Outcome,
}

impl InFlight {
    pub(crate) fn new(service: Arc<ServiceMetrics>, wire: Wire, since: Instant) -> Self {
        service.in_flight.inc();
        Self { service, wire, since, outcome: Outcome::Cancelled }
    }

    /// The request ended like this.
    pub fn finish(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.service.in_flight.dec();
        self.service.request(self.wire, self.outcome, self.since.elapsed());
    }
}

/// A session that is open.
#[must_use = "dropping the guard ends the session"]
pub struct OpenSession {
    service: Arc<ServiceMetrics>,
    wire: Wire,
}

impl OpenSession {
    pub(crate) fn new(service: Arc<ServiceMetrics>, wire: Wire) -> Self {
        service.sessions.get(wire.over()).inc();
        Self { service, wire }
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.service.sessions.get(self.wire.over()).dec();
    }
}

/// An event stream that a client holds open.
#[must_use = "dropping the guard ends the stream"]
pub struct OpenStream {
    service: Arc<ServiceMetrics>,
    wire: Wire,
}

impl OpenStream {
    pub(crate) fn new(service: Arc<ServiceMetrics>, wire: Wire) -> Self {
        service.open_streams.get(wire.over()).inc();
        Self { service, wire }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.service.open_streams.get(self.wire.over()).dec();
    }
}

/// An HTTP connection that is open.
#[must_use = "dropping the guard closes the connection"]
pub struct OpenConnection {
    gauge: IntGauge,
}

impl OpenConnection {
    pub(crate) fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self { gauge }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

/// What one child process uses. The service's series are the sums over its children; the CPU time
/// of ended children stays in the sum, so that it never goes down.
#[must_use = "dropping the guard ends the process"]
pub struct ChildUsage {
    service: Arc<ServiceMetrics>,
    cpu_seconds: f64,
    resident_bytes: i64,
    open_fds: i64,
}

impl ChildUsage {
    pub(crate) fn new(service: Arc<ServiceMetrics>) -> Self {
        service.processes.inc();
        Self { service, cpu_seconds: 0.0, resident_bytes: 0, open_fds: 0 }
    }

    /// What the process uses now: CPU time since its start in seconds, resident memory in bytes,
    /// open file descriptors.
    pub fn observe(&mut self, cpu_seconds: f64, resident_bytes: u64, open_fds: u64) {
        if cpu_seconds > self.cpu_seconds {
            self.service.cpu_seconds.add(cpu_seconds - self.cpu_seconds);
            self.cpu_seconds = cpu_seconds;
        }
        let resident_bytes = i64::try_from(resident_bytes).unwrap_or(i64::MAX);
        let open_fds = i64::try_from(open_fds).unwrap_or(i64::MAX);
        self.service.resident_bytes.add(resident_bytes - self.resident_bytes);
        self.service.open_fds.add(open_fds - self.open_fds);
        self.resident_bytes = resident_bytes;
        self.open_fds = open_fds;
    }
}

impl Drop for ChildUsage {
    fn drop(&mut self) {
        self.service.processes.dec();
        self.service.resident_bytes.add(-self.resident_bytes);
        self.service.open_fds.add(-self.open_fds);
    }
}

macro_rules! opaque_debug {
    ($($guard:ident),+) => {
        $(impl fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($guard)).finish_non_exhaustive()
            }
        })+
    };
}

opaque_debug!(InFlight, OpenSession, OpenStream, OpenConnection, ChildUsage);
