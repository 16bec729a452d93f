//! One stream of messages towards a client.
//!
//! Owns the queue between the task that reads a child and the response that a client reads, and
//! what happens when the client does not read. Must not know of event streams or HTTP.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::budget::{Budget, Permit};
use crate::fault::Fault;
use crate::message::Message;
use crate::trace::{Stage, Trace};

/// How much one stream may hold unread.
#[derive(Debug, Clone)]
pub struct OutletLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes. A single message may be longer than this when nothing else is queued.
    pub bytes: usize,
    /// What all streams of the process draw on.
    pub budget: Budget,
}

impl OutletLimits {
    /// Messages one stream may hold unread.
    pub const MESSAGES: usize = 4096;
    /// Bytes one stream may hold unread: 1 MiB.
    pub const BYTES: usize = 1024 * 1024;

    /// The defaults, drawing on `budget`.
    pub fn new(budget: Budget) -> Self {
        Self { messages: Self::MESSAGES, bytes: Self::BYTES, budget }
    }
}

/// A message on its way to a client.
#[derive(Debug)]
pub struct Delivery {
    /// What to write.
    pub message: Message,
    /// Whether this is the answer to a request of the client.
    pub last: bool,
    /// When the answer is an error of ours: why, for the HTTP status.
    pub fault: Option<Fault>,
    /// Held until the bytes have left the process.
    pub permit: Option<Permit>,
    /// The trace of the request that this answers; likewise.
    pub trace: Trace,
}

/// Why a message was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// Nobody will ever read it.
    #[error("the stream is closed")]
    Closed,
    /// The reader is too slow: its stream was cut, what it had not read is gone.
    #[error("the reader of the stream does not keep up")]
    Lagged,
    /// All streams together hold as much as they may.
    #[error("too many unread messages are held")]
    Exhausted,
}

/// The reader was too slow; messages are missing from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("messages were dropped because the stream was not read")]
pub struct Lagged;

/// The writing end of a stream. Cheap to clone; the stream ends when the last clone is dropped.
#[derive(Debug)]
pub struct Outlet(Arc<Shared>);

/// The reading end of a stream. Dropping it closes the stream.
#[derive(Debug)]
pub struct Intake(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: OutletLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Delivery>,
    /// What is queued that is not an answer: how many, and how many bytes.
    messages: usize,
    bytes: usize,
    lagged: bool,
    writers: usize,
    /// Closed by its reader.
    closed: bool,
    /// Ended by its writer, without an answer.
    ended: bool,
    reader: Option<Waker>,
}

