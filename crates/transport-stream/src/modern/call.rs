//! A modern call while an HTTP request waits for it.
//!
//! Owns the receiving end of its answer, and turns what an older child asks into a result that asks
//! (2026-07-28, "Multi Round-Trip Requests"). Dropping it before the end cancels the call: a modern
//! client that closes its response wants no answer any more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use standpipe_core::bridge::parking::{
    Binding, Full, InputResponses, Kind, Questions, Settled, UrlElicitations, required_capabilities,
};
use standpipe_core::budget::Permit;
use standpipe_core::connection::{Delivery, Intake, Lagged, Session};
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::message::{
    Id, Message, Notification, Outcome as Ended, Params, RawJson, Request, Response, error_object,
    parse,
};
use standpipe_core::protocol::{ClientCapabilities, code, method};
use standpipe_core::trace::Trace;
use standpipe_metrics::{Dropped, InFlight, Outcome, ServiceMetrics};
use tokio::time::{Instant, Sleep, sleep_until};

use super::parked::{ParkedCall, ParkedCalls};
use crate::refusal::Refusal;
use crate::response;

/// Questions are put to the client together that come within this much time of each other.
const QUIET: Duration = Duration::from_millis(25);

/// The client is asked after this much time, whether or not the child goes on asking.
const GATHER_AT_MOST: Duration = Duration::from_millis(100);

/// What does not change about a call.
pub(super) struct Facts {
    /// Under which id the client waits now.
    pub(super) id: Id,
    /// What the client of this very request can be asked.
    pub(super) capabilities: ClientCapabilities,
    /// The progress token of this very request.
    pub(super) token: Option<Id>,
    /// Whether this very request wants log messages.
    pub(super) logs: bool,
    /// What the call is bound to when it is parked; `None` where nothing can be asked.
    pub(super) binding: Option<Binding>,
    /// Whether it is a `subscriptions/listen`.
    pub(super) listens: bool,
    pub(super) metrics: Arc<ServiceMetrics>,
    pub(super) parked: Arc<ParkedCalls>,
}

/// A call.
pub(super) struct Call {
    facts: Facts,
    /// `None` from the last message on.
    open: Option<Open>,
    in_flight: Option<InFlight>,
    gathering: Option<Gathering>,
}

struct Open {
    session: Arc<Session>,
    intake: Intake,
    questions: Questions,
    /// Answers to questions that were not asked yet, and what they weigh.
    prefilled: InputResponses,
    _permit: Option<Permit>,
    /// The progress token that the messages carry.
    token: Option<Id>,
}

struct Gathering {
    latest: Instant,
    until: Pin<Box<Sleep>>,
}

impl Gathering {
    fn begin() -> Self {
        let now = Instant::now();
        Self { latest: now + GATHER_AT_MOST, until: Box::pin(sleep_until(now + QUIET)) }
    }

    fn go_on(&mut self) {
        let until = (Instant::now() + QUIET).min(self.latest);
        self.until.as_mut().reset(until);
    }
}

impl Call {
    /// A call that was just sent on.
    pub(super) fn fresh(
        facts: Facts,
        session: Arc<Session>,
        intake: Intake,
        prefilled: (InputResponses, Option<Permit>),
        in_flight: InFlight,
    ) -> Self {
        session.stream_opened();
        let (prefilled, permit) = prefilled;
        let token = facts.token.clone();
        let questions = Questions::default();
        let open = Open { session, intake, questions, prefilled, _permit: permit, token };
        Self { facts, open: Some(open), in_flight: Some(in_flight), gathering: None }
    }

    /// A call that is carried on: what the client has answered goes to the child.
    ///
    /// # Errors
    /// When the child cannot be told; the call has ended then.
    pub(super) fn resumed(
        facts: Facts,
        parked: ParkedCall,
        mut answers: InputResponses,
        permit: Permit,
        in_flight: InFlight,
    ) -> Result<Self, (Refusal, InFlight)> {
        let ParkedCall { session, intake, mut questions, token } = parked;
        session.stream_opened();
        let mut permit = Some(permit);
        let settled = questions.settle(&mut answers);
        let gathering = (!questions.is_empty()).then(Gathering::begin);
        let prefilled = InputResponses::default();
        let open = Open { session, intake, questions, prefilled, _permit: None, token };
        for Settled { id, result } in settled {
            let sent = answer(&open.session, id, Ended::Result(result), permit.take());
            if let Err(fault) = sent {
                open.end();
                return Err((Refusal::Fault(fault), in_flight));
            }
        }
        Ok(Self { facts, open: Some(open), in_flight: Some(in_flight), gathering })
    }

