//! The event stream of one client.
//!
//! Owns how events look on the wire (HTML, "Server-sent events"; 2024-11-05, "HTTP with SSE"), the
//! keep-alive comments, and the stream's end, which is the session's. Must not know what a message
//! says. Nothing is written ahead: what the client does not read stays in the bounded queue.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use standpipe_core::budget::Permit;
use standpipe_core::connection::{Delivery, Intake};
use standpipe_metrics::OpenStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::connection::Connection;
use crate::headers::SESSION_PARAMETER;
use crate::transport::Seat;

/// Small events that wait together are written together, up to about this many bytes.
const TOGETHER: usize = 32 * 1024;

/// A large event is written in slices of this many bytes, so that a slow but living reader shows.
const SLICE: usize = 256 * 1024;

const BEFORE: &[u8] = b"event: message\ndata: ";
const AFTER: &[u8] = b"\n\n";
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// The event stream of one client. Dropping it ends the session.
#[derive(Debug)]
pub(crate) struct Events {
    connection: Arc<Connection>,
    intake: Intake,
    /// What is to be written next, in order.
    ready: VecDeque<Bytes>,
    over: Pin<Box<WaitForCancellationFutureOwned>>,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
    written_at: Instant,
    ended: bool,
    // Dropped after `Drop::drop` below has ended the session.
    _seat: Seat,
    _counted: OpenStream,
}

impl Events {
    /// The stream of `connection`, which begins by naming the message endpoint.
    pub(crate) fn new(
        connection: Arc<Connection>,
        intake: Intake,
        message_path: &str,
        keep_alive: Duration,
        seat: Seat,
        counted: OpenStream,
    ) -> Self {
        let separator = if message_path.contains('?') { '&' } else { '?' };
        let endpoint = format!(
            "event: endpoint\ndata: {message_path}{separator}{SESSION_PARAMETER}={}\n\n",
            connection.id
        );
        let now = Instant::now();
        Self {
            over: Box::pin(connection.over.clone().cancelled_owned()),
            connection,
            intake,
            ready: VecDeque::from([Bytes::from(endpoint)]),
            keep_alive,
            silence: Box::pin(sleep_until(now + keep_alive)),
            written_at: now,
            ended: false,
            _seat: seat,
            _counted: counted,
        }
    }

    /// What is to be written next; `None` at the end.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.connection.read();
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                self.written_at = Instant::now();
                return Poll::Ready(Some(bytes));
            }
            if self.ended {
                self.connection.end();
                return Poll::Ready(None);
            }
            self.gather(cx);
            if !self.ready.is_empty() || self.ended {
                continue;
            }
            if self.over.as_mut().poll(cx).is_ready() || self.connection.was_left() {
                self.ended = true;
                continue;
            }
            if self.silence.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let due = self.written_at + self.keep_alive;
            if due <= Instant::now() {
                self.ready.push_back(Bytes::from_static(KEEP_ALIVE));
                self.silence.as_mut().reset(Instant::now() + self.keep_alive);
            } else {
                // Something was written in the meantime; the timer is not moved for every message.
                self.silence.as_mut().reset(due);
            }
        }
    }

    /// Takes what waits, as far as it should be written together.
    fn gather(&mut self, cx: &mut Context<'_>) {
        let mut buffer = BytesMut::new();
        while self.ready.is_empty() && buffer.len() < TOGETHER {
            match self.intake.poll_next(cx) {
                Poll::Ready(Ok(Some(delivery))) => {
                    self.connection.note(&delivery);
                    self.event(delivery, &mut buffer);
                }
                Poll::Ready(Ok(None)) => {
                    self.ended = true;
                    break;
                }
                Poll::Ready(Err(lagged)) => {
                    // A gap can't be told from silence, so the client has to begin again.
                    tracing::info!(
                        service = %self.connection.service,
                        session = %self.connection.id.short(),
                        "event stream cut: {lagged}"
                    );
                    self.ended = true;
                    break;
                }
                Poll::Pending => break,
            }
        }
        if !buffer.is_empty() {
            self.ready.push_back(buffer.freeze());
        }
    }

    fn event(&mut self, delivery: Delivery, buffer: &mut BytesMut) {
        let encoded = delivery.message.encode();
        buffer.put_slice(BEFORE);
        buffer.put_slice(&encoded.head);
        if encoded.body.is_empty() {
            buffer.put_slice(AFTER);
            return;
        }
        self.ready.push_back(buffer.split().freeze());
        let mut payload = Bytes::from_owner(Held { bytes: encoded.body, _permit: delivery.permit });
        while payload.len() > SLICE {
            self.ready.push_back(payload.split_to(SLICE));
        }
        self.ready.push_back(payload);
        let mut end = BytesMut::from(&encoded.tail[..]);
        end.put_slice(AFTER);
        self.ready.push_back(end.freeze());
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.connection.end();
        tracing::debug!(
            service = %self.connection.service,
            session = %self.connection.id.short(),
            "event stream ended"
        );
    }
}

/// A large payload with its place in the budget, which is given back when the last slice of it has
/// left the process.
struct Held {
    bytes: Bytes,
    _permit: Option<Permit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
