//! Questions on their way between a child and a client.
//!
//! Owns those that are open, and every way in which one ends. Must not know whose a question is (see
//! `attribution`), nor how a client is reached.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::attribution::Addressee;
use super::calls::{CallKind, ClientCall, Parked};
use super::time::after;
use super::{Drop, Mux, Note, Refusal, Role};
use crate::bridge::legacy_client;
use crate::connection::{Outlet, Session, Slot};
use crate::id::SessionId;
use crate::message::{
    Id, Message, MethodName, Notification, Outcome, Params, RawJson, Request, Response,
    error_object,
};
use crate::protocol::{Era, code, method};

/// The most questions of one child that may be open; more are refused.
pub(super) const MAX_OPEN_QUESTIONS: usize = 256;

/// Out-of-band elicitations whose completion may still be reported. The oldest is forgotten first.
pub(super) const MAX_ELICITATIONS: usize = 256;

/// A question that a client has not answered.
#[derive(Debug)]
pub(super) struct Question {
    session: Arc<Session>,
    asker: Asker,
    method: MethodName,
    /// The progress token as the child wrote it.
    token: Option<Id>,
    /// The calls that it may belong to; all of the same session.
    calls: Vec<u64>,
    outlet: Outlet,
    pub(super) deadline: Instant,
}

/// Who waits for the answer.
#[derive(Debug)]
enum Asker {
    /// A legacy child, under this id.
    Child(Id),
    /// The call with this number, whose result asked for it under this key.
    Round(u64, String),
}

impl Question {
    /// Tells the client that nobody waits for its answer any more.
    pub(super) fn withdraw(self, number: u64, reason: &str) {
        self.session.forget_question(number);
        let reason = RawJson::string(reason);
        let params = format!(r#"{{"requestId":{number},"reason":{}}}"#, reason.as_str());
        let params = RawJson::trusted(params.into());
        let _gone = self.outlet.deliver(Message::notification(method::CANCELLED, Some(params)));
    }
}

/// A URL elicitation, answered or not, that may yet be reported complete.
#[derive(Debug)]
pub(super) struct UrlElicitation {
    pub(super) id: String,
    pub(super) session: Arc<Session>,
}

impl Mux {
    /// A request of the child.
    pub(super) fn asked(&mut self, request: Request, now: Instant) {
        if &*request.method == method::PING {
            let pong = Response::result(request.id, RawJson::empty_object());
            self.outgoing.push_unprompted(Message::Response(pong));
            return;
        }
        let addressee = match self.child_era() {
            Era::Legacy => self.addressee(&request, now),
            // It has other ways to ask (2026-07-28, "stdio").
            Era::Modern => Err(Refusal::UnknownMethod),
        };
        match addressee {
            Ok(addressee) => self.put_question(&request, addressee, now),
            Err(refusal) => self.refuse(&request, refusal),
        }
    }

    /// Whether a client other than this session's is being asked, and its call is open.
    pub(super) fn others_are_asked(&self, session: SessionId) -> bool {
        let mut others = self.questions.iter().filter(|(key, _)| key.0 != session);
        others.any(|(_, question)| question.calls.iter().any(|id| self.calls.contains_key(id)))
    }

    pub(super) fn client_call(&self, id: u64) -> Option<&ClientCall> {
        match &self.calls.get(&id)?.kind {
            CallKind::Client(call) => Some(call),
            _ => None,
        }
    }

    fn put_question(&mut self, request: &Request, to: Addressee, now: Instant) {
        let params = request.params.clone();
        let asker = Asker::Child(request.id.clone());
        if !self.put(&to, asker, &request.method, params, now) {
            return self.refuse(request, Refusal::Unanswered);
        }
        let id = request.params.as_ref().and_then(Params::elicitation_id);
        // A modern client has no stream on which it could be told of the completion.
        if let Some(id) = id.filter(|_| to.session.era() == Era::Legacy) {
            if self.elicitations.len() >= MAX_ELICITATIONS {
                self.elicitations.pop_front();
            }
            self.elicitations.push_back(UrlElicitation { id, session: to.session });
        }
    }

