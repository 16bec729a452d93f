//! The two endpoints: the event stream, and the place where messages are posted.
//!
//! Owns the table of open streams and what becomes of each message. Must not know of processes,
//! configuration or paths: those come with each request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use http::{Method, Request as HttpRequest, Response as HttpResponse};
use http_body::Body;
use rustc_hash::FxBuildHasher;
use standpipe_core::budget::Budget;
use standpipe_core::connection::{Gate, OutletLimits, outlet};
use standpipe_core::id::SessionId;
use standpipe_core::message::{Id, Incoming, Message, parse_body};
use standpipe_core::trace;
use standpipe_metrics::{ServiceMetrics, Wire};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::body;
use crate::connection::Connection;
use crate::dispatch::dispatch;
use crate::events::Events;
use crate::headers;
use crate::refusal::Refusal;
use crate::response::{self, SseBody};

/// How often the table is searched for streams that nobody reads.
const SWEEP: Duration = Duration::from_secs(15);

/// What can be set.
#[derive(Debug, Clone)]
pub struct SseSettings {
    /// Streams that may be open at a time, over all services; more are refused with 503.
    pub max_streams: usize,
    /// A stream on which nothing was written for this long gets a comment.
    pub keep_alive: Duration,
    /// A stream from which the client has not read for this long is over. A living client shows
    /// at every keep-alive.
    pub stalled_after: Duration,
}

impl Default for SseSettings {
    fn default() -> Self {
        Self {
            max_streams: 10_000,
            keep_alive: Duration::from_secs(15),
            stalled_after: Duration::from_mins(2),
        }
    }
}

/// The service that an HTTP request is for.
#[derive(Debug, Clone)]
pub struct Route {
    /// The way in.
    pub gate: Gate,
    /// Where it is counted.
    pub metrics: Arc<ServiceMetrics>,
}

/// HTTP+SSE for any number of services. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SseTransport(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: SseSettings,
    shutdown: CancellationToken,
    bodies: Budget,
    answers: Budget,
    /// Their ids are random, and ours.
    connections: DashMap<SessionId, Arc<Connection>, FxBuildHasher>,
    taken: AtomicUsize,
}

/// One open stream's place in the table.
#[derive(Debug)]
pub(crate) struct Seat {
    table: Arc<Inner>,
    id: SessionId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.table.connections.remove(&self.id);
        self.table.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SseTransport {
    /// A transport whose request bodies draw on `bodies` and whose unread messages draw on
    /// `answers`. All its streams end, after what is queued, when `shutdown` fires.
    pub fn new(
        settings: SseSettings,
        shutdown: CancellationToken,
        bodies: Budget,
        answers: Budget,
    ) -> Self {
        Self(Arc::new(Inner {
            settings,
            shutdown,
            bodies,
            answers,
            connections: DashMap::default(),
            taken: AtomicUsize::new(0),
        }))
    }

    /// Serves a request to the event stream's endpoint. `message_path` is the path, as the client
    /// has to use it, at which [`message`](Self::message) serves the same service.
    pub fn open<B>(
        &self,
        route: &Route,
        message_path: &str,
        request: &HttpRequest<B>,
    ) -> HttpResponse<SseBody> {
        match self.stream(route, message_path, request) {
            Ok(events) => response::stream(events),
            Err(refusal) => {
                tracing::debug!(service = %route.gate.service(), "event stream refused: {refusal}");
                refusal.into_response(None)
            }
        }
    }

    /// Serves a request to the message endpoint. Returns once the message was handed to the
    /// service, which may include its start. The request is lent; what is left of it is of no use.
    pub async fn message<B>(
        &self,
        route: &Route,
        request: &mut HttpRequest<B>,
    ) -> HttpResponse<SseBody>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let since = Instant::now();
        let mut id = None;
        match self.take_in(route, request, &mut id).await {
            Ok(()) => response::accepted(),
            Err(refusal) => {
                tracing::debug!(service = %route.gate.service(), "message refused: {refusal}");
                if let Some(outcome) = refusal.outcome() {
                    route.metrics.request(Wire::Sse, outcome, since.elapsed());
                }
                refusal.into_response(id)
            }
        }
    }

