//! Reads the JSON-RPC envelope of a message, once.
//!
//! Owns what is refused and why (JSON-RPC 2.0; MCP "Messages" of every revision). Must not know of
//! HTTP or of pipes: a body and a line are the same here.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::members::{Key, range_of, recognise};
use super::params::is_token;
use super::plain;
use super::{
    Id, MemberError, Message, MethodName, Notification, Outcome, Params, RawJson, Request, Response,
};

/// The longest request id, in bytes of its JSON text. Ids are kept for as long as a call is open.
pub const MAX_ID_BYTES: usize = 1024;

/// The most elements in one batch (2025-03-26).
pub const MAX_BATCH: usize = 100;

/// The members of an envelope that mean something.
pub(super) const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// Where `id` stands in [`ENVELOPE`].
const ID: usize = 1;

/// Why a text is not a message.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// JSON is UTF-8 (RFC 8259, section 8.1).
    #[error("the message is not valid UTF-8 (byte {at})")]
    NotUtf8 {
        /// How many bytes are valid before the first that is not.
        at: usize,
    },
    /// It does not parse.
    #[error("the message is not valid JSON")]
    Syntax(#[source] serde_json::Error),
    /// A string, a number, …
    #[error("a message must be a JSON object")]
    NotAnObject,
    /// `jsonrpc` is missing or not `"2.0"`.
    #[error("`jsonrpc` must be \"2.0\"")]
    Version,
    /// Neither a method nor an outcome.
    #[error("the message has neither `method` nor `result` nor `error`")]
    Nothing,
    /// A method and an outcome, or two outcomes.
    #[error("the message has more than one of `method`, `result` and `error`")]
    Ambiguous,
    /// The method is not a string.
    #[error("`method` must be a string")]
    Method,
    /// `null`, an object, …
    #[error("`id` must be a string or a number")]
    IdKind,
    /// A response without an id.
    #[error("`id` is missing")]
    IdMissing,
    /// Over [`MAX_ID_BYTES`].
    #[error("`id` is {length} bytes long; at most {MAX_ID_BYTES} are allowed")]
    IdTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A member of the envelope is there twice, or in a spelling that some readers take for another.
    #[error(transparent)]
    Member(MemberError),
    /// The parameters are refused.
    #[error(transparent)]
    Params(MemberError),
    /// `error` is not an object.
    #[error("`error` must be an object")]
    ErrorKind,
    /// An empty array.
    #[error("a batch must not be empty")]
    EmptyBatch,
    /// Over [`MAX_BATCH`].
    #[error("a batch may have at most {MAX_BATCH} elements")]
    BatchTooLong,
}

/// A text that was refused, with the id it carried, where one could be read: its sender is answered
/// under that id.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Rejected {
    /// The id, when it is one that can be answered.
    pub id: Option<Id>,
    /// What is wrong.
    #[source]
    pub error: EnvelopeError,
}

impl Rejected {
    /// The JSON-RPC error code that says so.
    pub fn code(&self) -> i32 {
        use crate::protocol::code;
        match &self.error {
            EnvelopeError::NotUtf8 { .. } | EnvelopeError::Syntax(_) => code::PARSE_ERROR,
            EnvelopeError::Params(_) => code::INVALID_PARAMS,
            _ => code::INVALID_REQUEST,
        }
    }

    /// The message for the sender, with the parser's position where it has one.
    pub fn explanation(&self) -> String {
        match &self.error {
            EnvelopeError::Syntax(source) => format!("{}: {source}", self.error),
            error => error.to_string(),
        }
    }

    fn new(error: EnvelopeError) -> Self {
        Self { id: None, error }
    }
}

/// What one HTTP body holds.
#[derive(Debug)]
pub enum Incoming {
    /// One message.
    Single(Message),
    /// An array of messages, each judged by itself (2025-03-26 only).
    Batch(Vec<Result<Message, Rejected>>),
}

/// Reads an HTTP body: a message, or an array of them.
///
/// # Errors
/// When the whole of it is refused; a bad element of a batch is not an error of the batch.
pub fn parse_body(text: &Bytes) -> Result<Incoming, Rejected> {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'[') {
        return parse(text).map(Incoming::Single);
    }
    let utf8 = utf8(text)?;
    let mut reader = serde_json::Deserializer::from_str(utf8);
    let elements = reader
        .deserialize_seq(Elements { text: utf8 })
        .and_then(|elements| reader.end().map(|()| elements))
        .map_err(|source| Rejected::new(EnvelopeError::Syntax(source)))?;
    match elements {
        None => Err(Rejected::new(EnvelopeError::BatchTooLong)),
        Some(ranges) if ranges.is_empty() => Err(Rejected::new(EnvelopeError::EmptyBatch)),
        Some(ranges) => {
            Ok(Incoming::Batch(ranges.into_iter().map(|range| parse(&text.slice(range))).collect()))
        }
    }
}

/// Reads one message.
///
/// # Errors
/// When the text is not a JSON-RPC message that can be moved on without doubt about its meaning.
pub fn parse(text: &Bytes) -> Result<Message, Rejected> {
    plain::read(text).map_or_else(|| parse_in_doubt(text), Ok)
}

