//! Writing log lines to stderr without ever waiting for whoever reads it.
//!
//! Owns a thread and a bounded queue. It must not know the format of lines. It exists because a
//! pipe that nobody empties holds 64 KiB, and the next write would stop the runtime.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for stderr. When it is full a line is dropped and counted; the count is
/// written as soon as stderr moves again.
const QUEUE: usize = 4096;

/// How long the end waits for lines that are still queued.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Hands lines to the thread that writes them.
#[derive(Debug, Clone)]
pub(super) struct LogWriter {
    lines: SyncSender<Order>,
    dropped: Arc<AtomicU64>,
}

/// Writes what is queued when dropped, for a second at most.
#[derive(Debug)]
#[must_use = "lines may be lost when the program ends without dropping the guard"]
pub(super) struct LogGuard {
    lines: SyncSender<Order>,
}

#[derive(Debug)]
enum Order {
    Write(Vec<u8>),
    Flush(SyncSender<()>),
}

impl LogWriter {
    pub(super) fn start() -> io::Result<(Self, LogGuard)> {
        let (lines, queue) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&queue, &count, &mut io::stderr()))?;
        Ok((Self { lines: lines.clone(), dropped }, LogGuard { lines }))
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { writer: self, text: Vec::with_capacity(256) }
    }
}

/// One line while it is formatted; queued when dropped.
#[derive(Debug)]
pub(super) struct Line<'a> {
    writer: &'a LogWriter,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let line = Order::Write(std::mem::take(&mut self.text));
        if let Err(TrySendError::Full(_)) = self.writer.lines.try_send(line) {
            self.writer.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (done, finished) = sync_channel(1);
        // A full queue means that nobody reads; there is nothing to wait for then.
        if self.lines.try_send(Order::Flush(done)).is_ok() {
            let _written_or_too_late = finished.recv_timeout(LAST_WORDS);
        }
    }
}

fn write_all(queue: &Receiver<Order>, dropped: &AtomicU64, out: &mut impl Write) {
    while let Ok(order) = queue.recv() {
        match order {
            // Nothing can be done about a log that cannot be written.
            Order::Write(line) => drop(out.write_all(&line)),
            Order::Flush(done) => {
                drop(out.flush());
                let _gave_up_waiting = done.send(());
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            drop(writeln!(out, "standpipe: {lost} log lines were dropped, stderr was not read"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_lines_and_says_so() {
        let (lines, queue) = sync_channel(2);
        let writer = LogWriter { lines, dropped: Arc::default() };
        for number in 0..5 {
            writeln!(writer.make_writer(), "line {number}").unwrap();
        }
        let LogWriter { lines, dropped } = writer;
        drop(lines);
        let mut out = Vec::new();
        write_all(&queue, &dropped, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("line 0\n"), "{text}");
        assert!(text.contains("line 1\n") && !text.contains("line 2"), "{text}");
        assert!(text.contains("3 log lines were dropped"), "{text}");
    }
}
