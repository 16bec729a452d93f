//! A modern child that asks a legacy client for input (2026-07-28, "Multi Round-Trip Requests").
//!
//! Owns how a result that asks becomes questions on the stream of the call, and how the call is made
//! again with their answers. The call stays open for its client all the while, under an id that the
//! child has not seen yet. Must not know how a question is numbered; see `questions`.

use tokio::time::Instant;

use super::calls::{Call, CallKind, ClientCall};
use super::time::after;
use super::{Mux, Note, Refusal};
use crate::bridge::legacy_client::{InputRequest, InputRequired, Unreadable, called_again};
use crate::bridge::modern_client::message_of;
use crate::message::{Id, Message, Outcome, Params, RawJson, Request, error_object};
use crate::protocol::code;

/// How often one call may ask. A child that never has enough is told so by nobody else.
const MAX_ROUNDS: u32 = 8;

/// How a call goes on when the child asks for input.
#[derive(Debug)]
pub(super) struct Rounds {
    /// The parameters, as the client sent them.
    params: Option<Params>,
    done: u32,
    asking: Option<Asking>,
}

/// Questions that are with the client.
#[derive(Debug)]
struct Asking {
    state: Option<RawJson>,
    answers: Vec<(String, RawJson)>,
    open: usize,
}

impl Rounds {
    pub(super) fn new(params: Option<Params>) -> Self {
        Self { params, done: 0, asking: None }
    }

    /// Whether the client is asked now, and the child is not at work.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }
}

impl Mux {
    /// The child has answered a call. Gives the call and its outcome back when that is the end of
    /// it; otherwise it goes on here.
    pub(super) fn next_round(
        &mut self,
        call: ClientCall,
        outcome: Outcome,
        now: Instant,
    ) -> Option<(ClientCall, Outcome)> {
        let Outcome::Result(result) = &outcome else { return Some((call, outcome)) };
        if call.rounds.is_none() {
            return Some((call, outcome));
        }
        let required = match InputRequired::read(result) {
            None => return Some((call, outcome)),
            Some(Err(unreadable @ Unreadable)) => {
                return Some((call, failed(&unreadable.to_string())));
            }
            Some(Ok(required)) => required,
        };
        self.ask_for_input(call, required, now)
    }

    fn ask_for_input(
        &mut self,
        mut call: ClientCall,
        required: InputRequired,
        now: Instant,
    ) -> Option<(ClientCall, Outcome)> {
        let rounds = call.rounds.as_mut()?;
        rounds.done += 1;
        if rounds.done > MAX_ROUNDS {
            let text = format!("the server asked for input more than {MAX_ROUNDS} times");
            return Some((call, failed(&text)));
        }
        if let Some(refused) = self.not_askable(&call, &required) {
            return Some((call, refused));
        }
        let InputRequired { requests, state } = required;
        let open = requests.len();
        if let Some(rounds) = call.rounds.as_mut() {
            rounds.asking = Some(Asking { state, answers: Vec::with_capacity(open), open });
        }
        let id = self.fresh_id();
        let (session, outlet) = (std::sync::Arc::clone(&call.session), call.reply.clone());
        self.client_calls += 1;
        let deadline = Some(after(now, self.settings.request_timeout));
        self.calls.insert(id, Call { kind: CallKind::Client(call), deadline });
        self.sweep_by(now);
        for InputRequest { key, method, params } in requests {
            let asked = self.put_input_request(&session, &outlet, id, key, &method, params, now);
            if !asked {
                self.round_failed(id, "the client cannot be reached", now);
                return None;
            }
        }
        self.call_again_if_answered(id, now);
        None
    }

    /// The answer to a call whose client cannot be asked what the child wants to know.
    fn not_askable(&mut self, call: &ClientCall, required: &InputRequired) -> Option<Outcome> {
        let can = call.session.profile().capabilities;
        let mode = |request: &InputRequest| {
            crate::message::member_of(request.params.as_ref()?.as_str(), "mode")
                .and_then(|mode| serde_json::from_str::<String>(mode).ok())
        };
        let refused = required.requests.iter().find(|request| {
            !self.settings.interactive || !can.allow(&request.method, mode(request).as_deref())
        })?;
        let (refusal, why) = if self.settings.interactive {
            (Refusal::Undeclared, "the client did not declare that it can be asked that")
        } else {
            (Refusal::Disabled, "this service is configured not to ask its clients")
        };
        self.note(Note::Refused(refusal));
        let method: String = refused.method.chars().take(100).collect();
        Some(failed(&format!("the server asked for `{method}`, which was refused: {why}")))
    }

    /// A client has answered, or will not.
    pub(super) fn input_given(&mut self, id: u64, key: String, outcome: Outcome, now: Instant) {
        let answer = match outcome {
            Outcome::Result(result) => result,
            Outcome::Error(error) => {
                let said = message_of(&error).unwrap_or_default();
                let said: String = said.chars().take(500).collect();
                return self.round_failed(id, &format!("the client answered: {said}"), now);
            }
        };
        if let Some(asking) = self.asking_of(id) {
            asking.answers.push((key, answer));
            asking.open -= 1;
        }
        self.call_again_if_answered(id, now);
    }

    /// A question of a round was not answered: the child cannot go on with the call.
    pub(super) fn round_failed(&mut self, id: u64, why: &str, now: Instant) {
        let Some(call) = self.remove_call(id, now) else { return };
        self.drop_questions_of_call(id);
        let CallKind::Client(call) = call.kind else { return };
        self.deliver_answer(call, failed(&format!("the server asked for input, but {why}")));
    }

    fn asking_of(&mut self, id: u64) -> Option<&mut Asking> {
        match &mut self.calls.get_mut(&id)?.kind {
            CallKind::Client(call) => call.rounds.as_mut()?.asking.as_mut(),
            _ => None,
        }
    }

    fn call_again_if_answered(&mut self, id: u64, now: Instant) {
        if self.asking_of(id).is_none_or(|asking| asking.open > 0) {
            return;
        }
        let Some(Call { kind: CallKind::Client(call), .. }) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(rounds) = call.rounds.as_mut() else { return };
        let Some(Asking { state, answers, .. }) = rounds.asking.take() else { return };
        let original = rounds.params.clone();
        let (session, method) = (std::sync::Arc::clone(&call.session), call.method.clone());
        let trace = call.trace.clone();
        let params = self.modern_params(&session, original.as_ref(), id);
        let params = called_again(&params, &answers, state.as_ref());
        let params = trace.carried_in(Some(params));
        self.disturb_probe();
        self.extend(id, now);
        let request = Request { id: Id::from_number(id), method, params };
        self.outgoing.push(Message::Request(request), Some(id), None);
    }
}

fn failed(text: &str) -> Outcome {
    Outcome::Error(error_object(code::INTERNAL_ERROR, text, None))
}
