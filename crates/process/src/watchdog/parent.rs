//! Owns the parent's whole life: fork, pass signals on, reap, clear up, end as the child ended. It
//! has one thread, allocates next to nothing until the end, and never looks at what Standpipe does.
//!
//! It stays in the process group and session of whoever started it, as does its child, so the
//! terminal's signals reach both and job control works as for a single process. It behaves as
//! process 1 of a container has to.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::ForkResult;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::WaitOptions;

use super::{EnterError, EnterStep, raw};
use crate::descendants::{Identity, Table, signal_exactly};
use crate::exit::Exit;
use crate::marker::RunId;

/// Rounds of killing what is left: 2 + 4 + 8 + 16 + 32 × 120 ms, about four seconds.
const ROUNDS: u32 = 124;
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(32);

/// Who we are after the fork.
pub(super) enum Side {
    /// The original process.
    Parent(Parent),
    /// The new one, with the end of the pipe that breaks when the parent dies.
    Inner(OwnedFd),
}

/// Forks.
pub(super) fn split() -> Result<Side, EnterError> {
    let failed = |step| move |source: io::Error| EnterError { step, source: Some(source) };
    if std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count) > 1 {
        return Err(EnterError { step: EnterStep::Threads, source: None });
    }
    let (read_end, write_end) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(EnterStep::Pipe)(e.into()))?;
    // `exec standpipe` in a shell script makes the script's background jobs children of ours.
    let inherited = present_children();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|e| failed(EnterStep::Subreaper)(e.into()))?;
    // Inherited as ignored, it would make the kernel reap our children before we see them.
    raw::reset(libc::SIGCHLD);
    let signals_failed = |e: nix::Error| failed(EnterStep::Signals)(e.into());
    let taken = taken_signals();
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&taken), Some(&mut before)).map_err(signals_failed)?;
    let restore = || sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    let outcome = SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(signals_failed)
        .and_then(|signals| {
            let side = raw::split().map_err(|e| failed(EnterStep::Fork)(e.into()))?;
            Ok((signals, side))
        });
    match outcome {
        Ok((signals, ForkResult::Parent { child })) => {
            drop(read_end);
            let inner = child.as_raw();
            Ok(Side::Parent(Parent { inner, signals, spared: inherited, _link: write_end }))
        }
        Ok((_, ForkResult::Child)) => {
            restore().map_err(signals_failed)?;
            Ok(Side::Inner(read_end))
        }
        Err(error) => {
            // Best effort: the caller goes on as a single process.
            let _ = restore();
            let _ = rustix::process::set_child_subreaper(None);
            Err(error)
        }
    }
}

/// The watchdog itself.
pub(super) struct Parent {
    inner: i32,
    signals: SignalFd,
    /// Children from before the split, which are none of our business.
    spared: HashSet<Identity>,
    /// Never written to; breaks when we die.
    _link: OwnedFd,
}

impl Parent {
    /// Watches until Standpipe has ended, clears up and ends likewise.
    pub(super) fn run(self, run: &RunId) -> ! {
        // Only a name for people who look at the process list.
        let _ = rustix::thread::set_name(c"standpipe-guard");
        let exit = self.wait_for_inner();
        self.clear(run);
        mirror(exit)
    }

    fn wait_for_inner(&self) -> Exit {
        loop {
            while let Ok(Some(signal)) = self.signals.read_signal() {
                self.pass_on(&signal);
            }
            if let Some(exit) = self.reap() {
                return exit;
            }
            self.doze(PollTimeout::NONE);
        }
    }

    /// What a process sent to us was meant for Standpipe. What the kernel sent, the terminal's
    /// signals above all, went to the whole group and so to Standpipe as well; but that the
    /// terminal is gone it tells the session's leader alone, which we may be.
    fn pass_on(&self, signal: &libc::signalfd_siginfo) {
        let is_hangup = signal.ssi_signo == libc::SIGHUP.unsigned_abs();
        let by_kernel = signal.ssi_code > 0 && !is_hangup;
        let by_inner = i32::try_from(signal.ssi_pid) == Ok(self.inner);
        if !by_kernel && !by_inner && signal.ssi_signo != libc::SIGCHLD.unsigned_abs() {
            raw::send(self.inner, signal.ssi_signo);
        }
    }

    /// Reaps whoever has ended; how Standpipe did, if it was among them.
    fn reap(&self) -> Option<Exit> {
        let mut ended = None;
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if pid.as_raw_pid() == self.inner {
                        ended = Some(Exit::from(status));
                    }
                }
                Ok(None) => return ended,
                Err(rustix::io::Errno::INTR) => {}
                // There are no children at all: Standpipe is gone, and we missed how.
                Err(_) => return ended.or(Some(Exit::Unknown)),
            }
        }
    }

    fn doze(&self, timeout: PollTimeout) {
        // Interrupted or not, the caller looks at everything again.
        let _ = poll(&mut [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)], timeout);
    }

    /// Kills every descendant, and every process marked with this run, until none is left. Orphans
    /// of what is killed become our children and are found in the next round.
    fn clear(&self, run: &RunId) {
        let prefix = run.prefix();
        let mut pause = FIRST_PAUSE;
        for _ in 0..ROUNDS {
            self.reap();
            let table = Table::read();
            let mut left = table.descendants(std::process::id(), &self.spared);
            left.extend(table.marked(|marker| marker.starts_with(&prefix)));
            if left.is_empty() && table.is_complete() {
                return;
            }
            for process in left {
                signal_exactly(process, rustix::process::Signal::KILL);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

/// The children there are before the split. Asked for directly first: there are hardly ever any,
/// and reading the whole table would be most of what the watchdog costs at the start.
fn present_children() -> HashSet<Identity> {
    let own = std::process::id();
    match std::fs::read(format!("/proc/{own}/task/{own}/children")) {
        Ok(list) if list.is_empty() => HashSet::new(),
        _ => Table::read().descendants(own, &HashSet::new()).into_iter().collect(),
    }
}

/// All signals but those that the kernel raises for a fault of our own, those that cannot be taken
/// and those of job control, whose default is right: we stop and continue with the terminal.
fn taken_signals() -> SigSet {
    let mut taken = SigSet::all();
    for left_alone in [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGILL,
        Signal::SIGFPE,
        Signal::SIGTRAP,
        Signal::SIGSYS,
        Signal::SIGABRT,
        Signal::SIGTSTP,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
        Signal::SIGCONT,
    ] {
        taken.remove(left_alone);
    }
    taken
}

/// Ends as Standpipe ended.
fn mirror(exit: Exit) -> ! {
    let signal = match exit {
        Exit::Code(code) => raw::end(code),
        Exit::Signal(signal) => signal,
        Exit::Unknown => raw::end(1),
    };
    if let Ok(named) = Signal::try_from(signal) {
        // One core dump, if there was one, is enough.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        raw::reset(signal);
        let _ = raise(named);
        // It is blocked still, so it ends us here.
        let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&SigSet::from(named)), None);
    }
    // Process 1 cannot be ended by its own signal: say it as a shell would.
    raw::end(128 + signal)
}
