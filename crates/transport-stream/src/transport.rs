//! The transport as the server sees it: [`StreamTransport`].
//!
//! Owns the table of sessions, that of parked calls, the budgets, and the work that no request does:
//! reclaiming sessions that nobody uses. Must not know the rules of any one era.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use standpipe_core::budget::Budget;
use standpipe_core::connection::{Gate, Intake, Outlet, OutletLimits, outlet};
use standpipe_metrics::ServiceMetrics;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::headers::{self, Claim};
use crate::modern::{ParkedCalls, Tools};
use crate::patience::Patience;
use crate::response::StreamBody;
use crate::sessions::Sessions;
use crate::{legacy, modern};

/// Memory for events that were sent and may have to be sent again, of all streams together, in
/// bytes. When it is used up events are still delivered, but not kept: a stream that breaks then
/// loses what had been sent into the broken connection.
const REPLAY_BYTES: usize = 64 * 1024 * 1024;

/// How often, at most and at least, the table of sessions is looked through.
const TIDY_BETWEEN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What an operator may choose.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// A session that nobody has used for this long is ended. One with an open stream or an open
    /// call is in use.
    pub session_idle_timeout: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self { session_idle_timeout: Duration::from_mins(30) }
    }
}

/// The service that a request is for.
#[derive(Debug, Clone)]
pub struct Route {
    /// The way in.
    pub gate: Gate,
    /// Where it is counted.
    pub metrics: Arc<ServiceMetrics>,
}

/// Streamable HTTP for any number of services.
#[derive(Debug)]
pub struct StreamTransport {
    settings: StreamSettings,
    shutdown: CancellationToken,
    bodies: Budget,
    answers: Budget,
    replay: Budget,
    sessions: Sessions,
    parked: Arc<ParkedCalls>,
    tools: Tools,
    patience: Patience,
}

impl StreamTransport {
    /// A transport without sessions.
    ///
    /// When `shutdown` is cancelled all streams end, after what is queued was sent, and what is
    /// still unanswered is answered with an error. `bodies` is the memory for request bodies, and
    /// `answers` that for messages no client has read yet.
    pub fn new(
        settings: StreamSettings,
        shutdown: CancellationToken,
        bodies: Budget,
        answers: Budget,
    ) -> Self {
        Self {
            settings,
            shutdown,
            bodies,
            answers,
            replay: Budget::new(REPLAY_BYTES),
            sessions: Sessions::default(),
            parked: Arc::default(),
            tools: Tools::default(),
            patience: Patience::default(),
        }
    }

    /// Serves one request to a service's MCP endpoint. It always comes to an answer; when the
    /// future is dropped, because the client went away, a call that is under way goes on.
    ///
    /// The request is lent: handed down by value it would be part of every future on its way. What
    /// is left of it afterwards is of no use.
    pub async fn handle<B>(&self, route: &Route, request: &mut Request<B>) -> Response<StreamBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        match headers::claim(request.headers()) {
            Claim::Legacy(version) => legacy::handle(self, route, version, request).await,
            // Boxed: a connection has room for the largest future of all, for as long as it lives.
            Claim::Modern => Box::pin(modern::handle(self, route, request)).await,
            Claim::Unclear(refusal) => {
                Box::pin(modern::unclear(self, route, refusal, request)).await
            }
        }
    }

    /// Ends sessions that nobody uses, calls that nobody carries on, and drops answers that nobody
    /// fetches, until shutdown. To be spawned once.
    pub async fn run(&self) {
        let (shortest, longest) = TIDY_BETWEEN;
        let idle = self.settings.session_idle_timeout;
        let mut ticks = interval((idle / 4).clamp(shortest, longest));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(_tick) = self.shutdown.run_until_cancelled(ticks.tick()).await {
            self.sessions.tidy(Instant::now(), idle);
            self.parked.sweep(Instant::now());
        }
    }

    /// How many sessions there are, of all services.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many sessions one service has.
    pub fn sessions_of(&self, service: &str) -> usize {
        self.sessions.count_of(service)
    }

    /// Ends the sessions of a service that is no more, and its calls that wait to be carried on.
    pub fn end_sessions_of(&self, service: &str) {
        self.sessions.end_of(service);
        self.parked.end_of(service);
        self.tools.forget(service);
    }

    /// How many calls wait for their modern clients to call again, of all services.
    pub fn parked_calls(&self) -> usize {
        self.parked.len()
    }

    pub(crate) fn parked(&self) -> &Arc<ParkedCalls> {
        &self.parked
    }

    pub(crate) fn tools(&self) -> &Tools {
        &self.tools
    }

    /// For how long answers are waited for before a stream is opened.
    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    pub(crate) fn table(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    pub(crate) fn bodies(&self) -> &Budget {
        &self.bodies
    }

    pub(crate) fn replay(&self) -> &Budget {
        &self.replay
    }

    pub(crate) fn answers(&self) -> &Budget {
        &self.answers
    }

    pub(crate) fn outlet(&self) -> (Outlet, Intake) {
        outlet(OutletLimits::new(self.answers.clone()))
    }
}