    /// Puts what a modern child asks in a result to a legacy client. `false` when it cannot be.
    #[expect(clippy::too_many_arguments, reason = "all of a question, and whose it is")]
    pub(super) fn put_input_request(
        &mut self,
        session: &Arc<Session>,
        outlet: &Outlet,
        call: u64,
        key: String,
        method: &str,
        params: Option<RawJson>,
        now: Instant,
    ) -> bool {
        if self.questions.len() >= MAX_OPEN_QUESTIONS {
            return false;
        }
        let (session, outlet) = (Arc::clone(session), outlet.clone());
        let to = Addressee { session, outlet, calls: vec![call] };
        let params = legacy_client::asked(method, params, &format!("{call}-{key}"));
        self.put(&to, Asker::Round(call, key), &method.into(), params, now)
    }

    fn put(
        &mut self,
        to: &Addressee,
        asker: Asker,
        method: &MethodName,
        params: Option<Params>,
        now: Instant,
    ) -> bool {
        let number = to.session.note_question(self.inbox.clone());
        let token = params.as_ref().and_then(Params::meta_progress_token);
        let ours = Id::from_number(number);
        let params = match &token {
            Some(_) => params.map(|params| params.with_meta_progress_token(&ours)),
            None => params,
        };
        let message = Request { id: ours, method: method.clone(), params };
        if to.outlet.deliver(Message::Request(message)).is_err() {
            to.session.forget_question(number);
            return false;
        }
        self.park(&to.calls, now);
        let question = Question {
            asker,
            method: method.clone(),
            token,
            calls: to.calls.clone(),
            outlet: to.outlet.clone(),
            deadline: after(now, self.patience_with(&to.session)),
            session: Arc::clone(&to.session),
        };
        self.questions.insert((to.session.id(), number), question);
        self.sweep_by(now);
        true
    }

    /// How long a client may take to answer. The time of a modern one begins when its call is parked,
    /// and its transport ends the call with it: were the question given up before, a client in time
    /// would be told that its answer came late. This is for a transport that forgets.
    fn patience_with(&self, session: &Session) -> Duration {
        match session.era() {
            Era::Legacy => self.settings.question_timeout,
            Era::Modern => self.settings.question_timeout.saturating_mul(2),
        }
    }

    pub(super) fn answer_child(&mut self, id: Id, outcome: Outcome) {
        self.outgoing.push_unprompted(Message::Response(Response { id, outcome }));
    }

    /// A client's answer to a question.
    pub(super) fn answer(
        &mut self,
        session: &Arc<Session>,
        response: Response,
        slot: Slot,
        now: Instant,
    ) {
        let number = response.id.as_number();
        let question = number.and_then(|number| self.questions.remove(&(session.id(), number)));
        let Some(question) = question else {
            return self.note(Note::Dropped(Drop::UnknownQuestion));
        };
        session.forget_question(number.unwrap_or_default());
        self.unpark(&question.calls, now);
        let roots = &*question.method == method::ROOTS_LIST
            && matches!(response.outcome, Outcome::Result(_))
            && matches!(question.asker, Asker::Child(_));
        // Of a principal it is not known how many clients it is: the next one has other roots.
        self.knows_roots |= roots && session.era() == Era::Modern;
        if roots && matches!(self.role, Role::Main) {
            // Servers keep roots: from here on the process is this client's.
            let others = self.dedicate(session, now);
            self.note(Note::RootsGiven { owner: Arc::clone(session), others });
        }
        match question.asker {
            Asker::Child(id) => {
                let answer = Response { id, outcome: response.outcome };
                self.outgoing.push(Message::Response(answer), None, Some(slot));
            }
            Asker::Round(call, key) => self.input_given(call, key, response.outcome, now),
        }
    }

