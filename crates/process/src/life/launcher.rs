//! What the life of a child asks of the world outside: to start it, to tell its end, to end it.
//!
//! Owns the seam, and its real side, which is processes. Must not know the order of things in a life.
//! It exists so that a life, and with it instances and supervisor, can be played in paused time with
//! children that are no processes: a history of five minutes then takes a millisecond.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use standpipe_core::status::LimitsInForce;
use tokio::io::AsyncRead;

use crate::cgroup::ControlGroups;
use crate::exit::Exit;
use crate::guard::ProcessGuard;
use crate::instance::{Stdin, Stdout};
use crate::launch::{LaunchError, LaunchSpec, Launched, launch_in};
use crate::limits::Exceeded;
use crate::terminate::{StopLadder, Termination};
use crate::usage::Usage;

/// What a child writes besides messages.
pub(crate) type Stderr = Pin<Box<dyn AsyncRead + Send>>;

/// Something that takes a while.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Starts children.
pub(crate) trait Launcher: fmt::Debug + Send + Sync {
    /// Starts one. A child whose starter has gone is ended at once.
    fn launch<'a>(&'a self, spec: &'a LaunchSpec) -> Later<'a, Result<Newborn, LaunchError>>;
}

/// A running child. Dropping it ends it at once, with everything that belongs to it.
pub(crate) trait Running: Send + Sync {
    /// Its process id.
    fn pid(&self) -> u32;
    /// Waits until it has ended. Cancel safe; at once if it is dead already.
    fn exited(&self) -> Later<'_, Exit>;
    /// What it uses right now.
    fn usage(&self) -> Option<Usage>;
    /// What keeps its limits.
    fn limits(&self) -> LimitsInForce {
        LimitsInForce::default()
    }
    /// Which limit it exceeded, if it has ended for that.
    fn exceeded(&self) -> Option<Exceeded> {
        None
    }
    /// Remembers what belongs to it now. To be asked before its stdin is closed: some of that can be
    /// told by its parents only, and is left by them when they end.
    fn survey(&self) -> Later<'_, ()> {
        Box::pin(std::future::ready(()))
    }
    /// Ends it, and everything that belongs to it, step by step.
    fn terminate(self: Box<Self>, ladder: StopLadder) -> Later<'static, Termination>;
}

/// A child that has just been started.
pub(crate) struct Newborn {
    pub(crate) child: Box<dyn Running>,
    pub(crate) stdin: Stdin,
    pub(crate) stdout: Stdout,
    pub(crate) stderr: Stderr,
}

/// The real thing: each child is a process, in a control group where that can be had.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    pub(crate) groups: Option<Arc<ControlGroups>>,
}

impl Launcher for Processes {
    fn launch<'a>(&'a self, spec: &'a LaunchSpec) -> Later<'a, Result<Newborn, LaunchError>> {
        Box::pin(async move {
            let Launched { guard, stdin, stdout, stderr } =
                launch_in(spec, self.groups.as_ref()).await?;
            Ok(Newborn {
                child: Box::new(guard),
                stdin: Box::pin(stdin),
                stdout: Box::pin(stdout),
                stderr: Box::pin(stderr),
            })
        })
    }
}

impl Running for ProcessGuard {
    fn pid(&self) -> u32 {
        Self::pid(self)
    }

    fn exited(&self) -> Later<'_, Exit> {
        Box::pin(Self::exited(self))
    }

    fn usage(&self) -> Option<Usage> {
        Self::usage(self)
    }

    fn limits(&self) -> LimitsInForce {
        Self::limits(self)
    }

    fn exceeded(&self) -> Option<Exceeded> {
        Self::exceeded(self)
    }

    fn survey(&self) -> Later<'_, ()> {
        Box::pin(Self::survey(self))
    }

    fn terminate(self: Box<Self>, ladder: StopLadder) -> Later<'static, Termination> {
        Box::pin(async move { Self::terminate(*self, &ladder).await })
    }
}
