//! The handle of a service that everyone but its supervisor holds.
//!
//! Owns nothing; cheap to clone. Must not decide anything: it passes orders on and reads what the
//! supervisor has published.

use std::sync::Arc;
use std::time::Duration;

use standpipe_core::connection::Gate;
use standpipe_core::service::{ServiceId, ServiceSpec};
use standpipe_core::status::ServiceStatus;
use standpipe_metrics::ServiceMetrics;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::supervisor::Command;

/// A stop that takes longer than this is left to go on by itself: the ladder of a child is bounded,
/// and this is well beyond it.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// A service.
#[derive(Debug, Clone)]
pub struct Service(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    spec: Arc<ServiceSpec>,
    gate: Gate,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<ServiceStatus>,
    metrics: Arc<ServiceMetrics>,
}

impl Service {
    pub(crate) fn new(
        spec: Arc<ServiceSpec>,
        gate: Gate,
        commands: mpsc::Sender<Command>,
        status: watch::Receiver<ServiceStatus>,
        metrics: Arc<ServiceMetrics>,
    ) -> Self {
        Self(Arc::new(Shared { spec, gate, commands, status, metrics }))
    }

    /// Its name.
    pub fn id(&self) -> &ServiceId {
        &self.0.spec.id
    }

    /// Its description.
    pub fn spec(&self) -> &ServiceSpec {
        &self.0.spec
    }

    /// The way in.
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Its metrics.
    pub fn metrics(&self) -> &Arc<ServiceMetrics> {
        &self.0.metrics
    }

    /// What its supervisor published last.
    pub fn status(&self) -> ServiceStatus {
        self.0.status.borrow().clone()
    }

    /// Asks for a start; does not wait for it.
    pub async fn start(&self) {
        let _gone = self.0.commands.send(Command::Start).await;
    }

    /// Ends what runs and waits for it. The next caller starts it again.
    pub async fn stop(&self) {
        let (done_to, done) = oneshot::channel();
        if self.0.commands.send(Command::Stop(done_to)).await.is_ok() {
            let _late = timeout(STOP_PATIENCE, done).await;
        }
    }

    /// Ends what runs, forgets past failures and starts again; does not wait for it.
    pub async fn restart(&self) {
        let _gone = self.0.commands.send(Command::Restart).await;
    }

    async fn shut_down(&self, grace: Duration) {
        let (done_to, done) = oneshot::channel();
        let order = Command::Shutdown { grace, done: done_to };
        if self.0.commands.send(order).await.is_ok() {
            let _late = timeout(grace + STOP_PATIENCE, done).await;
        }
    }
}

/// Ends all of `services` at the same time and waits for every task they had.
pub(crate) async fn shut_down(services: Vec<Service>, grace: Duration, tracker: TaskTracker) {
    let orders = TaskTracker::new();
    for service in services {
        orders.spawn(async move { service.shut_down(grace).await });
    }
    orders.close();
    orders.wait().await;
    let _late = timeout(STOP_PATIENCE, tracker.wait()).await;
}
