//! Lines that wait to be written to the child.
//!
//! Owns their order and their places in the input queue. Must not know how they are written.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use crate::connection::Slot;
use crate::message::Message;

/// Answers of our own to a child that floods us with requests and does not read: past this many
/// unwritten ones it gets none. All other lines hold a slot of the bounded input queue.
const MAX_UNPROMPTED: usize = 1024;

/// Lines are joined into one write up to this many bytes.
const BATCH_BYTES: usize = 64 * 1024;

/// The queue of lines for one child.
#[derive(Debug, Default)]
pub struct Outgoing {
    queue: VecDeque<Entry>,
    unprompted: usize,
}

#[derive(Debug)]
struct Entry {
    message: Message,
    /// The call this line opens, so that it can be withdrawn.
    call: Option<u64>,
    slot: Option<Slot>,
    /// Whether it counts among [`Outgoing::unprompted`].
    unprompted: bool,
}

/// Some lines to be written in one go. Dropping it frees their places in the queue.
#[derive(Debug, Default)]
pub struct Batch {
    /// What to write, in order. Large payloads are slices of what their client sent.
    pub chunks: VecDeque<Bytes>,
    slots: Vec<Slot>,
}

impl Batch {
    /// How many queue places are freed when it is dropped.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }
}

impl Outgoing {
    /// Queues a line that a client caused.
    pub(super) fn push(&mut self, message: Message, call: Option<u64>, slot: Option<Slot>) {
        self.queue.push_back(Entry { message, call, slot, unprompted: false });
    }

    /// Queues a line that the child itself caused. `false` when it reads so little that it gets none.
    pub(super) fn push_unprompted(&mut self, message: Message) -> bool {
        if self.unprompted >= MAX_UNPROMPTED {
            return false;
        }
        self.unprompted += 1;
        self.queue.push_back(Entry { message, call: None, slot: None, unprompted: true });
        true
    }

    /// Takes back the line that opens this call. `false` when it has been written.
    pub(super) fn withdraw(&mut self, call: u64) -> bool {
        let Some(at) = self.queue.iter().position(|entry| entry.call == Some(call)) else {
            return false;
        };
        self.queue.remove(at);
        true
    }

    /// Forgets everything: there is nobody to write to.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.unprompted = 0;
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next lines to write: many small ones, or up to one large one.
    pub fn next_batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut joined = BytesMut::new();
        while let Some(entry) = self.queue.pop_front() {
            self.unprompted -= usize::from(entry.unprompted);
            let encoded = entry.message.encode();
            batch.slots.extend(entry.slot);
            joined.put_slice(&encoded.head);
            if !encoded.body.is_empty() {
                batch.chunks.push_back(joined.split().freeze());
                batch.chunks.push_back(encoded.body);
                joined.put_slice(&encoded.tail);
                joined.put_u8(b'\n');
                break;
            }
            joined.put_u8(b'\n');
            if joined.len() >= BATCH_BYTES {
                break;
            }
        }
        if !joined.is_empty() {
            batch.chunks.push_back(joined.freeze());
        }
        batch
    }
}
