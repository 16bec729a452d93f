//! When to end: the signals that ask for it.
//!
//! Owns the first signal and the second. It must not know what ending means. It exists because a
//! signal sent to the whole process group arrives twice, once directly and once passed on by the
//! watchdog, and that is not yet a second wish.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// A repetition within this time is the same signal.
const SAME: Duration = Duration::from_millis(400);

/// Watches for SIGTERM, SIGINT and SIGQUIT, and for the end of the terminal, SIGHUP.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    last: Option<Instant>,
}

impl Signals {
    /// Begins to watch; from now on these signals do not end the process by themselves.
    pub fn watch() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            last: None,
        })
    }

    /// Waits for the next wish to end. Returns the signal's name. Cancel safe.
    pub async fn next(&mut self) -> &'static str {
        loop {
            let name = tokio::select! {
                _ = self.term.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.quit.recv() => "SIGQUIT",
                // The terminal is gone, and with it whoever watched.
                _ = self.hangup.recv() => "SIGHUP",
            };
            let now = Instant::now();
            let repeated = self.last.is_some_and(|last| now < last + SAME);
            self.last = self.last.filter(|_| repeated).or(Some(now));
            if !repeated {
                return name;
            }
        }
    }
}
