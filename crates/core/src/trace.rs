//! Following a client's message through the program, where traces are recorded.
//!
//! Owns the words in which a transport and a child's conversation tell how far a message has come,
//! and the way from whoever works on a message to its trace. Must not know how traces are recorded
//! or where they are sent: that is behind [`Record`]. It exists because the stages of a call begin
//! and end in different tasks, and because what reaches the child has to name the trace it belongs
//! to (2025-11-25, "General fields"; SEP-414). Where no traces are recorded nothing is done.

use std::fmt;
use std::sync::Arc;

use crate::id::SessionId;
use crate::message::{Message, Params, RawJson, Response};
use crate::protocol::ProtocolVersion;

tokio::task_local! {
    /// The trace of the HTTP request that the current task serves.
    static CURRENT: Trace;
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// With us: its service may have to be started, its instance has not taken it yet.
    Queue,
    /// With the child, from the moment it is queued for the child's stdin.
    Child,
    /// Answered: the answer is on its way to the client.
    Write,
}

/// What a child is told of the trace that its call belongs to: values of the members of `_meta`
/// that W3C Trace Context and W3C Baggage define.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// Which trace, and which span of it is the parent.
    pub traceparent: String,
    /// What tracing systems added; `None` leaves `_meta` as the client sent it.
    pub tracestate: Option<String>,
    /// What the client's application added; `None` leaves `_meta` as the client sent it.
    pub baggage: Option<String>,
}

/// Records what happens to one message. None of its methods may wait.
pub trait Record: fmt::Debug + Send + Sync {
    /// Which service it is for.
    fn service(&self, id: &str);
    /// What the message is. Told as soon as that is known, and told again without harm.
    fn message(&self, message: &Message);
    /// Which session it belongs to, as its client knows it, and at which revision.
    fn session(&self, id: SessionId, version: ProtocolVersion);
    /// The record of a message that is sent on now: this one, or another where this is taken by a
    /// message of the same HTTP request.
    fn claim(self: Arc<Self>, message: &Message) -> Arc<dyn Record>;
    /// A stage begins; the one before has ended.
    fn enter(&self, stage: Stage);
    /// What the child is told, once the message has reached that stage.
    fn carried(&self) -> Option<Carried>;
    /// How the call was answered.
    fn answered(&self, answer: &Response);
}

/// The trace of one message, or none. Cheap to clone; it ends with its last clone.
#[derive(Debug, Clone, Default)]
pub struct Trace(Option<Arc<dyn Record>>);

impl Trace {
    /// A trace that is recorded.
    pub fn new(record: Arc<dyn Record>) -> Self {
        Self(Some(record))
    }

    /// The trace of the HTTP request that the current task serves.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs `future` as part of serving the request that this trace is of.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }

    /// The trace of a message that is sent on now, on behalf of the current task.
    pub(crate) fn claim(message: &Message) -> Self {
        match Self::current().0 {
            Some(record) if !matches!(message, Message::Response(_)) => {
                Self(Some(record.claim(message)))
            }
            _ => Self(None),
        }
    }

    /// A stage begins.
    pub fn enter(&self, stage: Stage) {
        if let Some(record) = &self.0 {
            record.enter(stage);
        }
    }

    /// How the call was answered.
    pub fn answered(&self, answer: &Message) {
        if let (Some(record), Message::Response(answer)) = (&self.0, answer) {
            record.answered(answer);
        }
    }

    /// Parameters for the child, which name the trace where there is one.
    #[must_use]
    pub fn carried_in(&self, params: Option<Params>) -> Option<Params> {
        let Some(carried) = self.0.as_ref().and_then(|record| record.carried()) else {
            return params;
        };
        let params = params.unwrap_or_else(|| Params::opaque(RawJson::empty_object()));
        let members = [
            Some(("traceparent", &*carried.traceparent)),
            carried.tracestate.as_deref().map(|state| ("tracestate", state)),
            carried.baggage.as_deref().map(|baggage| ("baggage", baggage)),
        ];
        let members: Vec<_> = members.into_iter().flatten().collect();
        Some(params.with_meta_texts(&members))
    }
}

/// Tells the current request's trace which service it is for.
pub fn service(id: &str) {
    tell(|record| record.service(id));
}

/// Tells the current request's trace what message it carries.
pub fn message(message: &Message) {
    tell(|record| record.message(message));
}

/// Tells the current request's trace which session the message belongs to.
pub fn session(id: SessionId, version: ProtocolVersion) {
    tell(|record| record.session(id, version));
}

fn tell(what: impl FnOnce(&dyn Record)) {
    // Read in place: this is asked of every request, and mostly nothing is recorded.
    let _untraced = CURRENT.try_with(|trace| trace.0.as_deref().map(what));
}

#[cfg(test)]
mod tests;