    /// A client reports progress on a question; only the one that was asked may.
    pub(super) fn progress_of_question(
        &mut self,
        session: &Arc<Session>,
        notification: &Notification,
        slot: Slot,
    ) {
        let token = notification.params.as_ref().and_then(Params::progress_token);
        let number = token.and_then(|token| token.as_number());
        let question = number.and_then(|number| self.questions.get(&(session.id(), number)));
        let Some(token) = question.and_then(|question| question.token.as_ref()) else {
            return self.note(Note::Dropped(Drop::UnownedProgress));
        };
        let params = notification.params.as_ref().map(|params| params.with_progress_token(token));
        let forwarded = Notification { method: method::PROGRESS.into(), params };
        self.outgoing.push(Message::Notification(forwarded), None, Some(slot));
    }

    /// The child withdraws a question.
    pub(super) fn withdrawn_by_child(&mut self, params: Option<&Params>, now: Instant) {
        let id = params.and_then(Params::request_id);
        let named = |question: &Question| match &question.asker {
            Asker::Child(asked) => Some(asked) == id.as_ref(),
            Asker::Round(..) => false,
        };
        let mut found = self.questions.iter().filter(|(_, question)| named(question));
        let (Some((key, _)), None) = (found.next(), found.next()) else {
            return self.note(Note::Dropped(Drop::AmbiguousCancel));
        };
        let key = *key;
        if let Some(question) = self.questions.remove(&key) {
            self.unpark(&question.calls, now);
            question.withdraw(key.1, "the server withdrew its request");
        }
    }

    /// A session goes: the child learns that its questions stay unanswered.
    pub(super) fn decline_questions_of(&mut self, session: &Session, now: Instant) {
        let keys: Vec<_> =
            self.questions.keys().filter(|key| key.0 == session.id()).copied().collect();
        for key in keys {
            self.give_up_question(key, "the client has gone", now);
        }
        self.elicitations.retain(|elicitation| elicitation.session.id() != session.id());
    }

    /// Nobody will answer: the child is told, and the client that it need not.
    pub(super) fn give_up_question(&mut self, key: (SessionId, u64), why: &str, now: Instant) {
        let Some(question) = self.questions.remove(&key) else {
            return;
        };
        self.unpark(&question.calls, now);
        self.note(Note::Refused(Refusal::Unanswered));
        match &question.asker {
            Asker::Child(id) => {
                let text = format!("{} was not answered: {why}", question.method);
                let error = error_object(code::REQUEST_TIMEOUT, &text, None);
                let id = id.clone();
                question.withdraw(key.1, why);
                self.answer_child(id, Outcome::Error(error));
            }
            Asker::Round(call, _) => {
                let call = *call;
                question.withdraw(key.1, why);
                self.round_failed(call, why, now);
            }
        }
    }

    /// A call has ended between two rounds: nobody waits for what its client was asked.
    pub(super) fn drop_questions_of_call(&mut self, id: u64) {
        let of_call =
            |question: &Question| matches!(question.asker, Asker::Round(call, _) if call == id);
        let keys: Vec<_> =
            self.questions.iter().filter(|(_, q)| of_call(q)).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(question) = self.questions.remove(&key) {
                question.withdraw(key.1, "the call has ended");
            }
        }
    }

    /// While a client is asked, the time of its calls stands still.
    fn park(&mut self, calls: &[u64], now: Instant) {
        for id in calls {
            let Some(call) = self.client_call_mut(*id) else {
                continue;
            };
            let parked = call.parked.get_or_insert(Parked { questions: 0, since: now });
            parked.questions += 1;
        }
    }

    /// A question is answered or given up; after the last one the calls' time runs on.
    fn unpark(&mut self, calls: &[u64], now: Instant) {
        for id in calls {
            let Some(call) = self.client_call_mut(*id) else {
                continue;
            };
            let Some(parked) = &mut call.parked else {
                continue;
            };
            parked.questions -= 1;
            if parked.questions > 0 {
                continue;
            }
            let stood_still = now.saturating_duration_since(parked.since);
            call.parked = None;
            call.latest += stood_still;
            if let Some(call) = self.calls.get_mut(id) {
                call.deadline = call.deadline.map(|deadline| deadline + stood_still);
            }
        }
    }

    pub(super) fn client_call_mut(&mut self, id: u64) -> Option<&mut ClientCall> {
        match &mut self.calls.get_mut(&id)?.kind {
            CallKind::Client(call) => Some(call),
            _ => None,
        }
    }
}
