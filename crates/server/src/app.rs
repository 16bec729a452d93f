//! The composition root: services, transports and the rules of the edge, put together.
//!
//! Owns one of each, and nothing else. It must not contain logic of any of them. It exists so that
//! there is exactly one place where the parts meet, and tests can build a whole server.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use standpipe_core::budget::Budget;
use standpipe_core::service::ServiceId;
use standpipe_core::status::Phase;
use standpipe_metrics::Metrics;
use standpipe_process::{Registry, Service};
use standpipe_transport_sse::{SseSettings, SseTransport};
use standpipe_transport_stream::{StreamSettings, StreamTransport};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Settings;
use crate::control::Configured;
use crate::edge::Edge;
use crate::error::AppError;

/// Memory for answers and notifications that no client has read yet, of all streams together.
/// Beyond it callers get 503 in place of further answers.
const UNREAD_ANSWERS: usize = 128 * 1024 * 1024;

/// Everything a request needs.
#[derive(Debug)]
pub struct App {
    /// The services.
    pub registry: Registry,
    /// Streamable HTTP.
    pub stream: StreamTransport,
    /// HTTP+SSE.
    pub sse: SseTransport,
    /// What is checked on every request.
    pub edge: Edge,
    /// How the services were described.
    pub configured: Configured,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// Set when no new requests are wanted.
    draining: AtomicBool,
    /// Set once every service that shall run has run or failed.
    settled: AtomicBool,
    /// Services whose first start `/readyz` waits for.
    awaited: Vec<ServiceId>,
    next_request: AtomicU64,
    unread_bodies: TaskTracker,
}

impl App {
    /// Puts the parts together. `streams` ends all event streams when it is cancelled. `awaited`
    /// are the services that are started by themselves.
    pub fn new(
        settings: &Settings,
        registry: Registry,
        metrics: Arc<Metrics>,
        streams: &CancellationToken,
        awaited: Vec<ServiceId>,
    ) -> Arc<Self> {
        let bodies = Budget::new(settings.body_budget_bytes);
        let answers = Budget::new(UNREAD_ANSWERS);
        let gauge = bodies.clone();
        let weak_metrics = Arc::downgrade(&metrics);
        metrics.before_scrape(move || {
            if let Some(metrics) = weak_metrics.upgrade() {
                metrics.set_body_bytes(gauge.used());
            }
        });
        let stream_settings =
            StreamSettings { session_idle_timeout: settings.tuning.session_idle_timeout() };
        // Ids of requests differ between runs; they are no secret, so any random start will do.
        let first_request = RandomState::new().build_hasher().finish();
        Arc::new(Self {
            configured: Configured::new(settings, &registry),
            registry,
            stream: StreamTransport::new(
                stream_settings,
                streams.clone(),
                bodies.clone(),
                answers.clone(),
            ),
            sse: SseTransport::new(SseSettings::default(), streams.clone(), bodies, answers),
            edge: Edge {
                allow_host: settings.allow_host.clone(),
                allow_origin: settings.allow_origin.clone(),
                local: settings.listen.ip().is_loopback(),
            },
            metrics,
            draining: AtomicBool::new(false),
            settled: AtomicBool::new(awaited.is_empty()),
            awaited,
            next_request: AtomicU64::new(first_request),
            unread_bodies: TaskTracker::new(),
        })
    }

    /// Starts the work that no request does. It ends with the event streams.
    pub fn spawn_background(self: &Arc<Self>, tasks: &TaskTracker) {
        let app = Arc::clone(self);
        tasks.spawn(async move { app.stream.run().await });
        let app = Arc::clone(self);
        tasks.spawn(async move { app.sse.run().await });
    }

    /// The service of this name.
    pub fn service(&self, name: &str) -> Result<Service, AppError> {
        if let Some(service) = self.registry.get_named(name) {
            return Ok(service);
        }
        let id = ServiceId::new(name)?;
        self.registry.get(&id).ok_or(AppError::UnknownService { id })
    }

    /// The only service, where there is exactly one.
    pub fn only_service(&self) -> Result<Service, AppError> {
        self.registry.only().ok_or(AppError::NoOnlyService)
    }

    /// Waits for the end of a service that is known no more, or described otherwise by now, and says
    /// goodbye to the clients of one that nobody succeeds.
    pub async fn see_off(&self, service: &Service) {
        service.ended().await;
        let id = service.id();
        tracing::info!(service = %id, "the service as it was described before has ended");
        if self.registry.find(id).is_none() {
            // Streams without a session, or with one that no process has seen.
            self.stream.end_sessions_of(id.as_str());
            self.sse.end_sessions_of(id.as_str());
        }
    }

    /// From now on requests are refused, but for those that may belong to what is under way.
    pub fn begin_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether a shutdown is under way.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether every service that is started by itself has been ready or has failed once.
    pub fn is_settled(&self) -> bool {
        if self.settled.load(Ordering::Relaxed) {
            return true;
        }
        let settled = self.awaited.iter().all(|id| {
            self.registry.get(id).is_none_or(|service| {
                let status = service.status();
                let under_way = matches!(status.phase, Phase::Idle | Phase::Starting);
                !under_way || status.generation > 1 || status.last_exit.is_some()
            })
        });
        if settled {
            self.settled.store(true, Ordering::Relaxed);
        }
        settled
    }

    /// A number that no other request of this run has.
    pub fn next_request(&self) -> u64 {
        self.next_request.fetch_add(1, Ordering::Relaxed)
    }

    /// Who reads bodies that nobody wanted.
    pub fn unread_bodies(&self) -> &TaskTracker {
        &self.unread_bodies
    }

    /// For a request that begins something.
    pub fn refuse_while_draining(&self) -> Result<(), AppError> {
        if self.is_draining() { Err(AppError::Draining) } else { Ok(()) }
    }
}
