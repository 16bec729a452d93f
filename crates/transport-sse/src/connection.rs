//! One client: its event stream, the session on it, the calls that wait for their answers.
//!
//! Owns the order of things in a session's life (2024-11-05, "Lifecycle") and its end. Must not know
//! how events or requests look on the wire.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use standpipe_core::connection::{Delivery, Outlet, Session};
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::id::SessionId;
use standpipe_core::message::{Id, Message, Outcome as Ending};
use standpipe_metrics::{OpenSession, Outcome, ServiceMetrics, Wire};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::calls::{Calls, outcome};

/// One client of one service. Lives in the transport's table for as long as its stream is open.
#[derive(Debug)]
pub(crate) struct Connection {
    /// What the message endpoint calls it. The session behind it has an id of its own, which its
    /// client never learns.
    pub(crate) id: SessionId,
    /// The service, as in the route.
    pub(crate) service: Arc<str>,
    metrics: Arc<ServiceMetrics>,
    /// The one stream: for answers, questions and notifications.
    pub(crate) outlet: Outlet,
    /// Fires when the stream has to end, for whatever reason.
    pub(crate) over: CancellationToken,
    since: Instant,
    /// Milliseconds after `since` at which the stream was last read.
    read_at: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    calls: Calls,
}

#[derive(Debug, Default)]
enum Phase {
    /// The stream is open, nobody has introduced himself.
    #[default]
    Fresh,
    /// `initialize` is on its way; its answer opens the session or does not.
    Opening {
        id: Id,
        session: Arc<Session>,
    },
    Open {
        session: Arc<Session>,
        _counted: OpenSession,
    },
    Over,
}

/// Why a session can't be used, or not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PhaseError {
    /// Nothing but `initialize` and `ping` may come first.
    #[error("the session is not initialized; send `initialize` first")]
    Fresh,
    /// `initialize` has no answer yet.
    #[error("`initialize` has not been answered yet; wait for its result on the event stream")]
    Opening,
    /// A second `initialize`.
    #[error("the session is initialized already; open another event stream for another session")]
    Open,
    /// The stream has ended.
    #[error("the session is over; open a new event stream and initialize again")]
    Over,
}

impl Connection {
    /// A client whose stream was just opened; it ends with `shutdown` at the latest.
    pub(crate) fn new(
        service: &Arc<str>,
        metrics: &Arc<ServiceMetrics>,
        outlet: Outlet,
        shutdown: &CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: SessionId::random(),
            service: Arc::clone(service),
            metrics: Arc::clone(metrics),
            outlet,
            over: shutdown.child_token(),
            since: Instant::now(),
            read_at: AtomicU64::new(0),
            state: Mutex::default(),
        })
    }

    /// The session.
    ///
    /// # Errors
    /// When there is none yet, or no more.
    pub(crate) fn session(&self) -> Result<Arc<Session>, PhaseError> {
        if self.over.is_cancelled() {
            // What would be answered now might miss the stream's end.
            return Err(PhaseError::Over);
        }
        match &self.state().phase {
            Phase::Fresh => Err(PhaseError::Fresh),
            Phase::Opening { .. } => Err(PhaseError::Opening),
            Phase::Open { session, .. } => Ok(Arc::clone(session)),
            Phase::Over => Err(PhaseError::Over),
        }
    }

    /// Begins to open `session`; the answer to the request `id` will say whether that works.
    ///
    /// # Errors
    /// When there is a session already, or one is being opened.
    pub(crate) fn begin(&self, id: &Id, session: &Arc<Session>) -> Result<(), PhaseError> {
        let mut state = self.state();
        match state.phase {
            Phase::Fresh => {}
            Phase::Opening { .. } => return Err(PhaseError::Opening),
            Phase::Open { .. } => return Err(PhaseError::Open),
            Phase::Over => return Err(PhaseError::Over),
        }
        state.phase = Phase::Opening { id: id.clone(), session: Arc::clone(session) };
        // Its stream is open by nature: a session that can't be reached has ended.
        session.stream_opened();
        // Not bounded: a session is opened once at a time.
        state.calls.opened(id, self.metrics.in_flight(Wire::Sse, Instant::now()));
        Ok(())
    }

    /// Enters a call that will be answered on the stream.
    ///
    /// # Errors
    /// When the session has as many open calls as it may.
    pub(crate) fn open_call(&self, id: &Id) -> Result<(), Fault> {
        let mut state = self.state();
        if state.calls.is_full() {
            return Err(Fault::new(&self.service, FaultKind::Overloaded));
        }
        state.calls.opened(id, self.metrics.in_flight(Wire::Sse, Instant::now()));
        Ok(())
    }

    /// Ends a call that gets no answer on the stream.
    pub(crate) fn end_call(&self, id: &Id, outcome: Outcome) {
        self.state().calls.ended(id, outcome);
    }

    /// The client does not want the answer to this call any more; none may come.
    pub(crate) fn withdraw_call(&self, id: &Id) {
        self.state().calls.withdrawn(id);
    }

    /// Puts an answer of ours on the stream. It ends its call, and an opening session, when it is
    /// read.
    ///
    /// # Errors
    /// When the stream takes nothing any more.
    pub(crate) fn answer(&self, message: Message, fault: Option<Fault>) -> Result<(), PhaseError> {
        self.outlet.answer(message, fault).map_err(|_| PhaseError::Over)
    }

    /// Takes note of what is being written to the stream: an answer ends its call, and the answer
    /// to `initialize` opens the session before the client can know it.
    pub(crate) fn note(&self, delivery: &Delivery) {
        let Message::Response(response) = &delivery.message else {
            return;
        };
        if !delivery.last {
            return;
        }
        let mut state = self.state();
        state.calls.ended(&response.id, outcome(delivery));
        let Phase::Opening { id, session } = &state.phase else {
            return;
        };
        if *id != response.id {
            return;
        }
        let session = Arc::clone(session);
        if matches!(response.outcome, Ending::Result(_)) {
            tracing::debug!(service = %self.service, session = %self.id.short(), "session opened");
            state.phase = Phase::Open { session, _counted: self.metrics.open_session(Wire::Sse) };
        } else {
            state.phase = Phase::Fresh;
            drop(state);
            close(&session);
        }
    }

    /// Whether the session was ended by the service's side.
    pub(crate) fn was_left(&self) -> bool {
        matches!(&self.state().phase, Phase::Open { session, .. } if session.is_over())
    }

    /// The stream is being read now.
    pub(crate) fn read(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.read_at.store(now, Ordering::Relaxed);
    }

    /// How long the stream has not been read.
    pub(crate) fn unread_for(&self) -> Duration {
        let read_at = Duration::from_millis(self.read_at.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(read_at)
    }

    /// Ends the session and its stream. What is open is cancelled.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        let phase = std::mem::replace(&mut state.phase, Phase::Over);
        drop(state);
        if let Phase::Opening { session, .. } | Phase::Open { session, .. } = &phase {
            close(session);
        }
        // Only now: who wakes up by this finds the session over.
        self.over.cancel();
    }

    /// How many calls are open.
    #[cfg(test)]
    pub(crate) fn open_calls(&self) -> usize {
        self.state().calls.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close(session: &Arc<Session>) {
    session.stream_closed();
    session.end();
}
