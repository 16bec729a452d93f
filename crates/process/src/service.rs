//! The handle of a service that everyone but its supervisor holds.
//!
//! Owns nothing; cheap to clone. Must not decide anything: it passes orders on and reads what the
//! supervisor has published.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use standpipe_core::connection::Gate;
use standpipe_core::service::{ServiceId, ServiceSpec};
use standpipe_core::status::{Phase, ServiceStatus};
use standpipe_metrics::ServiceMetrics;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::cache::ConfigSource;
use crate::journal::{Journal, LogFollower, LogLine};
use crate::published::Published;
use crate::supervisor::Command;

/// A stop that takes longer than this is left to go on by itself: the ladder of a child is bounded,
/// and this is well beyond it.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// A supervisor that takes longer to see to an order is not waited for.
const HEED_PATIENCE: Duration = Duration::from_secs(1);

/// So long it is remembered that, or whether, a service answers.
const HEALTH_CACHE: Duration = Duration::from_secs(5);

/// A service.
#[derive(Debug, Clone)]
pub struct Service(Arc<Shared>);

/// What a service's handle is made of.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) spec: Arc<ServiceSpec>,
    pub(crate) source: ConfigSource,
    pub(crate) gate: Gate,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) published: watch::Receiver<Published>,
    pub(crate) metrics: Arc<ServiceMetrics>,
    pub(crate) journal: Arc<Journal>,
    /// Its process was stopped, and nobody has asked for it since.
    pub(crate) rests: Arc<AtomicBool>,
}

impl Service {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Its name.
    pub fn id(&self) -> &ServiceId {
        &self.0.spec.id
    }

    /// Its description.
    pub fn spec(&self) -> &ServiceSpec {
        &self.0.spec
    }

    pub(crate) fn shared_spec(&self) -> &Arc<ServiceSpec> {
        &self.0.spec
    }

    /// Where its description comes from.
    pub fn source(&self) -> ConfigSource {
        self.0.source
    }

    /// How many processes it has had so far.
    pub(crate) fn processes(&self) -> u64 {
        self.0.published.borrow().status.generation
    }

    /// Whether both are handles of the very same service, not only of one of the same name.
    pub fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether its process was stopped and nobody has asked for it since; says so once.
    pub(crate) fn wakes(&self) -> bool {
        // The first look is for the many requests that meet a running service.
        self.0.rests.load(Ordering::Relaxed) && self.0.rests.swap(false, Ordering::Relaxed)
    }

    /// The way in.
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Its metrics.
    pub fn metrics(&self) -> &Arc<ServiceMetrics> {
        &self.0.metrics
    }

    pub(crate) fn journal(&self) -> &Arc<Journal> {
        &self.0.journal
    }

    /// The last `most` lines that its processes wrote to their stderr, oldest first. A server may well
    /// print a secret: show them only to those who may know it.
    pub fn logs(&self, most: usize) -> Vec<LogLine> {
        self.0.journal.last(most)
    }

    /// Reads those lines as they come, beginning with the last `most` that are there. What replaces the
    /// service writes on under the same numbers.
    pub fn follow_logs(&self, most: usize) -> LogFollower {
        LogFollower::new(Arc::clone(&self.0.journal), most)
    }

    /// Whether both have their logs in common: the one replaced the other, or both are the same.
    pub fn logs_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.journal, &other.0.journal)
    }

    /// How it is now. Changes nothing and waits for nobody.
    pub fn status(&self) -> ServiceStatus {
        self.0.published.borrow().snapshot()
    }

    /// For somebody who asks how a serving service is: what is known is fresh enough for five
    /// seconds, which is counted; else the service is probed, as far as it is unused. What comes of
    /// that is in the status then. Does not wait.
    pub fn check_health(&self) {
        let verdict_at = {
            let published = self.0.published.borrow();
            if published.status.phase != Phase::Ready || self.0.spec.probe.interval.is_none() {
                return;
            }
            published.verdict_at()
        };
        if verdict_at.is_some_and(|at| at.elapsed() <= HEALTH_CACHE) {
            self.0.metrics.health_cache_hit();
        } else {
            // When so many orders wait, one more would not be seen to any sooner.
            let _full = self.0.commands.try_send(Command::Probe);
        }
    }

    /// Waits until the service has ended for good and none of its processes is left. Cancel safe.
    pub async fn ended(&self) {
        let mut published = self.0.published.clone();
        let is_over = |now: &Published| now.status.phase == Phase::Stopped;
        // An error: its supervisor is gone, which comes to the same.
        let _gone = published.wait_for(is_over).await;
    }

    /// Asks for a start, and returns when that is under way, or refused.
    pub async fn start(&self) {
        self.order(Command::Start).await;
    }

    /// Ends what runs and waits for it. The next caller starts it again.
    pub async fn stop(&self) {
        let (done_to, done) = oneshot::channel();
        if self.0.commands.send(Command::Stop(done_to)).await.is_ok() {
            let _late = timeout(STOP_PATIENCE, done).await;
        }
    }

    /// Ends what runs, forgets past failures and starts again; returns when that is under way.
    pub async fn restart(&self) {
        self.order(Command::Restart).await;
    }

    /// Passes an order on, and waits until the status shows it, so that who asks next sees it. What
    /// happens at the same moment may be taken for that; it is for the eye only.
    async fn order(&self, order: Command) {
        let mut published = self.0.published.clone();
        published.mark_unchanged();
        if self.0.commands.send(order).await.is_ok() {
            let _late = timeout(HEED_PATIENCE, published.changed()).await;
        }
    }

    /// Ends it for good after its calls have had `grace` to end; in less when `hurry` says so.
    pub(crate) async fn leave(self, grace: Duration, mut hurry: watch::Receiver<Option<Duration>>) {
        let (done_to, done) = oneshot::channel();
        if self.0.commands.send(Command::Leave { grace, done: done_to }).await.is_err() {
            return;
        }
        let less = tokio::select! {
            _ = done => return,
            less = hurry.wait_for(Option::is_some) => less.map_or(None, |less| *less),
        };
        self.shut_down(less.unwrap_or_default()).await;
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
/// Services that left the table before are waited for as well.
pub(crate) async fn shut_down(services: Vec<Service>, grace: Duration, tracker: TaskTracker) {
    let orders = TaskTracker::new();
    for service in services {
        orders.spawn(async move { service.shut_down(grace).await });
    }
    orders.close();
    orders.wait().await;
    let _late = timeout(grace + STOP_PATIENCE, tracker.wait()).await;
}
