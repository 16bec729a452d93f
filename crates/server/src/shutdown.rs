//! What signals ask for: the end, or to read the configuration again.
//!
//! Owns the first signal and the second, and what SIGHUP means. It must not know what ending or
//! reloading is. It exists because a signal sent to the whole process group arrives twice, once
//! directly and once passed on by the watchdog, and that is not yet a second wish; and because
//! SIGHUP comes from an operator or from a terminal that is gone, and says not which.

use std::fs::File;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

/// A repetition within this time is the same signal.
const SAME: Duration = Duration::from_millis(400);

/// How long after a SIGHUP it is looked what it meant: by then a terminal that is going is gone,
/// and further ones have come that mean the same.
const HANGUP_SETTLES: Duration = Duration::from_millis(100);

/// What somebody wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That everything ends; with the signal's name.
    End(&'static str),
    /// That the configuration is read again.
    Reload,
}

/// What SIGHUP means while the terminal that we were started on is there, or there never was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hangup {
    /// Nothing else than its loss.
    Ends,
    /// A reload.
    Reloads,
}

/// Watches for SIGTERM, SIGINT and SIGQUIT, and for SIGHUP.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    terminal: Terminal,
    means: Hangup,
    last: Option<Instant>,
    /// When to look what a SIGHUP meant.
    judged_at: Option<Instant>,
}

impl Signals {
    /// Begins to watch; from now on these signals do not end the process by themselves.
    pub fn watch(means: Hangup) -> io::Result<Self> {
        // Before there is a handler, which would hide it.
        let terminal = Terminal::at_the_start();
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            terminal,
            means,
            last: None,
            judged_at: None,
        })
    }

    /// Waits for the next wish. Cancel safe.
    pub async fn next(&mut self) -> Wish {
        loop {
            let judged_at = self.judged_at;
            let due = sleep_until(judged_at.unwrap_or_else(Instant::now));
            let name = tokio::select! {
                _ = self.term.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.quit.recv() => "SIGQUIT",
                _ = self.hangup.recv() => {
                    self.judged_at.get_or_insert_with(|| Instant::now() + HANGUP_SETTLES);
                    continue;
                }
                () = due, if judged_at.is_some() => {
                    self.judged_at = None;
                    match self.judge() {
                        Some(Wish::End(name)) => name,
                        Some(wish) => return wish,
                        None => continue,
                    }
                }
            };
            let now = Instant::now();
            let repeated = self.last.is_some_and(|last| now < last + SAME);
            self.last = self.last.filter(|_| repeated).or(Some(now));
            if !repeated {
                return Wish::End(name);
            }
        }
    }

    /// Waits for the next wish that everything ends; the signal's name. Cancel safe.
    pub async fn next_end(&mut self) -> &'static str {
        loop {
            if let Wish::End(name) = self.next().await {
                return name;
            }
        }
    }

    /// What a SIGHUP meant; nothing, where it was to be ignored.
    fn judge(&mut self) -> Option<Wish> {
        match (self.means, &mut self.terminal) {
            (Hangup::Reloads, Terminal::There) if !Terminal::is_there() => {
                self.terminal = Terminal::Never;
                Some(Wish::End("SIGHUP"))
            }
            (Hangup::Reloads, _) => Some(Wish::Reload),
            // Whoever starts us with `nohup` means to stay when the terminal goes.
            (Hangup::Ends, Terminal::Ignored) => None,
            (Hangup::Ends, _) => Some(Wish::End("SIGHUP")),
        }
    }
}

/// The terminal that we were started on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Terminal {
    /// There was one.
    There,
    /// There was none: we were started by a service manager or in a session of our own.
    Never,
    /// Its loss was to be ignored, as `nohup` has it.
    Ignored,
}

impl Terminal {
    fn at_the_start() -> Self {
        if hangup_is_ignored() {
            Self::Ignored
        } else if Self::is_there() {
            Self::There
        } else {
            Self::Never
        }
    }

    /// Whether this process has a terminal that can still be used.
    fn is_there() -> bool {
        File::open("/dev/tty").is_ok()
    }
}

/// Whether we were started with SIGHUP ignored. Where there is no `/proc` it cannot be told.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is number 1, the lowest bit.
    mask.is_some_and(|mask| mask & 1 == 1)
}
