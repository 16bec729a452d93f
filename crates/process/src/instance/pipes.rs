//! The pipes of one child, read and written in the same task.
//!
//! Owns what is half read and half written. A child that blocks on its stdout while we block on its
//! stdin is the classic deadlock; here neither ever waits for the other. Must not know what a line
//! means.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use standpipe_core::mux::{Batch, Mux};
use standpipe_metrics::ServiceMetrics;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::ChildStdin;
use tokio::time::Instant;

use crate::codec::{Line, LineCodec};

/// What a child writes.
pub(crate) type Stdout = Pin<Box<dyn AsyncRead + Send>>;
/// What a child reads.
pub(crate) type Stdin = Pin<Box<dyn Inlet + Send>>;

/// The writing end of what a child reads.
pub(crate) trait Inlet: AsyncWrite {
    /// Whether all that was written has been read.
    fn was_read(&self) -> bool;
}

impl Inlet for ChildStdin {
    fn was_read(&self) -> bool {
        rustix::io::ioctl_fionread(self).is_ok_and(|unread| unread == 0)
    }
}

/// Pieces written in one go: a small batch is one, a large payload three.
const SLICES: usize = 4;

/// Reads in one turn before inputs, and other tasks of the same thread, get theirs.
const READS_AT_ONCE: usize = 8;

/// The same for lines: a read may bring many short ones, each of which is work.
const LINES_AT_ONCE: usize = 128;

/// The two ends that we hold.
pub(crate) struct Pipes {
    stdin: Option<Stdin>,
    stdout: Option<Stdout>,
    codec: LineCodec,
    writing: Batch,
    /// The child does not read any more.
    write_failed: bool,
}

impl std::fmt::Debug for Pipes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipes").finish_non_exhaustive()
    }
}

impl Pipes {
    /// Pipes of a child whose messages have at most `max_message_bytes`.
    pub(crate) fn new(stdin: Stdin, stdout: Stdout, max_message_bytes: usize) -> Self {
        Self {
            stdin: Some(stdin),
            stdout: Some(stdout),
            codec: LineCodec::new(max_message_bytes),
            writing: Batch::default(),
            write_failed: false,
        }
    }

    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
        self.writing = Batch::default();
    }

    pub(super) fn stdin_closed(&self) -> bool {
        self.stdin.is_none()
    }

    /// Whether the child closed its stdin, as opposed to us.
    pub(super) fn write_failed(&self) -> bool {
        self.write_failed
    }

    pub(super) fn stdout_closed(&self) -> bool {
        self.stdout.is_none()
    }

    /// Whether the child has read all that was written, and nothing waits to be.
    pub(super) fn all_was_read(&self) -> bool {
        let read = self.stdin.as_ref().is_some_and(|stdin| stdin.was_read());
        read && self.writing.chunks.is_empty()
    }

    /// Writes as much as the child takes.
    pub(super) fn poll_write(&mut self, mux: &mut Mux, cx: &mut Context<'_>) {
        loop {
            if self.writing.chunks.is_empty() {
                if mux.outgoing().is_empty() {
                    self.writing.clear();
                    return;
                }
                mux.outgoing().fill(&mut self.writing);
            }
            let Some(stdin) = &mut self.stdin else {
                // Nobody reads it; what waits frees its place in the queue.
                self.writing.clear();
                continue;
            };
            let mut slices = [IoSlice::new(&[]); SLICES];
            for (slice, chunk) in slices.iter_mut().zip(&self.writing.chunks) {
                *slice = IoSlice::new(chunk);
            }
            match stdin.as_mut().poll_write_vectored(cx, &slices) {
                Poll::Pending => return,
                Poll::Ready(Ok(written @ 1..)) => written_of(&mut self.writing.chunks, written),
                // The child mostly ends then. One that does not is of no use either.
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.write_failed = true;
                    self.close_stdin();
                    return;
                }
            }
        }
    }

    /// Reads what is there and hands its lines on, at the time `now`. Whether others should have their
    /// turn before this child has its next: there is more.
    pub(super) fn poll_read(
        &mut self,
        mux: &mut Mux,
        metrics: &ServiceMetrics,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut sink = Sink { mux, metrics, now };
        let mut lines = 0;
        for _ in 0..READS_AT_ONCE {
            // What the last turn has left comes first.
            while let Some(line) = self.codec.next() {
                sink.line(line);
                lines += 1;
                if lines == LINES_AT_ONCE {
                    return true;
                }
            }
            let Some(stdout) = &mut self.stdout else {
                return false;
            };
            match tokio_util::io::poll_read_buf(stdout.as_mut(), cx, self.codec.read_buf()) {
                Poll::Pending => return false,
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => {
                    if let Some(line) = self.codec.finish() {
                        sink.line(line);
                    }
                    self.stdout = None;
                }
            }
        }
        true
    }
}

/// Takes what was written off the front.
fn written_of(chunks: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(chunk) = chunks.front_mut() {
        if chunk.len() > written {
            chunk.advance(written);
            return;
        }
        written -= chunk.len();
        chunks.pop_front();
    }
}

/// Where lines go.
struct Sink<'a> {
    mux: &'a mut Mux,
    metrics: &'a ServiceMetrics,
    now: Instant,
}

impl Sink<'_> {
    fn line(&mut self, line: Line) {
        self.mux.heard(self.now);
        match line {
            Line::Message(text) => self.mux.line(&text, self.now),
            Line::Noise(text) => {
                self.metrics.noise_line();
                tracing::debug!(
                    service = %self.metrics.id(),
                    line = %String::from_utf8_lossy(&text),
                    "the child wrote a line to stdout that is not a message"
                );
            }
            Line::Oversized { bytes, id, is_response } => {
                self.metrics.oversized_line();
                tracing::warn!(
                    service = %self.metrics.id(),
                    bytes,
                    "a message of the child is over the limit and was dropped"
                );
                match id {
                    Some(id) if !is_response => self.mux.oversized_question(&id, bytes),
                    id => self.mux.oversized(id.as_ref(), bytes, self.now),
                }
            }
        }
    }
}
