//! A modern call's answer as an event stream: [`ModernBody`].
//!
//! Owns the pace of one response: the next event, silence broken by comments, the end. It owns its
//! call as well: a response that is dropped, because its client has gone, cancels it (2026-07-28,
//! "Cancellation"). Nothing can be resumed, so nothing is kept.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use standpipe_core::connection::Delivery;
use standpipe_metrics::{OpenStream, Wire};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::call::Call;
use crate::events::{Event, KEEP_ALIVE};

/// After this much silence a comment is sent.
const SILENCE: Duration = Duration::from_secs(15);

/// The response to one request.
pub(crate) struct ModernBody {
    call: Call,
    /// What is left of the event that was taken last.
    pieces: VecDeque<Bytes>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    last_sent: Instant,
    silence: Pin<Box<Sleep>>,
    _open: OpenStream,
}

impl ModernBody {
    /// Begins with `first`, if there is something already.
    pub(super) fn new(call: Call, first: Option<Delivery>, shutdown: &CancellationToken) -> Self {
        let open = call.metrics().open_stream(Wire::StreamModern);
        let mut body = Self {
            call,
            pieces: VecDeque::new(),
            shutdown: Box::pin(shutdown.clone().cancelled_owned()),
            last_sent: Instant::now(),
            silence: Box::pin(sleep(SILENCE)),
            _open: open,
        };
        if let Some(delivery) = first {
            body.put(delivery);
        }
        body
    }

    /// The next bytes for the client; `None` at the end.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Poll::Ready(Some(piece));
            }
            match self.call.poll_next(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(delivery)) => self.put(delivery),
                Poll::Pending => {
                    if self.shutdown.as_mut().poll(cx).is_pending() {
                        return self.poll_silence(cx).map(Some);
                    }
                    let Some(end) = self.call.shut_down() else { return Poll::Ready(None) };
                    self.put(end);
                }
            }
        }
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.call.is_over() && self.pieces.is_empty()
    }

    fn put(&mut self, delivery: Delivery) {
        let permit = delivery.permit.map(Arc::new);
        let pieces = Event::unnumbered(delivery.message.encode()).pieces(permit);
        self.pieces.extend(pieces.into_iter().filter(|piece| !piece.is_empty()));
        self.last_sent = Instant::now();
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        std::task::ready!(self.silence.as_mut().poll(cx));
        let now = Instant::now();
        // The timer is not moved with every event, only when it has gone off.
        let due = self.last_sent + SILENCE;
        if due > now {
            self.silence.as_mut().reset(due);
            return self.poll_silence(cx);
        }
        self.last_sent = now;
        self.silence.as_mut().reset(now + SILENCE);
        Poll::Ready(KEEP_ALIVE)
    }
}
