//! Owns turning a description of a child into a running one: environment, working directory, pipes,
//! and an error that names the mistake. It knows nothing of what is spoken over the pipes.

mod environment;
mod error;

pub use environment::{INHERITED, INHERITED_PREFIXES};
pub use error::{LaunchError, LaunchFault};

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use standpipe_core::service::ResourceLimits;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::cgroup::ControlGroups;
use crate::guard::ProcessGuard;
use crate::marker::InstanceMarker;
use crate::spawner;

/// What to start.
#[derive(Clone)]
pub struct LaunchSpec {
    /// The command, looked up on the child's `PATH` unless it contains a slash. A relative path
    /// with a slash is relative to `cwd`.
    pub command: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables set on top of the inherited ones ([`INHERITED`]); these win.
    pub env: Vec<(OsString, OsString)>,
    /// Where it runs; our own working directory if `None`.
    pub cwd: Option<PathBuf>,
    /// By which its processes are recognised.
    pub marker: InstanceMarker,
    /// What each of its processes may use.
    pub limits: ResourceLimits,
}

/// Values may be secrets, so only counts and names are shown.
impl fmt::Debug for LaunchSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("LaunchSpec")
            .field("args", &self.args.len())
            .field("env", &names)
            .field("marker", &self.marker)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A running child.
#[derive(Debug)]
pub struct Launched {
    /// Owns the process; dropping it kills everything that belongs to it.
    pub guard: ProcessGuard,
    /// Where it reads messages.
    pub stdin: ChildStdin,
    /// Where it writes messages.
    pub stdout: ChildStdout,
    /// Where it writes everything else; must be drained, see [`crate::drain`].
    pub stderr: ChildStderr,
}

/// Starts a child in a session and process group of its own, with a cleared environment, its three
/// standard streams as pipes and no other descriptor of ours. The kernel kills it if we die.
///
/// Cancel safe: a child whose starter has gone is killed at once.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O enabled.
pub async fn launch(spec: &LaunchSpec) -> Result<Launched, LaunchError> {
    launch_in(spec, None).await
}

/// The same, in a control group of its own where one can be made in `groups`.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O enabled.
pub async fn launch_in(
    spec: &LaunchSpec,
    groups: Option<&Arc<ControlGroups>>,
) -> Result<Launched, LaunchError> {
    let failed = |fault| LaunchError { command: spec.command.clone(), fault };
    let started = spawner::spawn(spec, groups.cloned()).await.map_err(failed)?;
    let attach = |source| failed(LaunchFault::from_errno(source));
    Ok(Launched {
        guard: ProcessGuard::new(started.leader).map_err(attach)?,
        stdin: ChildStdin::from_std(started.stdin).map_err(attach)?,
        stdout: ChildStdout::from_std(started.stdout).map_err(attach)?,
        stderr: ChildStderr::from_std(started.stderr).map_err(attach)?,
    })
}

/// Why starting failed, worked out after the fact: the kernel says the same `ENOENT` for a missing
/// command, a missing directory and a missing interpreter.
pub(crate) fn diagnose(spec: &LaunchSpec, source: std::io::Error) -> LaunchFault {
    error::diagnose(spec, &environment::of(spec), source)
}

/// The complete environment of the child.
pub(crate) fn environment_of(spec: &LaunchSpec) -> Vec<(OsString, OsString)> {
    environment::of(spec)
}

#[cfg(test)]
mod tests;
