//! What one call has asked its client, and under which keys.
//!
//! Owns the keys and which questions are open. Must not know when they are put to the client.

use bytes::{BufMut as _, BytesMut};

use super::{InputResponses, ResponseError};
use crate::budget::Permit;
use crate::message::{Id, RawJson, Request};
use crate::protocol::method;

/// What can be asked by way of a result (2026-07-28, `InputRequest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `elicitation/create`.
    Elicitation,
    /// `sampling/createMessage`.
    Sampling,
    /// `roots/list`.
    Roots,
}

impl Kind {
    /// The kind of question that a request of this method is, if it is one.
    pub fn of(method: &str) -> Option<Self> {
        match method {
            method::ELICITATION_CREATE => Some(Self::Elicitation),
            method::SAMPLING_CREATE_MESSAGE => Some(Self::Sampling),
            method::ROOTS_LIST => Some(Self::Roots),
            _ => None,
        }
    }

    /// Its method.
    pub fn method(self) -> &'static str {
        match self {
            Self::Elicitation => method::ELICITATION_CREATE,
            Self::Sampling => method::SAMPLING_CREATE_MESSAGE,
            Self::Roots => method::ROOTS_LIST,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation",
            Self::Sampling => "sampling",
            Self::Roots => "roots",
        }
    }
}

/// The questions of one call.
///
/// The child's messages name none of them, so that the keys are `<kind>-<number>`, in the order in
/// which they were asked: a client that makes the same call again may expect the same keys.
#[derive(Debug, Default)]
pub struct Questions {
    open: Vec<Open>,
    /// How many of each kind were asked.
    asked: [u32; 3],
}

#[derive(Debug)]
struct Open {
    key: String,
    kind: Kind,
    /// How the child's side knows it.
    id: Id,
    params: Option<RawJson>,
    /// Held for as long as the question is.
    _permit: Option<Permit>,
}

/// A question that has its answer.
#[derive(Debug)]
pub struct Settled {
    /// How the child's side knows it.
    pub id: Id,
    /// What the client answered.
    pub result: RawJson,
}

/// A request that cannot be put to a client in a result.
#[derive(Debug)]
pub struct Unaskable {
    /// How the child's side knows it.
    pub id: Id,
}

impl Questions {
    /// Takes in what the child asks. Returns its answer where `prefilled` has one: the client may
    /// know beforehand what it will be asked.
    ///
    /// # Errors
    /// When no client of this era can be asked this.
    pub fn ask(
        &mut self,
        request: Request,
        permit: Option<Permit>,
        prefilled: &mut InputResponses,
    ) -> Result<Option<Settled>, Unaskable> {
        let Some(kind) = Kind::of(&request.method) else {
            return Err(Unaskable { id: request.id });
        };
        let count = &mut self.asked[kind as usize];
        *count += 1;
        let key = format!("{}-{count}", kind.word());
        if let Some(result) = prefilled.take(&key, kind) {
            return Ok(Some(Settled { id: request.id, result }));
        }
        let params = request.params.map(|params| params.raw().clone());
        self.open.push(Open { key, kind, id: request.id, params, _permit: permit });
        Ok(None)
    }

    /// The child does not wait for this answer any more. `false` when the question is not open.
    pub fn withdraw(&mut self, id: &Id) -> bool {
        let before = self.open.len();
        self.open.retain(|question| question.id != *id);
        self.open.len() < before
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The kinds of the open ones and their parameters, in order.
    pub fn open(&self) -> impl Iterator<Item = (&Id, Kind, Option<&RawJson>)> {
        self.open.iter().map(|open| (&open.id, open.kind, open.params.as_ref()))
    }

    /// Whether each answer to an open question is one of its kind. Answers to anything else are
    /// ignored, and questions without an answer stay open (2026-07-28, "Multi Round-Trip Requests").
    ///
    /// # Errors
    /// When one is not.
    pub fn check(&self, answers: &InputResponses) -> Result<(), ResponseError> {
        self.open.iter().try_for_each(|question| answers.check(&question.key, question.kind))
    }

    /// Takes the open questions that `answers` answers.
    pub fn settle(&mut self, answers: &mut InputResponses) -> Vec<Settled> {
        let mut settled = Vec::new();
        self.open.retain(|question| match answers.take(&question.key, question.kind) {
            Some(result) => {
                settled.push(Settled { id: question.id.clone(), result });
                false
            }
            None => true,
        });
        settled
    }

    /// The result that puts the open questions to the client; `state` is what it calls again with.
    pub fn input_required(&self, state: &str) -> RawJson {
        let payload: usize = self
            .open
            .iter()
            .map(|open| 128 + open.params.as_ref().map_or(2, |raw| raw.as_bytes().len()))
            .sum();
        let mut out = BytesMut::with_capacity(128 + payload);
        out.put_slice(b"{\"resultType\":\"input_required\",\"inputRequests\":{");
        for (at, question) in self.open.iter().enumerate() {
            if at > 0 {
                out.put_u8(b',');
            }
            put_request(&mut out, &question.key, question.kind, question.params.as_ref());
        }
        out.put_slice(b"},\"requestState\":");
        out.put_slice(RawJson::string(state).as_bytes());
        out.put_u8(b'}');
        RawJson::trusted(out.freeze())
    }
}

/// Writes a member of `inputRequests`.
pub(super) fn put_request(out: &mut BytesMut, key: &str, kind: Kind, params: Option<&RawJson>) {
    out.put_slice(RawJson::string(key).as_bytes());
    out.put_slice(b":{\"method\":\"");
    out.put_slice(kind.method().as_bytes());
    out.put_slice(b"\",\"params\":");
    out.put_slice(params.map_or(&b"{}"[..], RawJson::as_bytes));
    out.put_u8(b'}');
}
