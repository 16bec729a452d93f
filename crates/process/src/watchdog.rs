//! Owns the promise that nothing survives Standpipe, whoever dies and however. It knows processes
//! and markers, and nothing of services.
//!
//! Standpipe runs as the child of a tiny parent: the same binary, forked before any thread exists.
//! The parent is the child subreaper, so whatever loses its own parent becomes its child; it
//! passes signals on, ends as Standpipe ended, and kills what is left. In the other direction a
//! thread of Standpipe holds a pipe from the parent, and when that breaks it kills everything at
//! once, even if the runtime no longer moves. `docs/adr/0002-watchdog.md` says why and what it
//! costs.
//!
//! On other systems than Linux there is no parent, and none of these guarantees.

#[cfg(target_os = "linux")]
mod inner;
#[cfg(target_os = "linux")]
mod parent;
#[cfg(target_os = "linux")]
mod raw;
mod strays;

pub use strays::sweep_strays;

use std::io;

use crate::marker::RunId;

/// Shows that a watchdog looks after this process.
#[derive(Debug)]
pub struct WatchdogLink {
    run: RunId,
    watched: bool,
}

impl WatchdogLink {
    /// For running without a watchdog, for example under a debugger: children still die with us as
    /// far as the kernel sees to it, and the rest at the next start.
    pub fn unwatched() -> Self {
        Self { run: RunId::of_this_process(), watched: false }
    }

    /// The run to mark children with.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// Whether there is a parent that clears up after us.
    pub const fn is_watched(&self) -> bool {
        self.watched
    }
}

/// The watchdog could not be set up. Nothing has changed then, and running without it is possible.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the watchdog: {step}")]
pub struct EnterError {
    /// What failed.
    pub step: EnterStep,
    /// What the kernel said, if it was asked.
    #[source]
    pub source: Option<io::Error>,
}

/// Where setting up the watchdog failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnterStep {
    /// Forking copies the calling thread only, so it has to be the only one.
    #[error("the process has more than one thread already")]
    Threads,
    /// The pipe that tells each side of the other's death.
    #[error("no pipe")]
    Pipe,
    /// Becoming the child subreaper.
    #[error("cannot become the child subreaper")]
    Subreaper,
    /// Taking signals through a descriptor.
    #[error("cannot take over the signals")]
    Signals,
    /// Making the second process.
    #[error("cannot fork")]
    Fork,
    /// Starting the thread that watches the parent.
    #[error("no thread to watch the parent")]
    Thread,
}

/// Splits the process in two. Returns in the child, which goes on as Standpipe; in the parent it
/// never returns. Must be the first thing `main` does: before any thread, before any output is
/// buffered, before anything is opened that two processes must not share.
///
/// A signal sent to the parent by a process reaches Standpipe too, so whoever signals the whole
/// group or control group makes it arrive twice: treat a repetition within a few hundred
/// milliseconds as the same one.
///
/// Processes left by earlier runs of the same user that have died are killed in the background.
#[cfg(target_os = "linux")]
pub fn enter() -> Result<WatchdogLink, EnterError> {
    let run = RunId::of_this_process();
    match parent::split()? {
        parent::Side::Parent(parent) => parent.run(&run),
        parent::Side::Inner(link) => {
            inner::watch(link, run)?;
            Ok(WatchdogLink { run, watched: true })
        }
    }
}

/// Does nothing here: without `/proc` and subreapers there is no watchdog.
#[cfg(not(target_os = "linux"))]
pub fn enter() -> Result<WatchdogLink, EnterError> {
    Ok(WatchdogLink::unwatched())
}
