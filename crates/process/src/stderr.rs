//! Owns a child's stderr: always drained, the last lines kept for diagnosis, everything bounded. It
//! does not decide where lines are shown or logged.
//!
//! A child whose stderr is not read blocks for ever once the pipe is full, so nothing here ever
//! waits for anybody but the child.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Lines kept by [`StderrTail::default`].
const DEFAULT_LINES: usize = 200;
/// Lines that are shown of a child that has ended.
const LAST_WORDS: usize = 20;
/// What is kept of a line; the rest is dropped as it arrives.
pub(crate) const MAX_LINE_BYTES: usize = 4 << 10;
/// What is kept of all lines together; the oldest go first.
const MAX_TOTAL_BYTES: usize = 64 << 10;
/// How much is read at once.
const READ_BYTES: usize = 16 << 10;

/// The last lines of a child's stderr. Clones share them.
#[derive(Clone, Debug)]
pub struct StderrTail {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    max_lines: usize,
}

impl Default for StderrTail {
    fn default() -> Self {
        Self::new(DEFAULT_LINES)
    }
}

impl StderrTail {
    /// Keeps the last `max_lines` lines, of each at most 4 KiB and of all at most 64 KiB.
    pub fn new(max_lines: usize) -> Self {
        let kept = Kept { lines: VecDeque::new(), bytes: 0, max_lines };
        Self { kept: Arc::new(Mutex::new(kept)) }
    }

    /// The lines kept, oldest first.
    pub fn lines(&self) -> Vec<Arc<str>> {
        self.lock().lines.iter().cloned().collect()
    }

    /// The last twenty of them: what a child said before it ended.
    pub fn last_words(&self) -> Vec<Arc<str>> {
        let kept = self.lock();
        kept.lines.iter().skip(kept.lines.len().saturating_sub(LAST_WORDS)).cloned().collect()
    }

    /// Adds a line.
    pub fn push(&self, line: &str) {
        let mut kept = self.lock();
        let line = &line[..line.floor_char_boundary(MAX_TOTAL_BYTES)];
        kept.bytes += line.len();
        kept.lines.push_back(line.into());
        while kept.lines.len() > kept.max_lines || kept.bytes > MAX_TOTAL_BYTES {
            let Some(oldest) = kept.lines.pop_front() else {
                break;
            };
            kept.bytes -= oldest.len();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads `stderr` to its end, keeping the last lines in `tail` and giving each to `on_line`, which
/// must not block. Lines come without their ending, over-long ones cut with a note, and bytes that
/// are no UTF-8 replaced; blank lines are skipped. A read error counts as the end.
pub async fn drain(stderr: impl AsyncRead + Unpin, tail: StderrTail, on_line: impl FnMut(&str)) {
    drain_until(stderr, std::future::pending(), tail, on_line).await;
}

/// The same, but no longer than until `over`: a process that has left everything of its child's behind
/// but this pipe would keep it open for as long as it likes.
pub(crate) async fn drain_until(
    mut stderr: impl AsyncRead + Unpin,
    over: impl Future<Output = ()>,
    tail: StderrTail,
    mut on_line: impl FnMut(&str),
) {
    let mut over = pin!(over);
    let mut splitter = Splitter::default();
    let mut chunk = vec![0; READ_BYTES];
    let mut deliver = |line: &str| {
        tail.push(line);
        on_line(line);
    };
    loop {
        // Cancel safe: a read that is dropped has taken nothing.
        let read = tokio::select! {
            biased;
            () = &mut over => break,
            read = stderr.read(&mut chunk) => read,
        };
        let Ok(length @ 1..) = read else { break };
        splitter.feed(&chunk[..length], &mut deliver);
    }
    splitter.finish(&mut deliver);
}

/// Cuts bytes into lines of bounded length.
#[derive(Debug, Default)]
struct Splitter {
    line: Vec<u8>,
    dropped: u64,
}

impl Splitter {
    fn feed(&mut self, mut bytes: &[u8], deliver: &mut impl FnMut(&str)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.extend(&bytes[..end]);
            self.finish(deliver);
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes);
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES.saturating_sub(self.line.len()).min(bytes.len());
        self.line.extend_from_slice(&bytes[..room]);
        self.dropped += (bytes.len() - room) as u64;
    }

    fn finish(&mut self, deliver: &mut impl FnMut(&str)) {
        let line = self.line.trim_ascii_end();
        if self.dropped > 0 {
            let shown = String::from_utf8_lossy(line);
            deliver(&format!("{shown}… ({} bytes more)", self.dropped));
        } else if !line.is_empty() {
            deliver(&String::from_utf8_lossy(line));
        }
        self.line.clear();
        self.dropped = 0;
    }
}

#[cfg(test)]
mod tests;