    /// The next message for the client; `None` after the last.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        loop {
            let Some(open) = &mut self.open else { return Poll::Ready(None) };
            match open.intake.poll_next(cx) {
                // What is missing was not the answer, and that is what the client waits for.
                Poll::Ready(Err(Lagged)) => self.facts.metrics.dropped(Dropped::SlowClient, 1),
                Poll::Ready(Ok(Some(delivery))) => {
                    self.gathering.iter_mut().for_each(Gathering::go_on);
                    if let Some(delivery) = self.take(delivery) {
                        return Poll::Ready(Some(delivery));
                    }
                }
                Poll::Ready(Ok(None)) => {
                    let refusal = Refusal::unanswered(&open.session);
                    return Poll::Ready(Some(self.give_up(&refusal)));
                }
                Poll::Pending => {
                    let Some(gathering) = &mut self.gathering else { return Poll::Pending };
                    std::task::ready!(gathering.until.as_mut().poll(cx));
                    return Poll::Ready(self.park());
                }
            }
        }
    }

    /// Whether the last message was taken.
    pub(super) fn is_over(&self) -> bool {
        self.open.is_none()
    }

    pub(super) fn metrics(&self) -> &Arc<ServiceMetrics> {
        &self.facts.metrics
    }

    /// Ends the call because all streams end.
    pub(super) fn shut_down(&mut self) -> Option<Delivery> {
        let open = self.open.take()?;
        let fault = open.session.gate().fault(FaultKind::Draining);
        open.end();
        if !self.facts.listens {
            return Some(self.last(Ended::Error(fault.error()), Some(fault), Outcome::Unavailable));
        }
        // A listening request has no other answer than its end (2026-07-28, "Graceful Closure").
        let id = self.facts.id.as_str();
        let result = format!(
            r#"{{"resultType":"complete","_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}"#
        );
        let ended = RawJson::new(&result.into()).map_or_else(
            |_| Ended::Error(fault.error()), // Cannot happen: an id is one JSON value.
            Ended::Result,
        );
        Some(self.last(ended, None, Outcome::Ok))
    }

    /// Does with a message what is to be done; what is returned is for the client.
    fn take(&mut self, mut delivery: Delivery) -> Option<Delivery> {
        match delivery.message {
            Message::Response(response) if delivery.last => {
                delivery.message = Message::Response(response);
                return Some(self.finish(delivery));
            }
            Message::Request(request) => {
                self.asked(request, delivery.permit.take());
                return None;
            }
            Message::Notification(notification) => {
                delivery.message = Message::Notification(self.told(notification)?);
            }
            Message::Response(response) => delivery.message = Message::Response(response),
        }
        if self.facts.listens {
            // It is under way: what comes now is not waited for.
            self.in_flight.take().into_iter().for_each(|call| call.finish(Outcome::Ok));
        }
        Some(delivery)
    }

    /// The child's answer, or an error of ours.
    fn finish(&mut self, mut delivery: Delivery) -> Delivery {
        let outcome = response::outcome(&delivery);
        if let Some(open) = self.open.take() {
            open.session.stream_closed();
        }
        self.in_flight.take().into_iter().for_each(|call| call.finish(outcome));
        let Message::Response(Response { outcome: ended, .. }) = delivery.message else {
            return delivery;
        };
        let ended = match ended {
            Ended::Error(error) => self.in_words_of_today(error),
            result @ Ended::Result(_) => result,
        };
        let id = self.facts.id.clone();
        delivery.message = Message::Response(Response { id, outcome: ended });
        delivery
    }

    /// An error that wants the user to open a URL first is a question now.
    fn in_words_of_today(&self, error: RawJson) -> Ended {
        let Some(urls) = UrlElicitations::read(&error) else { return Ended::Error(error) };
        if urls.is_empty() {
            let text = "the server wants a URL to be opened first, but names none";
            return Ended::Error(error_object(code::INTERNAL_ERROR, text, None));
        }
        if self.facts.capabilities.elicitation_url {
            return Ended::Result(urls.input_required());
        }
        let needed = ClientCapabilities { elicitation_url: true, ..ClientCapabilities::default() };
        let text = "the server wants the user to open a URL first; the request does not declare \
                    that its client can be asked for that (elicitation.url)";
        let data = required_capabilities(needed);
        Ended::Error(error_object(code::MISSING_CAPABILITY, text, Some(&data)))
    }

    /// The child asks.
    fn asked(&mut self, request: Request, permit: Option<Permit>) {
        let Some(open) = &mut self.open else { return };
        if !allows(self.facts.capabilities, &request) || self.facts.binding.is_none() {
            let text = format!("{} was refused: this request does not allow it", request.method);
            let refused = error_object(code::METHOD_NOT_FOUND, &text, None);
            let _gone = answer(&open.session, request.id, Ended::Error(refused), None);
            return;
        }
        match open.questions.ask(request, permit, &mut open.prefilled) {
            Ok(None) => {
                self.gathering.get_or_insert_with(Gathering::begin);
            }
            Ok(Some(Settled { id, result })) => {
                let _gone = answer(&open.session, id, Ended::Result(result), None);
            }
            Err(unaskable) => {
                let text = "no client of this protocol version can be asked this";
                let refused = error_object(code::METHOD_NOT_FOUND, text, None);
                let _gone = answer(&open.session, unaskable.id, Ended::Error(refused), None);
            }
        }
    }

    /// The child tells something; `None` when it is not for the client of this request.
    fn told(&mut self, notification: Notification) -> Option<Notification> {
        let open = self.open.as_mut()?;
        match &*notification.method {
            method::CANCELLED => {
                // Ours, of a question that the child does not wait for any more.
                if let Some(id) = cancelled(&notification) {
                    open.questions.withdraw(&id);
                }
                if open.questions.is_empty() {
                    self.gathering = None;
                }
                None
            }
            method::LOG_MESSAGE => self.facts.logs.then_some(notification),
            method::PROGRESS if open.token != self.facts.token => {
                self.facts.token.as_ref().and_then(|token| retold(notification, token))
            }
            _ => Some(notification),
        }
    }

    /// Puts what was asked to the client, and parks the call until it has answered.
    fn park(&mut self) -> Option<Delivery> {
        self.gathering = None;
        let binding = self.facts.binding.clone();
        let (open, binding) = (self.open.take()?, binding?);
        let Open { session, intake, questions, token, .. } = open;
        session.stream_closed();
        let call = ParkedCall { session, intake, questions, token };
        match self.facts.parked.park(binding, call, Instant::now()) {
            Ok(result) => Some(self.last(Ended::Result(result), None, Outcome::Ok)),
            Err(Full(call)) => {
                let fault = call.session.gate().fault(FaultKind::Overloaded);
                call.session.end();
                Some(self.last(Ended::Error(fault.error()), Some(fault), Outcome::Unavailable))
            }
        }
    }

    /// Ends the call with an error of ours.
    fn give_up(&mut self, refusal: &Refusal) -> Delivery {
        self.open.take().into_iter().for_each(Open::end);
        let fault = match refusal {
            Refusal::Fault(fault) => Some(fault.clone()),
            _ => None,
        };
        self.last(Ended::Error(refusal.error()), fault, refusal.outcome())
    }

    fn last(&mut self, outcome: Ended, fault: Option<Fault>, counted: Outcome) -> Delivery {
        self.in_flight.take().into_iter().for_each(|call| call.finish(counted));
        Delivery {
            message: Message::Response(Response { id: self.facts.id.clone(), outcome }),
            last: true,
            fault,
            permit: None,
            trace: Trace::default(),
        }
    }
}

