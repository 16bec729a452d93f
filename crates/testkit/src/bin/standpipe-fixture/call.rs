//! One open call: its cancellation, its naps and its questions.
//!
//! Owns what the thread of a call waits for, on one condition variable. It does not know which tool
//! runs on it, nor how messages are written.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;

/// The caller withdrew the call; its thread stops and sends nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cancelled;

/// What the client answered to a question.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The raw `result`.
    Result(Box<RawValue>),
    /// The raw `error`.
    Error(Box<RawValue>),
}

impl Reply {
    /// The raw answer, be it a result or an error.
    pub(crate) fn raw(&self) -> &str {
        match self {
            Self::Result(raw) | Self::Error(raw) => raw.get(),
        }
    }
}

/// An open call.
#[derive(Debug, Default)]
pub(crate) struct Call {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    cancelled: bool,
    closed: bool,
    /// Answers by the id of their question.
    replies: BTreeMap<u64, Reply>,
}

impl Call {
    /// Withdraws the call.
    pub(crate) fn cancel(&self) {
        self.lock().cancelled = true;
        self.changed.notify_all();
    }

    /// Notes that the call has been answered, or given up.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until the call has been answered, or given up.
    pub(crate) fn closed(&self) {
        let waiting = self.lock();
        drop(self.changed.wait_while(waiting, |waiting| !waiting.closed));
    }

    /// Hands over the answer to question `id`.
    pub(crate) fn reply(&self, id: u64, reply: Reply) {
        self.lock().replies.insert(id, reply);
        self.changed.notify_all();
    }

    /// Waits for `duration`, unless the call is cancelled meanwhile.
    pub(crate) fn nap(&self, duration: Duration) -> Result<(), Cancelled> {
        let waiting = self.lock();
        let (waiting, _) = self
            .changed
            .wait_timeout_while(waiting, duration, |waiting| !waiting.cancelled)
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.cancelled { Err(Cancelled) } else { Ok(()) }
    }

    /// Waits until each of these questions is answered; the replies are in the order of `ids`.
    pub(crate) fn replies(&self, ids: &[u64]) -> Result<Vec<Reply>, Cancelled> {
        let waiting = self.lock();
        let mut waiting = self
            .changed
            .wait_while(waiting, |waiting| {
                !waiting.cancelled && !ids.iter().all(|id| waiting.replies.contains_key(id))
            })
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.cancelled {
            return Err(Cancelled);
        }
        Ok(ids.iter().filter_map(|id| waiting.replies.remove(id)).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