    /// Ends the sessions of clients that do not read their streams, until the shutdown token fires.
    /// A client that is merely gone is noticed without this, by its connection's end.
    pub async fn run(&self) {
        let mut ticks = interval(SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.0.shutdown.cancelled() => return,
            }
            let limit = self.0.settings.stalled_after;
            self.end_where(|connection| connection.unread_for() > limit);
        }
    }

    /// Open streams.
    pub fn streams(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Open streams of one service.
    pub fn streams_of(&self, service: &str) -> usize {
        let connections = self.0.connections.iter();
        connections.filter(|connection| &*connection.service == service).count()
    }

    /// Ends all sessions of one service, as when it is removed. Their streams end after what is
    /// queued on them.
    pub fn end_sessions_of(&self, service: &str) {
        self.end_where(|connection| &*connection.service == service);
    }

    fn end_where(&self, which: impl Fn(&Connection) -> bool) {
        // Ended outside the table's locks: the end of a session tells instances, and wakes tasks.
        let ending: Vec<Arc<Connection>> = self
            .0
            .connections
            .iter()
            .filter(|connection| which(connection))
            .map(|connection| Arc::clone(&connection))
            .collect();
        for connection in ending {
            // Its seat stays taken until the response is gone: so much memory is still in use.
            self.0.connections.remove(&connection.id);
            connection.end();
        }
    }

    fn stream<B>(
        &self,
        route: &Route,
        message_path: &str,
        request: &HttpRequest<B>,
    ) -> Result<Events, Refusal> {
        check_method(request.method(), &Method::GET, "GET")?;
        if !headers::accepts_event_stream(request.headers()) {
            return Err(Refusal::NotAcceptable);
        }
        let inner = &self.0;
        if inner.shutdown.is_cancelled() {
            return Err(Refusal::ShuttingDown);
        }
        let limit = inner.settings.max_streams;
        let seats = |taken: usize| (taken < limit).then_some(taken + 1);
        if inner.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, seats).is_err() {
            return Err(Refusal::TooManyStreams { limit });
        }
        let (outlet, intake) = outlet(OutletLimits::new(inner.answers.clone()));
        let service = route.gate.service();
        let connection = Connection::new(service, &route.metrics, outlet, &inner.shutdown);
        name_session(&connection);
        let seat = Seat { table: Arc::clone(inner), id: connection.id };
        inner.connections.insert(connection.id, Arc::clone(&connection));
        tracing::debug!(%service, session = %connection.id.short(), "event stream opened");
        Ok(Events::new(
            connection,
            intake,
            message_path,
            inner.settings.keep_alive,
            seat,
            route.metrics.open_stream(Wire::Sse),
        ))
    }

    /// Takes a message in. `id` is set as soon as it is known, for a refusal to carry it.
    async fn take_in<B>(
        &self,
        route: &Route,
        request: &mut HttpRequest<B>,
        id: &mut Option<Id>,
    ) -> Result<(), Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        check_method(request.method(), &Method::POST, "POST")?;
        let limit = route.gate.settings().max_message_bytes;
        let is_json = headers::is_json(request.headers());
        let body = Pin::new(request.body_mut());
        if !is_json {
            *id = Box::pin(body::peek_id(body, limit, &self.0.bodies)).await;
            return Err(Refusal::ContentType);
        }
        let (text, permit) =
            body::read(body, limit, &self.0.bodies).await.map_err(Refusal::Body)?;
        let parsed = parse_body(&text);
        *id = match &parsed {
            Ok(Incoming::Single(Message::Request(request))) => Some(request.id.clone()),
            Err(rejected) => rejected.id.clone(),
            Ok(_) => None,
        };
        if let Ok(Incoming::Single(message)) = &parsed {
            trace::message(message);
        }
        let connection = self.find(route, headers::session(request.uri()))?;
        name_session(&connection);
        match parsed.map_err(Refusal::Envelope)? {
            Incoming::Batch(_) => Err(Refusal::Batch),
            Incoming::Single(message) => dispatch(route, &connection, message, permit).await,
        }
    }

    fn find(&self, route: &Route, id: Option<&str>) -> Result<Arc<Connection>, Refusal> {
        let id = id.ok_or(Refusal::SessionMissing)?;
        id.parse::<SessionId>()
            .ok()
            .and_then(|id| self.0.connections.get(&id).map(|found| Arc::clone(&found)))
            .filter(|connection| connection.service == *route.gate.service())
            .ok_or(Refusal::SessionUnknown)
    }

    #[cfg(test)]
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        let connections = self.0.connections.iter();
        connections.map(|found| Arc::clone(&found)).collect()
    }
}

/// Names the session in the request's trace and on its log lines: shortened, for the whole id is a
/// credential.
fn name_session(connection: &Connection) {
    let version = connection.session().map(|session| session.profile().version);
    trace::session(connection.id, version.ok());
}

fn check_method(found: &Method, wanted: &Method, allowed: &'static str) -> Result<(), Refusal> {
    if found == wanted {
        return Ok(());
    }
    let found = found.clone();
    Err(Refusal::Method { found, allowed })
}
