//! What the processes of one service have written to their stderr lately, whichever of them it was.
//!
//! Owns the last lines, their numbers, and the waiting for the next ones. Must not know how stderr is
//! read nor who looks at it. Exists because one who asks why a service fails asks when the process
//! that said so is gone, and mostly its successor too.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use standpipe_core::status::Moment;
use tokio::sync::watch;

/// Lines kept; the oldest go first. A follower that is further behind has missed the rest.
pub(crate) const MAX_LINES: usize = 1000;

/// What is kept of all lines together, in bytes; the oldest go first.
const MAX_TOTAL_BYTES: usize = 256 << 10;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Counted from 1 over all lines of the service.
    pub number: u64,
    /// Which of the service's processes wrote it, as `ServiceStatus::generation` counts them.
    pub generation: u64,
    /// When it was read.
    pub at: Moment,
    /// What was written, at most 4 KiB of it, without its ending.
    pub text: Arc<str>,
}

/// Where one process's lines are written.
#[derive(Debug, Clone)]
pub(crate) struct JournalPen {
    journal: Arc<Journal>,
    generation: u64,
}

impl JournalPen {
    /// For the process of this number.
    pub(crate) const fn new(journal: Arc<Journal>, generation: u64) -> Self {
        Self { journal, generation }
    }

    /// Adds a line. Waits for nobody.
    pub(crate) fn write(&self, text: &str) {
        self.journal.write(self.generation, text);
    }
}

/// The last lines of a service's processes. They outlive the processes, and what replaces the service
/// goes on with them.
#[derive(Debug)]
pub(crate) struct Journal {
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    bytes: usize,
    written: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self { kept: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl Journal {
    fn write(&self, generation: u64, text: &str) {
        let mut kept = self.lock();
        kept.written += 1;
        kept.bytes += text.len();
        let number = kept.written;
        let at = Moment::now();
        kept.lines.push_back(LogLine { number, generation, at, text: text.into() });
        while kept.lines.len() > MAX_LINES || kept.bytes > MAX_TOTAL_BYTES {
            let Some(oldest) = kept.lines.pop_front() else {
                break;
            };
            kept.bytes -= oldest.text.len();
        }
        // Under the lock, so that the numbers come in order.
        self.newest.send_replace(number);
    }

    /// The last `most` lines, oldest first.
    pub(crate) fn last(&self, most: usize) -> Vec<LogLine> {
        let kept = self.lock();
        kept.lines.iter().skip(kept.lines.len().saturating_sub(most)).cloned().collect()
    }

    fn after(&self, number: u64) -> Lines {
        let kept = self.lock();
        let oldest = kept.lines.front().map_or(kept.written + 1, |line| line.number);
        let missed = oldest.saturating_sub(number + 1);
        let lines = kept.lines.iter().filter(|line| line.number > number).cloned().collect();
        Lines { missed, lines }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some lines that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// So many before them are gone: they came faster than they were read.
    pub missed: u64,
    /// Oldest first.
    pub lines: Vec<LogLine>,
}

/// Reads the lines of a service as they come. It holds nothing back: when it is slow it misses lines,
/// which it is told, and nobody else notices.
#[derive(Debug)]
pub struct LogFollower {
    journal: Arc<Journal>,
    newest: watch::Receiver<u64>,
    /// The last line that was read.
    read: u64,
}

impl LogFollower {
    /// Begins with the last `most` lines that are there already.
    pub(crate) fn new(journal: Arc<Journal>, most: usize) -> Self {
        let newest = journal.newest.subscribe();
        let read = {
            let kept = journal.lock();
            let skipped = kept.lines.len().saturating_sub(most);
            kept.lines.get(skipped).map_or(kept.written, |line| line.number - 1)
        };
        Self { journal, newest, read }
    }

    /// Waits until there are lines that were not read yet. Cancel safe.
    pub async fn next(&mut self) -> Lines {
        let read = self.read;
        // The journal lives as long as we do, and with it the sender.
        drop(self.newest.wait_for(|newest| *newest > read).await);
        self.unread()
    }

    /// The lines that were not read yet, if there are any.
    pub fn unread(&mut self) -> Lines {
        let lines = self.journal.after(self.read);
        self.read = lines.lines.last().map_or(self.read, |line| line.number);
        lines
    }
}