/// [`parse`] without its short way: what decides where there is any doubt. For those who compare the
/// two.
///
/// # Errors
/// As [`parse`].
#[doc(hidden)]
pub fn parse_in_doubt(text: &Bytes) -> Result<Message, Rejected> {
    let utf8 = utf8(text)?;
    let mut reader = serde_json::Deserializer::from_str(utf8);
    let members = reader
        .deserialize_any(Envelope { text: utf8 })
        .and_then(|members| reader.end().map(|()| members))
        .map_err(|source| Rejected::new(EnvelopeError::Syntax(source)))?;
    let Some(members) = members else {
        return Err(Rejected::new(EnvelopeError::NotAnObject));
    };
    let id = match members.id(text) {
        Ok(id) => id,
        Err(error) => return Err(Rejected::new(error)),
    };
    members.build(text, id.clone()).map_err(|error| Rejected { id, error })
}

fn utf8(text: &Bytes) -> Result<&str, Rejected> {
    std::str::from_utf8(text)
        .map_err(|error| Rejected::new(EnvelopeError::NotUtf8 { at: error.valid_up_to() }))
}

/// Where the envelope's members stand.
#[derive(Default)]
struct Members {
    found: [Option<Range<usize>>; ENVELOPE.len()],
    trouble: Option<MemberError>,
    /// Two readers could answer under two different ids, so nobody is answered under either.
    doubtful_id: bool,
}

impl Members {
    fn note(&mut self, key: &str, value: Range<usize>) {
        match recognise(key, &ENVELOPE) {
            Ok(None) => {}
            Ok(Some(index)) if self.found[index].is_none() => self.found[index] = Some(value),
            Ok(Some(index)) => {
                self.doubtful_id |= index == ID;
                self.trouble = Some(MemberError::Duplicate(ENVELOPE[index].into()));
            }
            Err(error) => {
                self.doubtful_id |= matches!(&error, MemberError::CaseVariant { meant, .. } if *meant == ENVELOPE[ID]);
                self.trouble = Some(error);
            }
        }
    }

    fn raw(&self, index: usize, text: &Bytes) -> Option<RawJson> {
        let range = self.found[index].as_ref()?;
        Some(RawJson::checked(text, range.start, range.end))
    }

    fn id(&self, text: &Bytes) -> Result<Option<Id>, EnvelopeError> {
        let Some(raw) = self.raw(ID, text) else {
            return Ok(None);
        };
        if self.doubtful_id {
            return Ok(None);
        }
        if !is_token(raw.as_bytes()) {
            return Err(EnvelopeError::IdKind);
        }
        let length = raw.as_bytes().len();
        if length > MAX_ID_BYTES {
            return Err(EnvelopeError::IdTooLong { length });
        }
        Ok(Some(Id::from(&raw)))
    }

    fn build(mut self, text: &Bytes, id: Option<Id>) -> Result<Message, EnvelopeError> {
        if let Some(trouble) = self.trouble.take() {
            return Err(EnvelopeError::Member(trouble));
        }
        let version = self.raw(0, text);
        if version.as_ref().and_then(RawJson::text).as_deref() != Some("2.0") {
            return Err(EnvelopeError::Version);
        }
        match (self.raw(2, text), self.raw(4, text), self.raw(5, text)) {
            (Some(method), None, None) => self.call(text, id, &method),
            (None, Some(result), None) => {
                let id = id.ok_or(EnvelopeError::IdMissing)?;
                Ok(Message::Response(Response { id, outcome: Outcome::Result(result) }))
            }
            (None, None, Some(error)) => {
                let id = id.ok_or(EnvelopeError::IdMissing)?;
                if !error.as_bytes().starts_with(b"{") {
                    return Err(EnvelopeError::ErrorKind);
                }
                Ok(Message::Response(Response { id, outcome: Outcome::Error(error) }))
            }
            (None, None, None) => Err(EnvelopeError::Nothing),
            _ => Err(EnvelopeError::Ambiguous),
        }
    }

    fn call(
        self,
        text: &Bytes,
        id: Option<Id>,
        method: &RawJson,
    ) -> Result<Message, EnvelopeError> {
        let method = MethodName::from(&*method.text().ok_or(EnvelopeError::Method)?);
        let params = self.raw(3, text).as_ref().map(Params::inspect).transpose();
        let params = params.map_err(EnvelopeError::Params)?;
        Ok(match id {
            Some(id) => Message::Request(Request { id, method, params }),
            None => Message::Notification(Notification { method, params }),
        })
    }
}

struct Envelope<'a> {
    text: &'a str,
}

impl<'de> Visitor<'de> for Envelope<'de> {
    /// `None`: valid JSON, but not an object.
    type Value = Option<Members>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(key) = map.next_key_seed(Key)? {
            let key: Cow<'de, str> = key;
            let value: &'de RawValue = map.next_value()?;
            members.note(&key, range_of(self.text, value.get()));
        }
        Ok(Some(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

struct Elements<'a> {
    text: &'a str,
}

impl<'de> Visitor<'de> for Elements<'de> {
    /// `None`: more than [`MAX_BATCH`].
    type Value = Option<Vec<Range<usize>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of JSON-RPC messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut ranges = Vec::new();
        while let Some(value) = seq.next_element::<&'de RawValue>()? {
            ranges.push(range_of(self.text, value.get()));
            if ranges.len() > MAX_BATCH {
                while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
        }
        Ok(Some(ranges))
    }
}
