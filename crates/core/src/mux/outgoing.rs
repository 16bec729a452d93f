//! Lines that wait to be written to the child.
//!
//! Owns their order and their places in the input queue. Must not know how they are written.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use crate::connection::Slot;
use crate::message::{CLOSING, Message};

/// Answers of our own to a child that floods us with requests and does not read: past this many
/// unwritten ones it gets none. All other lines hold a slot of the bounded input queue.
const MAX_UNPROMPTED: usize = 1024;

/// Lines are joined into one write up to this many bytes.
const BATCH_BYTES: usize = 64 * 1024;

/// The room for one batch to begin with. It is used again and again: what is larger is not kept, for
/// there may be hundreds of children.
const ROOM_BYTES: usize = 4 * 1024;

/// The most places for slots that are kept from one batch to the next.
const KEPT_SLOTS: usize = 64;

/// The queue of lines for one child.
#[derive(Debug, Default)]
pub struct Outgoing {
    queue: VecDeque<Entry>,
    unprompted: usize,
    /// Where lines are joined. The last batch is a part of the same memory, which is free again when
    /// that has been written.
    room: BytesMut,
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
    /// All of it has been written, or never will be.
    pub fn clear(&mut self) {
        self.chunks.clear();
        if self.slots.capacity() > KEPT_SLOTS {
            self.slots = Vec::new();
        }
        self.slots.clear();
    }

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
        self.room = BytesMut::new();
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next lines to write: many small ones, or up to one large one.
    pub fn next_batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        self.fill(&mut batch);
        batch
    }

    /// Puts the next lines to write in the place of a batch that has been written.
    pub fn fill(&mut self, batch: &mut Batch) {
        batch.clear();
        if self.queue.is_empty() {
            return;
        }
        self.room.reserve(ROOM_BYTES);
        while let Some(entry) = self.queue.pop_front() {
            self.unprompted -= usize::from(entry.unprompted);
            batch.slots.extend(entry.slot);
            if let Some(body) = entry.message.encode_into(&mut self.room) {
                batch.chunks.extend([self.room.split().freeze(), body]);
                self.room.put_slice(CLOSING);
                self.room.put_u8(b'\n');
                break;
            }
            self.room.put_u8(b'\n');
            if self.room.len() >= BATCH_BYTES {
                break;
            }
        }
        let length = self.room.len();
        batch.chunks.push_back(self.room.split().freeze());
        if length > ROOM_BYTES {
            self.room = BytesMut::new();
        }
    }
}
