//! The pipes of one child, read and written in the same task.
//!
//! Owns what is half read and half written. A child that blocks on its stdout while we block on its
//! stdin is the classic deadlock; here neither ever waits for the other. Must not know what a line
//! means.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use standpipe_core::mux::{Batch, Mux};
use standpipe_metrics::ServiceMetrics;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::ChildStdin;
use tokio::time::Instant;

use super::Child;
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
    /// The last turn ended before all was read and handed on that is there.
    more: bool,
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
            more: false,
        }
    }

    /// Whether others should have their turn before this child has its next.
    pub(super) fn has_more(&self) -> bool {
        self.more
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

    /// Writes as much as the child takes. Ready when something was written.
    fn poll_write(&mut self, cx: &mut Context<'_>, mux: &mut Mux) -> Poll<()> {
        let mut wrote = Poll::Pending;
        loop {
            let Some(stdin) = &mut self.stdin else {
                // Nobody reads it; what waits frees its place in the queue.
                while !mux.outgoing().is_empty() {
                    drop(mux.outgoing().next_batch());
                }
                return wrote;
            };
            if self.writing.chunks.is_empty() {
                if mux.outgoing().is_empty() {
                    self.writing.clear();
                    return wrote;
                }
                mux.outgoing().fill(&mut self.writing);
                continue;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            for (slice, chunk) in slices.iter_mut().zip(&self.writing.chunks) {
                *slice = IoSlice::new(chunk);
            }
            match stdin.as_mut().poll_write_vectored(cx, &slices) {
                Poll::Pending => return wrote,
                Poll::Ready(Ok(written @ 1..)) => {
                    written_of(&mut self.writing.chunks, written);
                    wrote = Poll::Ready(());
                }
                // The child mostly ends then. One that does not is of no use either.
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.write_failed = true;
                    self.close_stdin();
                    wrote = Poll::Ready(());
                }
            }
        }
    }

    /// Reads what is there and hands its lines on. Ready when something was read.
    fn poll_read(&mut self, cx: &mut Context<'_>, sink: &mut Sink<'_>) -> Poll<()> {
        let mut progress = Poll::Pending;
        let mut lines = 0;
        self.more = false;
        for _ in 0..READS_AT_ONCE {
            // What the last turn has left comes first.
            while let Some(line) = self.codec.next() {
                sink.line(line);
                progress = Poll::Ready(());
                lines += 1;
                if lines == LINES_AT_ONCE {
                    self.more = true;
                    return progress;
                }
            }
            let Some(stdout) = &mut self.stdout else {
                return progress;
            };
            match tokio_util::io::poll_read_buf(stdout.as_mut(), cx, self.codec.read_buf()) {
                Poll::Pending => return progress,
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => {
                    if let Some(line) = self.codec.finish() {
                        sink.line(line);
                    }
                    self.stdout = None;
                }
            }
            progress = Poll::Ready(());
        }
        self.more = true;
        progress
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

/// Moves bytes in both directions; returns when some moved. Without a child, never. Cancel safe:
/// whatever was read or written has been accounted for when the poll returns.
pub(super) async fn turn(child: Option<&mut Child>, mux: &mut Mux, metrics: &ServiceMetrics) {
    let Some(child) = child else {
        return pending().await;
    };
    poll_fn(|cx| {
        let wrote = child.pipes.poll_write(cx, mux);
        let mut sink = Sink { mux, metrics, now: Instant::now() };
        let read = child.pipes.poll_read(cx, &mut sink);
        if wrote.is_ready() || read.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
