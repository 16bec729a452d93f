//! What is learnt about a service while its processes run.
//!
//! Owns the memory that all instances of one configuration share and that outlives each child: which
//! calls ask something, how a child is opened, how often its tools have changed. Must not know who
//! learns it or what follows from it. It goes with the configuration.

mod marks;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use marks::Marks;
use tokio::time::Instant;

use crate::protocol::Era;

/// How long an era counts that a child has shown by its answer. A package may be updated between two
/// starts.
const ERA_KEPT: Duration = Duration::from_hours(24);

/// The memory of one configuration.
#[derive(Debug, Default)]
pub struct Learnt {
    marks: Marks,
    tools: AtomicU64,
    opening: Mutex<Opened>,
}

#[derive(Debug, Default)]
struct Opened {
    era: Option<(Era, Instant)>,
    /// The last child ended on `server/discover`; the next is not asked.
    died_of_probe: bool,
}

/// What is known about opening the next child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is asked.
    Nothing,
    /// A child of this configuration has answered as one of this era.
    Era(Era),
    /// A child of this configuration has ended when it was asked: it is not asked again.
    DiesOfProbe,
}

impl Learnt {
    /// The calls that ask something.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// How the next child is best opened.
    pub fn opening(&self, now: Instant) -> Known {
        let opening = self.opened();
        match opening.era {
            _ if opening.died_of_probe => Known::DiesOfProbe,
            Some((era, until)) if until > now => Known::Era(era),
            _ => Known::Nothing,
        }
    }

    /// A child has answered as one of this era. Only answers are learnt, never silence.
    pub fn answered_as(&self, era: Era, now: Instant) {
        let mut opening = self.opened();
        opening.era = Some((era, now + ERA_KEPT));
        opening.died_of_probe = false;
    }

    /// What was learnt about the era was wrong, or a child that was opened by it has failed: the
    /// next is asked again.
    pub fn forget_era(&self) {
        *self.opened() = Opened::default();
    }

    /// A child ended while `server/discover` was the only thing it had been sent.
    pub fn died_of_probe(&self) {
        let mut opening = self.opened();
        opening.era = None;
        opening.died_of_probe = true;
    }

    /// Grows whenever the tools may be others than before: what is known of them is to be fetched
    /// again.
    pub fn tools_version(&self) -> u64 {
        self.tools.load(Ordering::Acquire)
    }

    /// The tools may have changed.
    pub fn tools_changed(&self) {
        self.tools.fetch_add(1, Ordering::AcqRel);
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
