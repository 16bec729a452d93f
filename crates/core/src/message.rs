//! JSON-RPC messages with their payloads kept as raw text.
//!
//! A message is parsed once: the envelope becomes fields, `params`, `result` and `error` stay the
//! sender's bytes. What goes out is *our* envelope around those bytes, never the sender's own: an
//! envelope forwarded as it came would let a pretty-printed body reach a line-reading child as
//! several messages. Must not know who sends a message or where it goes.

mod edit;
mod envelope;
mod id;
mod members;
mod meta;
mod method;
mod modern;
mod params;
mod plain;
mod raw;
mod scan;
mod spans;
#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes, BytesMut};

pub(crate) use edit::{Member, member_of, rewritten};
pub use envelope::{
    EnvelopeError, Incoming, MAX_BATCH, MAX_ID_BYTES, Rejected, parse, parse_body, parse_in_doubt,
};
pub use id::Id;
pub use method::MethodName;
pub use params::{MAX_META_MEMBERS, MemberError, Params};
pub use raw::RawJson;

/// Payloads up to this many bytes are copied next to their envelope; longer ones travel as a slice
/// of the buffer they were read into.
const COPY_UP_TO: usize = 16 * 1024;

/// What every envelope begins with, what comes before an id and a method, and what closes it.
const OPENING: &[u8] = b"{\"jsonrpc\":\"2.0\"";
const ID: &[u8] = b",\"id\":";
const METHOD: &[u8] = b",\"method\":";
pub(crate) const CLOSING: &[u8] = b"}";

/// A call that wants exactly one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The sender's id.
    pub id: Id,
    /// What is called, or told.
    pub method: MethodName,
    /// The parameters; absent and `{}` are different on the wire, so they are here.
    pub params: Option<Params>,
}

/// A message that wants no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What is called, or told.
    pub method: MethodName,
    /// The parameters.
    pub params: Option<Params>,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The `result` member, raw.
    Result(RawJson),
    /// The `error` member, raw.
    Error(RawJson),
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The id of the request that it answers.
    pub id: Id,
    /// Its result or its error.
    pub outcome: Outcome,
}

impl Response {
    /// An answer with a result.
    pub fn result(id: Id, result: RawJson) -> Self {
        Self { id, outcome: Outcome::Result(result) }
    }

    /// An error of our own making.
    pub fn error(id: Id, code: i32, message: &str) -> Self {
        Self { id, outcome: Outcome::Error(error_object(code, message, None)) }
    }
}

/// Writes a JSON-RPC error object.
pub fn error_object(code: i32, message: &str, data: Option<&RawJson>) -> RawJson {
    let mut out = BytesMut::with_capacity(message.len() + 48);
    out.put_slice(b"{\"code\":");
    out.put_slice(code.to_string().as_bytes());
    out.put_slice(b",\"message\":");
    raw::put_string(&mut out, message);
    if let Some(data) = data {
        out.put_slice(b",\"data\":");
        out.put_slice(data.as_bytes());
    }
    out.put_u8(b'}');
    RawJson::trusted(out.freeze())
}

/// Any JSON-RPC message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// Is an answer.
    Response(Response),
}

impl Message {
    /// A notification of our own making.
    pub fn notification(method: &str, params: Option<RawJson>) -> Self {
        let params = params.map(Params::opaque);
        Self::Notification(Notification { method: method.into(), params })
    }

    /// The payload's size plus the envelope's, near enough for accounting, in bytes.
    pub fn weight(&self) -> usize {
        let params = |p: &Option<Params>| p.as_ref().map_or(0, |p| p.raw().as_bytes().len());
        64 + match self {
            Self::Request(m) => m.id.as_bytes().len() + m.method.len() + params(&m.params),
            Self::Notification(m) => m.method.len() + params(&m.params),
            Self::Response(m) => match &m.outcome {
                Outcome::Result(raw) | Outcome::Error(raw) => {
                    m.id.as_bytes().len() + raw.as_bytes().len()
                }
            },
        }
    }

