//! What the child asks of "the client", and to which client that goes.
//!
//! Owns the rule that a question reaches exactly the right client or is refused: a prompt shown to
//! the wrong person is worse than an error. Must not know how a question is put.

use std::sync::Arc;

use tokio::time::Instant;

use super::calls::ClientCall;
use super::questions::MAX_OPEN_QUESTIONS;
use super::{Mux, Note, Refusal, Role};
use crate::connection::{Outlet, Session};
use crate::message::{Outcome, Params, Request, error_object};
use crate::protocol::{code, method};

/// Where a question goes.
pub(super) struct Addressee {
    pub(super) session: Arc<Session>,
    pub(super) outlet: Outlet,
    pub(super) calls: Vec<u64>,
}

impl Mux {
    /// Whose the question is: the session that owns the process, or else the one that has calls open
    /// in it. Which of its calls asks matters only for the stream and for the time.
    pub(super) fn addressee(&self, request: &Request, now: Instant) -> Result<Addressee, Refusal> {
        if self.questions.len() >= MAX_OPEN_QUESTIONS {
            return Err(Refusal::Unanswered);
        }
        if !self.settings.interactive {
            return Err(Refusal::Disabled);
        }
        let newest = self.asking.iter().max().and_then(|id| self.client_call(*id));
        let session = match (self.role.session(), newest) {
            (Some(owner), _) => owner,
            (None, Some(call)) => &call.session,
            (None, None) => return Err(Refusal::NoCall),
        };
        if session.is_over() {
            return Err(Refusal::Unanswered);
        }
        let id = session.id();
        let is_its = |call: &u64| self.client_call(*call).is_some_and(|c| c.session.id() == id);
        if !self.asking.iter().all(is_its) || self.abandoned.others_may_ask(id, now) {
            self.mark_all_open(now);
            return Err(Refusal::Ambiguous);
        }
        // In processes of one client's as well: what its calls ask there would be a surprise to those
        // in the main process, where another client may make the same call.
        if let (Some(call), 1) = (newest, self.asking.len()) {
            self.mark(call);
        }
        // A process of a session's own was told by that client itself what it can be asked.
        let own = matches!(self.role, Role::Own(_));
        let mode = request.params.as_ref().and_then(Params::mode);
        if !own && !session.profile().capabilities.allow(&request.method, mode.as_deref()) {
            return Err(Self::undeclared(&request.method));
        }
        Ok(Addressee {
            session: Arc::clone(session),
            outlet: newest.map_or(session.outlet(), |call| &call.reply).clone(),
            calls: self.asking.iter().copied().collect(),
        })
    }

    fn undeclared(method: &str) -> Refusal {
        let known = matches!(
            method,
            method::SAMPLING_CREATE_MESSAGE | method::ELICITATION_CREATE | method::ROOTS_LIST
        );
        if known { Refusal::Undeclared } else { Refusal::UnknownMethod }
    }

    pub(super) fn mark(&self, call: &ClientCall) {
        self.learnt.marks().mark(&call.method, call.name.as_deref().unwrap_or_default());
    }

    /// One of them asks; from now on none of them shares a process with another while it is open.
    fn mark_all_open(&self, now: Instant) {
        for call in self.asking.iter().filter_map(|id| self.client_call(*id)) {
            self.mark(call);
        }
        self.abandoned.mark_all(self.learnt.marks(), now);
    }

    /// Tells the child that nobody will be asked, and those whose calls may have asked.
    pub(super) fn refuse(&mut self, request: &Request, refusal: Refusal) {
        self.note(Note::Refused(refusal));
        let (code, why) = explained(refusal);
        self.tell_callers(request, refusal, why);
        let text = format!("{} was refused: {why}", request.method);
        self.answer_child(request.id.clone(), Outcome::Error(error_object(code, &text, None)));
    }

    /// Those whose calls may have asked learn of it, where they fail. One who could not have been
    /// asked is told what it would have had to declare; nobody is shown anything by that.
    fn tell_callers(&mut self, request: &Request, refusal: Refusal, why: &'static str) {
        let mode = request.params.as_ref().and_then(Params::mode);
        let (method, mode) = (&*request.method, mode.as_deref());
        let unanswered = matches!(refusal, Refusal::Undeclared | Refusal::Ambiguous);
        for id in self.asking.clone() {
            let Some(call) = self.client_call_mut(id) else { continue };
            let allowed = call.session.profile().capabilities.allow(method, mode);
            let refused = call.refused.get_or_insert_default();
            refused.note(method, why);
            if unanswered && !allowed && call.parked.is_none() {
                refused.undeclared(method, mode);
            }
        }
    }
}

/// The code and the words in which a child is told that its question is refused.
fn explained(refusal: Refusal) -> (i32, &'static str) {
    match refusal {
        Refusal::Ambiguous => (
            code::METHOD_NOT_FOUND,
            "several calls are open in this process, so it is not known whose client is asked; \
             calling again will work",
        ),
        Refusal::NoCall => {
            (code::METHOD_NOT_FOUND, "no call is open, and no single client owns this process")
        }
        Refusal::Undeclared => {
            (code::METHOD_NOT_FOUND, "the client of this call did not declare the capability")
        }
        Refusal::Disabled => {
            (code::METHOD_NOT_FOUND, "this service is configured not to ask its clients")
        }
        Refusal::UnknownMethod => (code::METHOD_NOT_FOUND, "no client can be asked this"),
        Refusal::Unanswered => (code::INTERNAL_ERROR, "the client cannot be reached"),
    }
}
