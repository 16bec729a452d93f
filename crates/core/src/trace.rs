//! Following a client's message through the program: for log lines, and where traces are recorded.
//!
//! Owns the words in which a transport and a child's conversation tell how far a message has come,
//! and the way from whoever works on a message to its record. Must not know how that is kept or where
//! it is sent: that is behind [`Record`]. It exists because the stages of a call begin and end in
//! different tasks, and because what reaches the child has to name the trace it belongs to
//! (2025-11-25, "General fields"; SEP-414). Where no traces are recorded a request is only named.

use std::fmt;
use std::sync::Arc;

use crate::id::SessionId;
use crate::message::{Message, Params, RawJson, Response};
use crate::protocol::ProtocolVersion;

tokio::task_local! {
    /// The record of the HTTP request that the current task serves.
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

/// Records what happens to one HTTP request and to its message. None of its methods may wait.
pub trait Record: fmt::Debug + Send + Sync {
    /// Which service it is for.
    fn service(&self, id: &Arc<str>);
    /// What the message is. Told as soon as that is known, and told again without harm.
    fn message(&self, message: &Message);
    /// Which session it belongs to, as its client knows it, and at which revision, once that is
    /// settled.
    fn session(&self, id: SessionId, version: Option<ProtocolVersion>);
    /// What log lines say of the request, member by member.
    fn name(&self, put: &mut dyn FnMut(&'static str, &str));
    /// The record of a message that is sent on now: this one, or another where this is taken by a
    /// message of the same HTTP request; `None` where the message is not traced.
    fn claim(self: Arc<Self>, message: &Message) -> Option<Arc<dyn Record>>;
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

    /// Runs `future` as part of serving the request that this is the record of.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        // Not an async function: that would have room for the future twice.
        CURRENT.scope(self, future)
    }

    /// Does `work` as part of serving the request that this is the record of.
    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }

    /// The trace of a message that is sent on now, on behalf of the current task.
    pub(crate) fn claim(message: &Message) -> Self {
        if matches!(message, Message::Response(_)) {
            return Self(None);
        }
        let claimed = |trace: &Self| Arc::clone(trace.0.as_ref()?).claim(message);
        Self(CURRENT.try_with(claimed).ok().flatten())
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

/// Tells the current request's record which service it is for.
pub fn service(id: &Arc<str>) {
    tell(|record| record.service(id));
}

/// Tells the current request's record what message it carries.
pub fn message(message: &Message) {
    tell(|record| record.message(message));
}

/// Tells the current request's record which session the message belongs to.
pub fn session(id: SessionId, version: Option<ProtocolVersion>) {
    tell(|record| record.session(id, version));
}

/// What log lines say of the request that the current task serves, if it serves one.
pub fn name(put: &mut dyn FnMut(&'static str, &str)) {
    tell(|record| record.name(put));
}

fn tell(what: impl FnOnce(&dyn Record)) {
    // Read in place: this is done for every request.
    let _untraced = CURRENT.try_with(|trace| trace.0.as_deref().map(what));
}

#[cfg(test)]
mod tests;
