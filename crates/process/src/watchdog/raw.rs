//! Owns the watchdog's unsafe calls: forking, default signal handling, sending a signal by number
//! and ending without ceremony. It decides nothing.

#![expect(unsafe_code, reason = "fork, signal and _exit have no safe form")]

use nix::libc;
use nix::unistd::{ForkResult, fork};

/// Forks the process, which must have one thread.
pub(super) fn split() -> nix::Result<ForkResult> {
    // SAFETY: with a single thread the copy is complete: no lock is held by a thread it lacks.
    unsafe { fork() }
}

/// Gives the signal its default meaning again.
pub(super) fn reset(signal: i32) {
    // SAFETY: `SIG_DFL` installs no code of ours.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Sends a signal of any number, real-time ones included, to a child that has not been reaped.
pub(super) fn send(child: i32, signal: u32) {
    if let Ok(signal) = i32::try_from(signal) {
        // SAFETY: touches no memory; that the child has ended already is harmless.
        unsafe { libc::kill(child, signal) };
    }
}

/// Ends the process without running exit handlers that belong to the other copy.
pub(super) fn end(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}