impl Open {
    /// The call is given up: the child is told.
    fn end(self) {
        self.session.stream_closed();
        self.session.end();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.open.take().into_iter().for_each(Open::end);
    }
}

/// Passes the answer to a question on to the child that asked. A question that nobody waits for any
/// more needs none.
fn answer(
    session: &Arc<Session>,
    id: Id,
    outcome: Ended,
    permit: Option<Permit>,
) -> Result<(), Fault> {
    let Some(inbox) = session.take_question(&id) else { return Ok(()) };
    let message = Message::Response(Response { id, outcome });
    inbox.send(session, message, session.outlet(), permit)
}

/// Whether the client of this very request can be asked this.
fn allows(capabilities: ClientCapabilities, request: &Request) -> bool {
    #[derive(serde::Deserialize)]
    struct Moded {
        mode: Option<String>,
    }
    let mode = match (Kind::of(&request.method), &request.params) {
        (Some(Kind::Elicitation), Some(params)) => {
            serde_json::from_str::<Moded>(params.raw().as_str()).ok().and_then(|moded| moded.mode)
        }
        _ => None,
    };
    capabilities.allow(&request.method, mode.as_deref())
}

/// Which question is withdrawn.
fn cancelled(notification: &Notification) -> Option<Id> {
    let notification = read_again(notification.clone())?;
    notification.params.as_ref().and_then(Params::request_id)
}

/// Progress of a call that was begun under another token.
fn retold(notification: Notification, token: &Id) -> Option<Notification> {
    let Notification { method, params } = read_again(notification)?;
    let params = params.map(|params| params.with_progress_token(token));
    Some(Notification { method, params })
}

/// A notification that was written by us, with its members found.
fn read_again(notification: Notification) -> Option<Notification> {
    let text = Message::Notification(notification).encode().into_bytes();
    match parse(&text) {
        Ok(Message::Notification(notification)) => Some(notification),
        _ => None,
    }
}
