//! The events of one stream, numbered, and those kept to be sent again.
//!
//! Owns the numbers, and the bounds of what is kept. Must not know who reads.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use standpipe_core::budget::{Budget, Permit};
use standpipe_core::connection::Delivery;
use standpipe_core::message::Encoded;

use crate::events::Event;
use crate::headers::{EventId, StreamId};

/// How much of one stream is kept to be sent again, in bytes, answers not counted: those have their
/// place until they were sent. When it is full the oldest events go.
const RING_BYTES: usize = 1024 * 1024;

/// The events of one stream.
#[derive(Debug)]
pub(crate) struct Log {
    stream: StreamId,
    /// The number of the newest event; 0 is the priming event.
    newest: u32,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    budget: Budget,
}

#[derive(Debug)]
struct Kept {
    number: u32,
    event: Event,
    answer: bool,
    /// The memory it has here, when that is its own.
    _charge: Option<Permit>,
    /// The memory it has had on its way here, shared with whoever sends it.
    permit: Option<Arc<Permit>>,
}

/// An event to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Next {
    pub(crate) number: u32,
    pub(crate) event: Event,
    pub(crate) permit: Option<Arc<Permit>>,
}

impl Log {
    /// A stream without events. What it keeps draws on `budget`.
    pub(crate) fn new(stream: StreamId, budget: Budget) -> Self {
        Self { stream, newest: 0, kept: VecDeque::new(), kept_bytes: 0, budget }
    }

    /// The number of the newest event.
    pub(crate) fn newest(&self) -> u32 {
        self.newest
    }

    /// The id of the event with this number.
    pub(crate) fn id(&self, event: u32) -> EventId {
        EventId { stream: self.stream, event }
    }

    /// Numbers a message that is sent now, and keeps it where there is room.
    pub(crate) fn send(&mut self, delivery: Delivery) -> Next {
        self.newest = self.newest.saturating_add(1);
        let next = Next {
            number: self.newest,
            event: Event::new(self.id(self.newest), delivery.message.encode()),
            permit: delivery.permit.map(Arc::new),
        };
        if delivery.last {
            // Sent and kept is the same memory until the stream is forgotten.
            self.keep(next.clone(), true, None);
            return next;
        }
        let weight = next.event.len();
        if weight > RING_BYTES {
            return next; // Too long to be kept, and no reason to forget the others.
        }
        self.make_room(weight);
        if let Some(charge) = self.budget.take(weight) {
            let copy = Next { permit: None, ..next.clone() };
            self.keep(copy, false, Some(charge));
        }
        next
    }

    /// Numbers a message that nobody is there to be sent to, and keeps it under the permit it has.
    pub(crate) fn put_by(&mut self, delivery: Delivery) {
        self.newest = self.newest.saturating_add(1);
        let next = Next {
            number: self.newest,
            event: Event::new(self.id(self.newest), delivery.message.encode()),
            permit: delivery.permit.map(Arc::new),
        };
        if !delivery.last {
            self.make_room(next.event.len());
        }
        self.keep(next, delivery.last, None);
    }

    /// The same for an error that was written already.
    pub(crate) fn put_by_text(&mut self, text: Bytes) {
        self.newest = self.newest.saturating_add(1);
        let encoded = Encoded { head: text, body: Bytes::new(), tail: Bytes::new() };
        let next = Next {
            number: self.newest,
            event: Event::new(self.id(self.newest), encoded),
            permit: None,
        };
        self.keep(next, true, None);
    }

    /// The first event after the one with this number that is still there.
    pub(crate) fn after(&self, number: u32) -> Option<Next> {
        let at = self.kept.partition_point(|kept| kept.number <= number);
        self.kept.get(at).map(|kept| Next {
            number: kept.number,
            event: kept.event.clone(),
            permit: kept.permit.clone(),
        })
    }

    /// Keeps nothing of what it has kept.
    pub(crate) fn forget(&mut self) {
        self.kept = VecDeque::new();
        self.kept_bytes = 0;
    }

    fn keep(&mut self, next: Next, answer: bool, charge: Option<Permit>) {
        if !answer {
            self.kept_bytes += next.event.len();
        }
        self.kept.push_back(Kept {
            number: next.number,
            event: next.event,
            answer,
            _charge: charge,
            permit: next.permit,
        });
    }

    /// Makes room for `weight` more bytes: the oldest events that are not answers go.
    fn make_room(&mut self, weight: usize) {
        while self.kept_bytes > 0 && self.kept_bytes + weight > RING_BYTES {
            let Some(at) = self.kept.iter().position(|kept| !kept.answer) else {
                return;
            };
            if let Some(gone) = self.kept.remove(at) {
                self.kept_bytes -= gone.event.len();
            }
        }
    }
}
