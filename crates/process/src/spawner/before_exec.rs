//! Owns what a child does between `fork` and `exec`, and the unsafe block this needs. It must not
//! allocate, lock or do anything else that is not allowed in a forked copy of a threaded process.

#![expect(unsafe_code, reason = "code between fork and exec can only be given to an unsafe method")]

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::libc;
use nix::sys::signal::SigSet;

use crate::limits::{ChildLimits, NOT_ADMITTED};

/// Arranges that the child starts in a session of its own, with default signal handling, without
/// any descriptor of ours beyond the standard three, in the control group behind `entrance`, under
/// these limits, and dies with the calling thread.
pub(super) fn prepare(command: &mut Command, limits: ChildLimits, entrance: Option<File>) {
    #[cfg(target_os = "linux")]
    let parent = rustix::process::getpid();
    // SAFETY: the closure makes system calls only; it neither allocates nor takes locks, and what
    // it captures are numbers and an open file, which is written to and never closed here.
    unsafe {
        command.pre_exec(move || {
            // First, so that whatever follows is counted where it belongs.
            if let Some(mut entrance) = entrance.as_ref() {
                // Zero is whoever writes.
                entrance.write_all(b"0").map_err(|_| NOT_ADMITTED)?;
            }
            // A session rather than just a group: it holds a grandchild that makes a group of its
            // own too, and a prompt on the terminal fails at once instead of stopping the child.
            rustix::process::setsid()?;
            #[cfg(target_os = "linux")]
            die_with(parent)?;
            default_signals()?;
            #[cfg(target_os = "linux")]
            close_others_on_exec();
            // Last, as with little memory nothing else may work.
            limits.apply()
        });
    }
}

#[cfg(target_os = "linux")]
fn die_with(parent: rustix::process::Pid) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the line above took effect.
    if getppid() != Some(parent) {
        return Err(io::Error::from(rustix::io::Errno::SRCH));
    }
    Ok(())
}

/// Ignored signals and the signal mask pass through `exec`; a child must not inherit that Standpipe
/// was started with `nohup`, or that it blocks signals on some thread.
fn default_signals() -> io::Result<()> {
    /// The highest signal number there is.
    const LAST_SIGNAL: libc::c_int = 64;
    for number in 1..=LAST_SIGNAL {
        // SAFETY: `SIG_DFL` installs no code of ours. It fails for KILL, STOP and the numbers libc
        // keeps for itself, none of which can be ignored.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Our own descriptors are all close-on-exec, but those that we inherited ourselves may not be.
#[cfg(target_os = "linux")]
fn close_others_on_exec() {
    // SAFETY: only sets a flag on descriptors. Kernels before 5.11 refuse the flag, and there is
    // nothing better to do then.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}
