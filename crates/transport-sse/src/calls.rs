//! The calls of one session that wait for their answers.
//!
//! Owns their number and how long each has waited. Must not know what was called. It exists because
//! all answers share one stream: only the id says which call has ended.

use std::collections::HashMap;

use standpipe_core::connection::Delivery;
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::message::{Id, Message, Outcome as Ending};
use standpipe_metrics::{InFlight, Outcome};

/// The most calls one session may have open. A client that asks for more is told to wait.
pub(crate) const MAX_OPEN_CALLS: usize = 4096;

/// Open calls by id. Some clients use one id for several calls at a time; those count one by one.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    by_id: HashMap<Id, Vec<InFlight>>,
    open: usize,
}

impl Calls {
    /// Whether no more calls may be opened.
    pub(crate) fn is_full(&self) -> bool {
        self.open >= MAX_OPEN_CALLS
    }

    /// A call was opened.
    pub(crate) fn opened(&mut self, id: &Id, guard: InFlight) {
        self.by_id.entry(id.clone()).or_default().push(guard);
        self.open += 1;
    }

    /// A call has ended like this.
    pub(crate) fn ended(&mut self, id: &Id, outcome: Outcome) {
        if let Some(guard) = self.take(id) {
            guard.finish(outcome);
        }
    }

    /// The client takes a call back. With two calls of this id nobody knows which one it means.
    pub(crate) fn withdrawn(&mut self, id: &Id) {
        if self.by_id.get(id).is_some_and(|calls| calls.len() == 1) {
            drop(self.take(id)); // Counts as cancelled.
        }
    }

    /// How many calls are open.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.open
    }

    fn take(&mut self, id: &Id) -> Option<InFlight> {
        let calls = self.by_id.get_mut(id)?;
        let guard = calls.pop();
        if calls.is_empty() {
            self.by_id.remove(id);
        }
        self.open -= usize::from(guard.is_some());
        guard
    }
}

/// How the call that this delivery answers has ended.
pub(crate) fn outcome(delivery: &Delivery) -> Outcome {
    if let Some(fault) = &delivery.fault {
        return outcome_of(fault);
    }
    match &delivery.message {
        Message::Response(response) if matches!(response.outcome, Ending::Error(_)) => {
            Outcome::Error
        }
        _ => Outcome::Ok,
    }
}

/// How a call that failed like this is counted.
pub(crate) fn outcome_of(fault: &Fault) -> Outcome {
    match fault.kind {
        FaultKind::ChildGone(_) => Outcome::Died,
        FaultKind::Timeout(_) => Outcome::Timeout,
        FaultKind::RequestTooLarge { .. } | FaultKind::Removed | FaultKind::SessionOver => {
            Outcome::Rejected
        }
        FaultKind::AnswerTooLarge { .. } | FaultKind::MalformedAnswer(_) => Outcome::Error,
        _ => Outcome::Unavailable,
    }
}
