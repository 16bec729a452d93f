//! The stream of one POST: its calls, its events, and whoever reads them now.
//!
//! Owns the receiving ends of the calls' answers. A response only reads from the stream, so that a
//! client that disconnects cancels nothing and may come back (2025-11-25, "Sending Messages to the
//! Server"). Must not know of HTTP.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;
use standpipe_core::connection::{Delivery, Intake, Lagged, Session};
use standpipe_core::fault::Fault;
use standpipe_core::message::{Id, Message, Response};
use standpipe_core::trace::Trace;
use standpipe_metrics::{Dropped, InFlight, Outcome, ServiceMetrics};
use tokio::time::Instant;

use crate::log::{Log, Next};
use crate::refusal::Refusal;
use crate::response;
use crate::session::Record;
use crate::usage::InUse;

/// For how long an answer is kept that nobody fetches.
const UNFETCHED: Duration = Duration::from_mins(1);

/// A request that waits for its answer.
#[derive(Debug)]
pub(crate) struct OpenCall {
    pub(crate) id: Id,
    pub(crate) intake: Intake,
    pub(crate) in_flight: InFlight,
}

/// The open calls of one POST.
#[derive(Debug)]
pub(crate) struct Calls {
    session: Arc<Session>,
    metrics: Arc<ServiceMetrics>,
    open: SmallVec<[OpenCall; 1]>,
    _in_use: InUse,
}

impl Calls {
    /// Calls that were sent on; the session is in use until they were answered.
    pub(crate) fn new(record: &Record, in_use: InUse, open: SmallVec<[OpenCall; 1]>) -> Self {
        Self {
            session: Arc::clone(record.session()),
            metrics: Arc::clone(record.metrics()),
            open,
            _in_use: in_use,
        }
    }

    /// The next message of any of the calls; `None` when all were answered.
    ///
    /// # Errors
    /// When messages were dropped because nobody read.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Delivery>, Lagged>> {
        let mut at = 0;
        while let Some(call) = self.open.get_mut(at) {
            match call.intake.poll_next(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(Err(Lagged)) => {
                    self.metrics.dropped(Dropped::SlowClient, 1);
                    tracing::debug!(
                        session = %self.session.id().short(),
                        service = %self.session.gate().service(),
                        "messages of a call were dropped: its stream is not read fast enough"
                    );
                    return Poll::Ready(Err(Lagged));
                }
                Poll::Ready(Ok(Some(delivery))) => {
                    if delivery.last {
                        let call = self.open.remove(at);
                        call.in_flight.finish(response::outcome(&delivery));
                    }
                    return Poll::Ready(Ok(Some(delivery)));
                }
                Poll::Ready(Ok(None)) => {
                    let call = self.open.remove(at);
                    if call.intake.was_cancelled() {
                        call.in_flight.finish(Outcome::Cancelled);
                        continue;
                    }
                    let refusal = Refusal::unanswered(&self.session);
                    return Poll::Ready(Ok(Some(call.refuse(&refusal))));
                }
            }
        }
        if self.open.is_empty() { Poll::Ready(Ok(None)) } else { Poll::Pending }
    }

    fn forget_lag(&mut self) {
        for call in &mut self.open {
            call.intake.forget_lag();
        }
    }
}

impl OpenCall {
    /// Ends the call with an error of ours.
    fn refuse(self, refusal: &Refusal) -> Delivery {
        self.in_flight.finish(refusal.outcome());
        let outcome = standpipe_core::message::Outcome::Error(refusal.error());
        Delivery {
            message: Message::Response(Response { id: self.id, outcome }),
            last: true,
            fault: match refusal {
                Refusal::Fault(fault) => Some(fault.clone()),
                _ => None,
            },
            permit: None,
            trace: Trace::default(),
        }
    }
}

