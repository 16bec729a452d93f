//! Owns how large the pipes to the children are, within what the user may have in all. It knows
//! nothing of what flows through them.
//!
//! A message of megabytes through a pipe of 64 KiB is hundreds of task switches. But the kernel
//! counts the pages of all pipes of a user, and past a soft limit (64 MiB) each *new* pipe of that
//! user gets two pages. So the first children get wide pipes and the rest keep the default.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a wide pipe holds: the most the kernel allows an unprivileged user by default.
const WIDE: usize = 1 << 20;
/// What all wide pipes of this process may hold: a good third of the user's soft limit.
const BUDGET: usize = 24 << 20;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// A share of the budget, given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct WidePipes(usize);

impl WidePipes {
    /// Widens both pipes if the budget allows; otherwise they stay as they are.
    pub(super) fn widen(stdin: impl AsFd, stdout: impl AsFd) -> Self {
        let wanted = 2 * WIDE;
        let taken = IN_USE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(wanted).filter(|sum| *sum <= BUDGET)
        });
        if taken.is_err() {
            return Self::default();
        }
        set_size(stdin);
        set_size(stdout);
        Self(wanted)
    }
}

impl Drop for WidePipes {
    fn drop(&mut self) {
        IN_USE.fetch_sub(self.0, Ordering::Relaxed);
    }
}

#[cfg(target_os = "linux")]
fn set_size(pipe: impl AsFd) {
    if let Err(error) = rustix::pipe::fcntl_setpipe_size(pipe, WIDE) {
        tracing::debug!(%error, "a pipe keeps its default size");
    }
}

#[cfg(not(target_os = "linux"))]
fn set_size(_pipe: impl AsFd) {}
