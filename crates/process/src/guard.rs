//! Owns one child process: as long as the guard lives the process may live, and afterwards nothing
//! of it does. It knows nothing of pipes, messages or restarts.
//!
//! The exit is learned without reaping (`waitid` with `WNOWAIT` on a pidfd). Until we reap, the
//! dead process keeps its id, so its group can still be killed without hitting a stranger. That is
//! why this is not a `tokio::process::Child`, which reaps as soon as it can.

mod leader;

pub(crate) use leader::{ExitWatch, Leader};

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, PoisonError};

use standpipe_core::status::LimitsInForce;

use crate::descendants::Identity;
use crate::exit::Exit;
use crate::limits::Exceeded;
use crate::terminate::{StopLadder, Termination, find_all, terminate};
use crate::usage::{Usage, usage};

/// Owns a running child and everything it started.
///
/// Dropping it kills all of that at once and reaps the child; it needs no runtime for it and blocks
/// for some milliseconds. The good way to stop is [`ProcessGuard::terminate`].
#[derive(Debug)]
pub struct ProcessGuard {
    // Dropped in this order: the watch must leave the runtime before the process is killed.
    watch: ExitWatch,
    leader: Leader,
    /// What belonged to the child when somebody looked.
    seen: Mutex<HashSet<Identity>>,
}

impl ProcessGuard {
    /// Watches `leader` from the current runtime.
    pub(crate) fn new(leader: Leader) -> io::Result<Self> {
        Ok(Self { watch: leader.watch()?, leader, seen: Mutex::default() })
    }

    /// The child's process id, which is also the id of its process group and session.
    pub fn pid(&self) -> u32 {
        self.leader.pid()
    }

    /// Waits until the child has ended. It stays a zombie, and its id its own, until the guard is
    /// terminated or dropped.
    ///
    /// Cancel safe; any number of tasks may wait; returns at once if the child is dead already.
    pub async fn exited(&self) -> Exit {
        self.watch.exited(&self.leader).await
    }

    /// How the child ended, if it has.
    pub fn try_exit(&self) -> Option<Exit> {
        self.leader.peek()
    }

    /// What keeps the child's limits.
    pub const fn limits(&self) -> LimitsInForce {
        self.leader.limits()
    }

    /// Which limit the child exceeded, if it has ended for that.
    pub fn exceeded(&self) -> Option<Exceeded> {
        self.leader.exceeded()
    }

    /// What the child and its descendants use right now; `None` once it is dead.
    pub fn usage(&self) -> Option<Usage> {
        usage(self.pid())
    }

    /// Remembers what belongs to the child now, for [`ProcessGuard::terminate`]. A process that has left
    /// its session and cleared its environment is told by its parent alone, and no more once that has
    /// ended: so this comes before the child's stdin is closed. It reads the process table once, together
    /// with all others who ask at that moment.
    pub async fn survey(&self) {
        if self.try_exit().is_none() {
            let found = find_all(&self.leader).await;
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
    }

    /// Stops the child and everything that belongs to it, step by step; see [`StopLadder`]. The
    /// caller has closed the child's stdin before, and goes on draining stdout and stderr.
    ///
    /// To be called after *every* end of the child, a crash included: it may have left descendants,
    /// which are then killed without further grace.
    ///
    /// If this is cancelled, the drop of the guard does the rest at once.
    pub async fn terminate(mut self, ladder: &StopLadder) -> Termination {
        let seen = std::mem::take(self.seen.get_mut().unwrap_or_else(PoisonError::into_inner));
        let leader = &mut self.leader;
        terminate(leader, &self.watch, ladder, seen).await
    }
}