/// The stream of one POST.
#[derive(Debug)]
pub(crate) struct CallStream {
    number: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` when all were answered.
    calls: Option<Calls>,
    log: Log,
    reader: Reader,
    /// Whether the client knows an id of an event of this stream: it cannot resume without.
    told: bool,
    /// When the last answer came, while nobody read.
    answered: Option<Instant>,
    /// Woken while nobody reads.
    nudge: Option<Waker>,
}

/// Takes in what comes for a stream that nobody reads, so that a call counts as answered when it is and
/// not when somebody looks. It holds the stream weakly: the stream's own intakes hold it.
struct Nudge(Weak<CallStream>);

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        if let Some(stream) = self.0.upgrade() {
            // One that is done with is forgotten by the next look at all of them.
            let _later = stream.tidy(Instant::now());
        }
    }
}

#[derive(Debug, Default)]
struct Reader {
    /// Counts the readers; only the newest reads.
    ticket: u32,
    attached: bool,
    waker: Option<Waker>,
}

/// What a reader finds.
#[derive(Debug)]
pub(crate) enum Found {
    /// An event.
    Event(Next),
    /// Nothing more for this reader.
    End,
}

/// What has become of a stream that nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays.
    Keep,
    /// Nobody will come for it.
    Drop,
}

impl CallStream {
    /// A stream that nobody reads yet.
    pub(crate) fn new(number: u32, calls: Calls, log: Log) -> Self {
        let state = Mutex::new(State {
            calls: Some(calls),
            log,
            reader: Reader::default(),
            told: false,
            answered: None,
            nudge: None,
        });
        Self { number, state }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Puts messages on the stream that came before there was one.
    pub(crate) fn begin_with(&self, errors: Vec<Bytes>, deliveries: SmallVec<[Delivery; 1]>) {
        let mut state = self.lock();
        for error in errors {
            state.log.put_by_text(error);
        }
        for delivery in deliveries {
            state.log.put_by(delivery);
        }
    }

    /// Makes the caller the reader; whoever read before is shown the end. `told` says that the
    /// client knows an event id already.
    pub(crate) fn attach(&self, told: bool) -> u32 {
        let mut state = self.lock();
        state.told |= told;
        if let Some(calls) = &mut state.calls {
            calls.forget_lag();
        }
        state.answered = None;
        let reader = &mut state.reader;
        reader.ticket += 1;
        reader.attached = true;
        let ticket = reader.ticket;
        let before = reader.waker.take();
        drop(state);
        before.inspect(Waker::wake_by_ref);
        ticket
    }

    /// The number of the newest event.
    pub(crate) fn newest(&self) -> u32 {
        self.lock().log.newest()
    }

    /// The event after the one numbered `seen`, for the reader with this ticket.
    pub(crate) fn poll_event(&self, ticket: u32, seen: u32, cx: &mut Context<'_>) -> Poll<Found> {
        let mut state = self.lock();
        let state = &mut *state;
        if state.reader.ticket != ticket {
            return Poll::Ready(Found::End);
        }
        if let Some(next) = state.log.after(seen) {
            state.told = true;
            return Poll::Ready(Found::Event(next));
        }
        loop {
            let Some(calls) = &mut state.calls else {
                return Poll::Ready(Found::End);
            };
            match calls.poll_next(cx) {
                Poll::Ready(Ok(Some(delivery))) => {
                    state.told = true;
                    return Poll::Ready(Found::Event(state.log.send(delivery)));
                }
                Poll::Ready(Ok(None)) => state.calls = None,
                // The client reads too slowly. Its connection ends; it may fetch what is left with
                // the id it has. Without one, what is left is all it can get.
                Poll::Ready(Err(Lagged)) if state.told => return Poll::Ready(Found::End),
                Poll::Ready(Err(Lagged)) => {}
                Poll::Pending => {
                    state.reader.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }

    /// The reader with this ticket, which has been given everything up to `seen`, goes.
    pub(crate) fn detach(&self, ticket: u32, seen: u32) -> Fate {
        let mut state = self.lock();
        if state.reader.ticket != ticket {
            return Fate::Keep;
        }
        state.reader.attached = false;
        state.reader.waker = None;
        if state.calls.is_some() {
            return Fate::Keep;
        }
        if seen >= state.log.newest() || !state.told {
            return Fate::Drop;
        }
        state.answered = Some(Instant::now());
        Fate::Keep
    }

    /// Takes in what has come for a stream that nobody reads, and from now on what comes.
    pub(crate) fn tidy(self: &Arc<Self>, now: Instant) -> Fate {
        let mut state = self.lock();
        let state = &mut *state;
        if state.reader.attached {
            return Fate::Keep;
        }
        let nudge = || Waker::from(Arc::new(Nudge(Arc::downgrade(self))));
        let mut cx = Context::from_waker(state.nudge.get_or_insert_with(nudge));
        while let Some(calls) = &mut state.calls {
            match calls.poll_next(&mut cx) {
                Poll::Pending => return Fate::Keep,
                Poll::Ready(Ok(Some(delivery))) if state.told => state.log.put_by(delivery),
                Poll::Ready(Ok(Some(_)) | Err(Lagged)) => {}
                Poll::Ready(Ok(None)) => state.calls = None,
            }
        }
        let answered = *state.answered.get_or_insert(now);
        if !state.told || now.saturating_duration_since(answered) >= UNFETCHED {
            return Fate::Drop;
        }
        Fate::Keep
    }

    /// Whether nobody reads it.
    pub(crate) fn is_detached(&self) -> bool {
        !self.lock().reader.attached
    }

    /// Ends all that is still open, because of `fault`.
    pub(crate) fn give_up(&self, fault: &Fault) {
        let mut state = self.lock();
        let Some(calls) = state.calls.take() else {
            return;
        };
        let refusal = Refusal::Fault(fault.clone());
        for call in calls.open {
            state.log.put_by(call.refuse(&refusal));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
