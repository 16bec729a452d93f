//! A process that outstays its parent: spawned by a child, stubborn in the ways asked for.
//!
//! Owns both sides: how one is spawned, and what it does once the binary finds itself started as
//! one. It exists because a supervisor is only as good as its grip on processes it did not start.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use serde::Deserialize;

/// The first argument of a process that is to be a grandchild.
const FLAG: &str = "--be-a-grandchild";

/// It ends by itself after this long, so that a failed test leaves nothing for ever.
const LIFETIME: Duration = Duration::from_mins(10);

/// How stubborn the grandchild is.
///
/// It can be read from the arguments of a tool; what is not given is `false`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a way to be stubborn, in any combination"
)]
pub struct Grandchild {
    /// It opens a session of its own, and so leaves its parent's process group.
    pub setsid: bool,
    /// SIGTERM, SIGINT and SIGHUP do nothing to it.
    pub ignore_term: bool,
    /// It keeps its parent's stdout open.
    pub hold_stdout: bool,
    /// It keeps its parent's stderr open.
    pub hold_stderr: bool,
    /// It starts with an empty environment, so that no marker is left in it.
    pub clear_env: bool,
}

impl Grandchild {
    /// Starts one from this very binary and waits until it is as stubborn as asked.
    ///
    /// The binary's `main` must call [`become_grandchild_if_asked`] first. Returns the process id;
    /// nobody reaps the process while its parent lives.
    ///
    /// # Errors
    /// The binary could not be found or started, or ended before it was ready.
    pub fn spawn(self) -> io::Result<u32> {
        let (mut ready, its_end) = io::pipe()?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg(FLAG)
            .args(self.setsid.then_some("--setsid"))
            .args(self.ignore_term.then_some("--ignore-term"))
            // It reads nothing, so its stdin can carry the one byte that says it is ready.
            .stdin(Stdio::from(its_end))
            .stdout(if self.hold_stdout { Stdio::inherit() } else { Stdio::null() })
            .stderr(if self.hold_stderr { Stdio::inherit() } else { Stdio::null() });
        if self.clear_env {
            command.env_clear();
        }
        let child = command.spawn()?;
        // The command still holds our copy of its end; without it, its death ends the read.
        drop(command);
        ready.read_exact(&mut [0])?;
        Ok(child.id())
    }
}

/// Turns this process into a grandchild, and never returns, when its arguments say so.
///
/// Call it first in `main`, before any thread starts: signal masks belong to threads.
pub fn become_grandchild_if_asked() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().map(String::as_str) != Some(FLAG) {
        return;
    }
    let asked = |option: &str| arguments.iter().any(|argument| argument == option);
    if asked("--setsid") && nix::unistd::setsid().is_err() {
        std::process::exit(1);
    }
    if asked("--ignore-term") {
        ignore_polite_signals();
    }
    if nix::unistd::write(io::stdin(), b"r").is_err() {
        std::process::exit(1);
    }
    std::thread::sleep(LIFETIME);
    std::process::exit(0);
}

/// Makes SIGTERM, SIGINT and SIGHUP do nothing to this process.
///
/// They are blocked rather than ignored, which needs no `unsafe` and looks the same from outside.
/// Call it before any other thread starts.
pub fn ignore_polite_signals() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGHUP);
    if signals.thread_block().is_err() {
        std::process::exit(1);
    }
}