/// Makes a stream.
pub fn outlet(limits: OutletLimits) -> (Outlet, Intake) {
    let state = Mutex::new(State { writers: 1, ..State::default() });
    let shared = Arc::new(Shared { limits, state });
    (Outlet(Arc::clone(&shared)), Intake(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(
        &self,
        message: Message,
        last: bool,
        fault: Option<Fault>,
        trace: Trace,
    ) -> Result<(), Undelivered> {
        let weight = message.weight();
        let mut state = self.lock();
        if state.closed {
            return Err(Undelivered::Closed);
        }
        // An answer is always worth its place: it is what the client waits for, and there is one.
        // Nor does it take the place of anything else: a long one is no sign of a slow reader.
        let room = last
            || (state.messages < self.limits.messages
                && (state.messages == 0 || state.bytes + weight <= self.limits.bytes));
        if !room {
            state.drop_unread();
            state.lagged = true;
            let reader = state.reader.take();
            drop(state);
            reader.inspect(Waker::wake_by_ref);
            return Err(Undelivered::Lagged);
        }
        let permit = self.limits.budget.take(weight);
        // An error of ours in place of an answer is short, and there is one for each open call: it
        // has to reach the client even, and above all, when nothing else can be held.
        let owed = last && fault.is_some();
        if permit.is_none() && !owed {
            return Err(Undelivered::Exhausted);
        }
        if !last {
            state.messages += 1;
            state.bytes += weight;
        }
        if state.queue.capacity() == 0 {
            // Mostly there is one message, the answer.
            state.queue.reserve_exact(1);
        }
        state.queue.push_back(Delivery { message, last, fault, permit, trace });
        let reader = state.reader.take();
        drop(state);
        reader.inspect(Waker::wake_by_ref);
        Ok(())
    }
}

impl State {
    /// Forgets what can be forgotten: everything but answers.
    fn drop_unread(&mut self) {
        self.queue.retain(|delivery| delivery.last);
        self.messages = 0;
        self.bytes = 0;
    }
}

impl Outlet {
    /// Queues a message that is not an answer.
    ///
    /// # Errors
    /// When nobody reads, now or ever; the message is gone.
    pub fn deliver(&self, message: Message) -> Result<(), Undelivered> {
        self.0.push(message, false, None, Trace::default())
    }

    /// Queues a notification unless one of the same method is still unread: for those that only
    /// say "look again".
    ///
    /// # Errors
    /// As [`deliver`](Self::deliver).
    pub fn deliver_once(&self, message: Message) -> Result<(), Undelivered> {
        if let Message::Notification(new) = &message {
            let state = self.0.lock();
            let same = |queued: &Delivery| matches!(&queued.message, Message::Notification(old) if old.method == new.method);
            if state.queue.iter().any(same) {
                return Ok(());
            }
        }
        self.deliver(message)
    }

    /// Queues the answer to a request of the client.
    ///
    /// # Errors
    /// When nobody reads any more, or when too much is held in all.
    pub fn answer(&self, message: Message, fault: Option<Fault>) -> Result<(), Undelivered> {
        self.0.push(message, true, fault, Trace::default())
    }

    /// As [`answer`](Self::answer), for a request that may be traced.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn answer_traced(
        &self,
        message: Message,
        fault: Option<Fault>,
        trace: &Trace,
    ) -> Result<(), Undelivered> {
        trace.answered(&message);
        trace.enter(Stage::Write);
        self.0.push(message, true, fault, trace.clone())
    }

    /// Ends the stream although its request has no answer and gets none: it was cancelled by the
    /// client that made it.
    pub fn end(&self) {
        let mut state = self.0.lock();
        state.ended = true;
        let reader = state.reader.take();
        drop(state);
        reader.inspect(Waker::wake_by_ref);
    }

    /// Wakes the reader although nothing was queued: something else has changed that it looks at.
    pub(super) fn wake(&self) {
        let reader = self.0.lock().reader.take();
        reader.inspect(Waker::wake_by_ref);
    }

    /// Whether both write to the same stream.
    pub fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the reading end is gone.
    pub fn is_closed(&self) -> bool {
        self.0.lock().closed
    }
}

impl Clone for Outlet {
    fn clone(&self) -> Self {
        self.0.lock().writers += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.writers -= 1;
        let reader = if state.writers == 0 { state.reader.take() } else { None };
        drop(state);
        reader.inspect(Waker::wake_by_ref);
    }
}

impl Intake {
    /// The next message; `None` when all writers are gone and everything was read.
    ///
    /// # Errors
    /// [`Lagged`], once, when messages were dropped; reading may go on.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Delivery>, Lagged>> {
        let mut state = self.0.lock();
        if std::mem::take(&mut state.lagged) {
            return Poll::Ready(Err(Lagged));
        }
        if let Some(delivery) = state.queue.pop_front() {
            if !delivery.last {
                state.messages -= 1;
                state.bytes -= delivery.message.weight();
            }
            return Poll::Ready(Ok(Some(delivery)));
        }
        if state.writers == 0 || state.ended {
            return Poll::Ready(Ok(None));
        }
        if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            state.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// As [`poll_next`](Self::poll_next). Cancel safe: nothing is taken before it is returned.
    ///
    /// # Errors
    /// As [`poll_next`](Self::poll_next).
    pub async fn next(&mut self) -> Result<Option<Delivery>, Lagged> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Whether the stream was ended because its request was cancelled: an end without an answer is
    /// right then (2025-11-25, "Cancellation"), and a fault otherwise.
    pub fn was_cancelled(&self) -> bool {
        self.0.lock().ended
    }

    /// Forgets that messages were dropped: for a reader that begins and never saw what came before.
    pub fn forget_lag(&mut self) {
        self.0.lock().lagged = false;
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let unread = std::mem::take(&mut state.queue);
        state.messages = 0;
        state.bytes = 0;
        drop(state);
        drop(unread);
    }
}
