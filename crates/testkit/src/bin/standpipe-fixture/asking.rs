//! Who made a request, and how that client can be asked something meanwhile.
//!
//! Owns the one way in which tools, prompts and resources ask, whatever the revision: a legacy
//! client gets requests and the thread waits for the answers; a client of 2026-07-28 gets an
//! `input_required` result, and what it was asked for is found in its next request. It does not know
//! what is asked.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::call::{Call, Cancelled, Reply};
use crate::legacy::LEVELS;
use crate::modern::Request;
use crate::server::{Outcome, Server};
use crate::session::Askable;

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Its name in `inputRequests`; a legacy question has none.
    pub key: &'static str,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: &'static str,
    /// Raw parameters; empty for none.
    pub params: String,
}

/// Whether a `requestState` goes with questions of 2026-07-28.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It holds the answers of the rounds before, and is verified.
    Kept,
    /// There is none: every answer has to be in one request.
    None,
}

/// Why a tool, prompt or resource ends without an outcome of its own.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The call was cancelled.
    Cancelled,
    /// The arguments make no sense.
    Arguments(serde_json::Error),
    /// The client did not declare this capability.
    Undeclared(&'static str),
    /// The client has to be asked first; this is the raw result that does it.
    InputRequired(String),
    /// The answer under this key is none, or its `requestState` is not one of ours.
    Input(String),
}

impl From<Cancelled> for Stop {
    fn from(Cancelled: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// The caller of one request.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// The server.
    pub server: &'a Arc<Server>,
    /// The open call.
    pub call: &'a Arc<Call>,
    /// What a request of 2026-07-28 says for itself; absent in a legacy session.
    pub modern: Option<&'a Request>,
}

impl Caller<'_> {
    /// The kinds of question this caller can be asked.
    pub(crate) fn askable(&self) -> Askable {
        self.modern.map_or_else(|| self.server.session().askable, |request| request.askable)
    }

    /// The name of the capability which the caller would have to declare for this question.
    pub(crate) fn lacking(&self, method: &str) -> Option<&'static str> {
        let askable = self.askable();
        let (declared, capability) = match method {
            "elicitation/create" => (askable.elicitation, "elicitation"),
            "sampling/createMessage" => (askable.sampling, "sampling"),
            "roots/list" => (askable.roots, "roots"),
            _ => return None,
        };
        (!declared).then_some(capability)
    }

    /// Asks all of these at once; the replies are in the order of the questions.
    pub(crate) fn ask(&self, questions: &[Question], state: State) -> Result<Vec<Reply>, Stop> {
        for question in questions {
            if let Some(capability) = self.lacking(question.method) {
                return Err(Stop::Undeclared(capability));
            }
        }
        self.ask_unchecked(questions, state)
    }

    /// Asks even for what the client did not declare.
    pub(crate) fn ask_unchecked(
        &self,
        questions: &[Question],
        state: State,
    ) -> Result<Vec<Reply>, Stop> {
        match self.modern {
            Some(request) => request.replies(questions, state),
            None => Ok(self.server.ask(self.call, questions)?),
        }
    }

    /// Sends a log message about this request, if the caller wants messages of that severity.
    pub(crate) fn log(&self, level: &str, data: &str) {
        let severity = LEVELS.iter().position(|name| *name == level);
        let wanted = match self.modern {
            Some(request) => request.log_level.is_some_and(|wanted| severity >= Some(wanted)),
            None => severity >= self.server.session().log_level,
        };
        if wanted {
            self.server.log_unasked(level, data);
        }
    }

    /// What becomes of a request that was stopped.
    pub(crate) fn stopped(&self, stop: Stop) -> Result<Outcome, Cancelled> {
        Ok(match stop {
            Stop::Cancelled => return Err(Cancelled),
            Stop::Arguments(error) => crate::offer::invalid_params(&error),
            Stop::InputRequired(raw) => Outcome::InputRequired(raw),
            Stop::Input(why) => {
                let message = format!("invalid params: {why}");
                Outcome::Error { code: -32602, message, data: None }
            }
            Stop::Undeclared(capability) => {
                let message = format!("The client did not declare the {capability} capability");
                match self.modern {
                    Some(_) => Outcome::Error {
                        code: -32021,
                        message,
                        data: Some(format!(
                            r#"{{"requiredCapabilities":{{"{capability}":{{}}}}}}"#
                        )),
                    },
                    None => Outcome::Error { code: -32600, message, data: None },
                }
            }
        })
    }
}

/// The raw text of an optional value.
pub(crate) fn raw_or_null(value: Option<&RawValue>) -> &str {
    value.map_or("null", RawValue::get)
}
