//! The GET streams of one session.
//!
//! Owns who gets the messages that belong to no request: the newest stream that is read, each
//! message once (2025-11-25, "Multiple Connections"). Without one they are held, within the bounds
//! of an outlet. Must not know of HTTP.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use standpipe_core::budget::Budget;
use standpipe_core::connection::{Intake, Lagged};
use tokio::time::Instant;

use crate::call::Found;
use crate::headers::StreamId;
use crate::log::Log;

/// How many GET streams of one session may be open at once. More are refused.
pub(crate) const MAX_LISTENERS: usize = 4;

/// For how long what was sent on a GET stream is kept after it broke.
const BROKEN: Duration = Duration::from_mins(1);

/// The GET streams of a session.
#[derive(Debug)]
pub(crate) struct Listening {
    intake: Intake,
    replay: Budget,
    listeners: Vec<Listener>,
    next_number: u32,
    next_ticket: u32,
}

#[derive(Debug)]
struct Listener {
    log: Log,
    number: u32,
    /// Grows with every reader of the session; the highest that is attached gets the messages.
    ticket: u32,
    reader: Presence,
}

#[derive(Debug)]
enum Presence {
    Attached(Option<Waker>),
    Left(Instant),
}

/// A reader's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) number: u32,
    pub(crate) ticket: u32,
    /// The newest event that the client has.
    pub(crate) seen: u32,
    /// Whether the stream begins here, and was not resumed.
    pub(crate) fresh: bool,
}

/// Why a GET stream cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unlistened {
    /// [`MAX_LISTENERS`] are open.
    TooMany,
    /// There never was such an event.
    Unknown,
}

impl Listening {
    /// The messages of `intake` go to GET streams, what is sent is kept within `replay`.
    pub(crate) fn new(intake: Intake, replay: Budget) -> Self {
        Self { intake, replay, listeners: Vec::new(), next_number: 0, next_ticket: 0 }
    }

    /// Opens a stream, or resumes one after the event `resume` (stream, event). A stream that is
    /// not kept any more is continued as a new one: all that is lost is what was sent into the
    /// broken connection.
    pub(crate) fn attach(&mut self, resume: Option<(u32, u32)>) -> Result<Place, Unlistened> {
        if let Some((number, seen)) = resume {
            if number >= self.next_number {
                return Err(Unlistened::Unknown);
            }
            if let Some(at) = self.position(number) {
                if seen > self.listeners[at].log.newest() {
                    return Err(Unlistened::Unknown);
                }
                return Ok(self.reattach(at, seen));
            }
        }
        let mut open = 0;
        let mut oldest_left = None;
        for (at, listener) in self.listeners.iter().enumerate() {
            match listener.reader {
                Presence::Attached(_) => open += 1,
                Presence::Left(_) => oldest_left = oldest_left.or(Some(at)),
            }
        }
        if open >= MAX_LISTENERS {
            return Err(Unlistened::TooMany);
        }
        if self.listeners.len() >= MAX_LISTENERS
            && let Some(at) = oldest_left
        {
            self.listeners.remove(at);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.listeners.push(Listener {
            log: Log::new(StreamId::Listener(number), self.replay.clone()),
            number,
            ticket: 0,
            reader: Presence::Left(Instant::now()),
        });
        let mut place = self.reattach(self.listeners.len() - 1, 0);
        place.fresh = true;
        Ok(place)
    }

    fn reattach(&mut self, at: usize, seen: u32) -> Place {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        // What was dropped while nobody read is no fault of this reader.
        if self.current().is_none() {
            self.intake.forget_lag();
        }
        let listener = &mut self.listeners[at];
        listener.ticket = ticket;
        let before = std::mem::replace(&mut listener.reader, Presence::Attached(None));
        let number = listener.number;
        if let Presence::Attached(Some(waker)) = before {
            waker.wake(); // It finds that it has been displaced.
        }
        Place { number, ticket, seen, fresh: false }
    }

    /// The event after the one numbered `seen`, for the reader at this place.
    pub(crate) fn poll_event(
        &mut self,
        number: u32,
        ticket: u32,
        seen: u32,
        cx: &mut Context<'_>,
    ) -> Poll<Found> {
        let current = self.current();
        let Some(at) = self.position(number) else {
            return Poll::Ready(Found::End);
        };
        let listener = &mut self.listeners[at];
        if listener.ticket != ticket {
            return Poll::Ready(Found::End);
        }
        if let Some(next) = listener.log.after(seen) {
            return Poll::Ready(Found::Event(next));
        }
        if current == Some(at) {
            match self.intake.poll_next(cx) {
                Poll::Ready(Ok(Some(delivery))) => {
                    return Poll::Ready(Found::Event(listener.log.send(delivery)));
                }
                // Too slow, or over: this connection ends.
                Poll::Ready(Err(Lagged) | Ok(None)) => return Poll::Ready(Found::End),
                Poll::Pending => {}
            }
        }
        listener.reader = Presence::Attached(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// The reader at this place goes; the next newest one takes over.
    pub(crate) fn detach(&mut self, number: u32, ticket: u32) {
        let Some(at) = self.position(number) else {
            return;
        };
        if self.listeners[at].ticket != ticket {
            return;
        }
        self.listeners[at].reader = Presence::Left(Instant::now());
        if let Some(at) = self.current()
            && let Presence::Attached(Some(waker)) = &self.listeners[at].reader
        {
            waker.wake_by_ref();
        }
    }

    /// Forgets what was sent on streams that broke a while ago.
    pub(crate) fn tidy(&mut self, now: Instant) {
        for listener in &mut self.listeners {
            if let Presence::Left(since) = listener.reader
                && now.saturating_duration_since(since) >= BROKEN
            {
                listener.log.forget();
            }
        }
    }

    /// Ends all streams.
    pub(crate) fn close(&mut self) {
        for listener in self.listeners.drain(..) {
            if let Presence::Attached(Some(waker)) = listener.reader {
                waker.wake();
            }
        }
    }

    fn position(&self, number: u32) -> Option<usize> {
        self.listeners.iter().position(|listener| listener.number == number)
    }

    fn current(&self) -> Option<usize> {
        let attached = self.listeners.iter().enumerate();
        attached
            .filter(|(_, listener)| matches!(listener.reader, Presence::Attached(_)))
            .max_by_key(|(_, listener)| listener.ticket)
            .map(|(at, _)| at)
    }
}
