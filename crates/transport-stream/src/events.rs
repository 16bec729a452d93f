//! Messages as server-sent events (HTML Living Standard, "Server-sent events").
//!
//! Owns the text of an event. Must not know to whom it goes or whether it is kept.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use standpipe_core::budget::Permit;
use standpipe_core::message::Encoded;

use crate::headers::EventId;

/// After how many milliseconds a client should come back when its stream breaks.
const RETRY_MS: u32 = 1000;

/// What keeps a connection alive through proxies that end silent ones.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// One event, in up to three pieces so that a large payload is not copied. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    head: Bytes,
    body: Bytes,
    tail: Bytes,
}

impl Event {
    pub(crate) fn new(id: EventId, encoded: Encoded) -> Self {
        Self::after(&format!("id: {id}\nevent: message\ndata: "), encoded)
    }

    /// An event that cannot be resumed after (2026-07-28, "Receiving Messages").
    pub(crate) fn unnumbered(encoded: Encoded) -> Self {
        Self::after("event: message\ndata: ", encoded)
    }

    fn after(prefix: &str, encoded: Encoded) -> Self {
        let mut head = BytesMut::with_capacity(prefix.len() + encoded.head.len() + 2);
        head.put_slice(prefix.as_bytes());
        head.put_slice(&encoded.head);
        if encoded.body.is_empty() {
            head.put_slice(b"\n\n");
            return Self { head: head.freeze(), body: Bytes::new(), tail: Bytes::new() };
        }
        let mut tail = BytesMut::with_capacity(encoded.tail.len() + 2);
        tail.put_slice(&encoded.tail);
        tail.put_slice(b"\n\n");
        Self { head: head.freeze(), body: encoded.body, tail: tail.freeze() }
    }

    /// The event without a message that gives the client an id to resume with
    /// (2025-11-25, "Sending Messages to the Server").
    pub(crate) fn priming(id: EventId) -> Bytes {
        Bytes::from(format!("id: {id}\nretry: {RETRY_MS}\ndata: \n\n"))
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len() + self.tail.len()
    }

    /// The pieces in order. `permit` is held until the largest of them has left the process.
    pub(crate) fn pieces(self, permit: Option<Arc<Permit>>) -> [Bytes; 3] {
        if self.body.is_empty() {
            [held(self.head, permit), self.body, self.tail]
        } else {
            [self.head, held(self.body, permit), self.tail]
        }
    }
}

/// Bytes that hold a permit until nobody needs them any more.
pub(crate) fn held(bytes: Bytes, permit: Option<Arc<Permit>>) -> Bytes {
    struct Held {
        bytes: Bytes,
        _permit: Arc<Permit>,
    }
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    match permit {
        Some(permit) => Bytes::from_owner(Held { bytes, _permit: permit }),
        None => bytes,
    }
}