    /// Writes the message as one line of JSON without a line break, ready for the wire.
    pub fn encode(&self) -> Encoded {
        let mut head = BytesMut::with_capacity(self.head_len());
        let (body, tail) = match self.encode_into(&mut head) {
            Some(body) => (body, Bytes::from_static(CLOSING)),
            None => (Bytes::new(), Bytes::new()),
        };
        Encoded { head: head.freeze(), body, tail }
    }

    /// Appends that line to `out`. A payload too large to be copied is returned instead of the rest:
    /// it is to be written next, and [`CLOSING`] after it.
    pub(crate) fn encode_into(&self, out: &mut BytesMut) -> Option<Bytes> {
        out.reserve(self.head_len());
        out.put_slice(OPENING);
        if let Some(id) = self.id() {
            out.put_slice(ID);
            out.put_slice(id.as_bytes());
        }
        if let Some(method) = self.method() {
            out.put_slice(METHOD);
            raw::put_string(out, method);
        }
        if let Some((name, raw)) = self.payload() {
            out.put_slice(name);
            if raw.as_bytes().len() > COPY_UP_TO {
                return Some(raw.bytes().clone());
            }
            out.put_slice(raw.as_bytes());
        }
        out.put_slice(CLOSING);
        None
    }

    /// How much [`Message::encode_into`] appends; more only where a method has to be escaped.
    fn head_len(&self) -> usize {
        let id = self.id().map_or(0, |id| ID.len() + id.as_bytes().len());
        let method = self.method().map_or(0, |method| METHOD.len() + method.len() + 2);
        let payload = self.payload().map_or(CLOSING.len(), |(name, raw)| {
            let length = raw.as_bytes().len();
            name.len() + if length > COPY_UP_TO { 0 } else { length + CLOSING.len() }
        });
        OPENING.len() + id + method + payload
    }

    fn id(&self) -> Option<&Id> {
        match self {
            Self::Request(request) => Some(&request.id),
            Self::Notification(_) => None,
            Self::Response(response) => Some(&response.id),
        }
    }

    fn method(&self) -> Option<&MethodName> {
        match self {
            Self::Request(request) => Some(&request.method),
            Self::Notification(notification) => Some(&notification.method),
            Self::Response(_) => None,
        }
    }

    /// The payload, and what stands before it.
    fn payload(&self) -> Option<(&'static [u8], &RawJson)> {
        let (name, raw): (&[u8], _) = match self {
            Self::Request(Request { params, .. })
            | Self::Notification(Notification { params, .. }) => {
                (b",\"params\":", params.as_ref()?.raw())
            }
            Self::Response(response) => match &response.outcome {
                Outcome::Result(raw) => (b",\"result\":", raw),
                Outcome::Error(raw) => (b",\"error\":", raw),
            },
        };
        Some((name, raw))
    }
}

/// A message on its way out: up to three pieces to be written one after the other, so that a large
/// payload is not copied.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The envelope, and the payload where that is small.
    pub head: Bytes,
    /// A large payload; empty otherwise.
    pub body: Bytes,
    /// What closes the envelope after a large payload; empty otherwise.
    pub tail: Bytes,
}

impl Encoded {
    /// Length of all pieces in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a message is never empty")]
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len() + self.tail.len()
    }

    /// The pieces that are not empty, in order.
    pub fn pieces(self) -> impl Iterator<Item = Bytes> {
        [self.head, self.body, self.tail].into_iter().filter(|piece| !piece.is_empty())
    }

    /// All of it in one buffer. Copies, unless there is only one piece.
    pub fn into_bytes(self) -> Bytes {
        if self.body.is_empty() {
            return self.head;
        }
        let mut all = BytesMut::with_capacity(self.len());
        for piece in self.pieces() {
            all.put_slice(&piece);
        }
        all.freeze()
    }
}
