//! Owns the control groups that children are put into, each into one of its own, where a subtree of
//! the machine's groups is delegated to us. It must not touch any other group, nor move a process
//! that is not Standpipe's own.
//!
//! A group holds a child and whatever it starts together: a limit is one for all of them, and no
//! process leaves it, whatever it does to its session or environment. Without a subtree of our own
//! there are no groups, and children have the limits of processes only.
//!
//! <https://systemd.io/CGROUP_DELEGATION/> says what a delegated subtree is and what is expected of
//! who gets one; the kernel's `cgroup-v2` document what the files in it mean.

mod find;
mod group;
mod sweep;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use standpipe_core::service::ResourceLimits;

pub(crate) use group::ControlGroup;

use crate::marker::InstanceMarker;
use crate::watchdog::WatchdogLink;

/// Where Standpipe's own processes go: a group with controllers for its children may hold none.
const OWN_LEAF: &str = "standpipe.supervisor";

/// What the name of each child's group begins with; its marker follows.
const CHILD_PREFIX: &str = "standpipe.child.";

/// Under which group children are put into groups of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ControlGroupChoice {
    /// Our own, if it is delegated to us.
    #[default]
    Auto,
    /// None.
    Off,
    /// This directory, whose owner means us to use it.
    Under(PathBuf),
}

/// A subtree in which we may make groups.
#[derive(Debug)]
pub struct ControlGroups {
    base: PathBuf,
    /// Which limits groups here can keep.
    memory: bool,
    processes: bool,
}

/// A subtree that was meant for us cannot be used. Children are started without groups.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the control group {}: {step}", path.display())]
pub struct ControlGroupError {
    /// The directory of the group.
    pub path: PathBuf,
    /// What failed.
    pub step: ControlGroupStep,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

/// Where preparing a subtree failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlGroupStep {
    /// It is not there, or no control group, or not ours to write to.
    #[error("it is not a control group (version 2) that we may change")]
    Access,
    /// Our own processes have to leave it, so that it can have controllers for its children.
    #[error("our own processes cannot be moved into a group below it")]
    Move,
}

impl ControlGroups {
    /// Finds and prepares the subtree, before any child is started. `None` where there is none to
    /// use, or none is wanted.
    pub fn prepare(
        choice: &ControlGroupChoice,
        watchdog: &WatchdogLink,
    ) -> Result<Option<Self>, ControlGroupError> {
        let own = find::own_group();
        let base = match choice {
            ControlGroupChoice::Off => return Ok(None),
            ControlGroupChoice::Under(path) => path.clone(),
            ControlGroupChoice::Auto => {
                match own.as_ref().filter(|own| own.is_delegated() && is_ours(&own.path).is_ok()) {
                    Some(own) => own.path.clone(),
                    None => return Ok(None),
                }
            }
        };
        let failed = |step| {
            let path = base.clone();
            move |source| ControlGroupError { path, step, source }
        };
        is_ours(&base).map_err(failed(ControlGroupStep::Access))?;
        if own.is_some_and(|own| same_directory(&own.path, &base)) {
            let watchdog = watchdog.is_watched().then(rustix::process::getppid).flatten();
            let watchdog = watchdog.map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
            let ours = [std::process::id()].into_iter().chain(watchdog);
            move_into_leaf(&base, ours).map_err(failed(ControlGroupStep::Move))?;
        }
        sweep::remove_left_behind(&base, &watchdog.run());
        Ok(Some(Self::with_controllers(base)))
    }

    /// The directory of the subtree.
    pub fn path(&self) -> &Path {
        &self.base
    }

    /// Makes the group of one child, with those of its limits that it can keep.
    pub(crate) fn make(
        &self,
        marker: &InstanceMarker,
        limits: &ResourceLimits,
    ) -> io::Result<ControlGroup> {
        let name = format!("{CHILD_PREFIX}{}", marker.to_string().replace('/', ":"));
        let path = self.base.join(name);
        fs::create_dir(&path)?;
        let group = ControlGroup::adopt(path);
        let memory = limits.memory.filter(|_| self.memory);
        let processes = limits.processes.filter(|_| self.processes);
        Ok(group.limited_to(memory, processes))
    }

    fn with_controllers(base: PathBuf) -> Self {
        let there = fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
        let enable = |controller: &str| {
            if !there.split_whitespace().any(|name| name == controller) {
                return false;
            }
            let enabled = fs::write(base.join("cgroup.subtree_control"), format!("+{controller}"));
            if let Err(error) = &enabled {
                tracing::warn!(
                    group = %base.display(), controller, %error,
                    "the control group cannot limit this, mostly because processes besides \
                     Standpipe are in it"
                );
            }
            enabled.is_ok()
        };
        let (memory, processes) = (enable("memory"), enable("pids"));
        Self { base, memory, processes }
    }
}

/// Whether groups can be made here: everything that is to be delegated can be written to.
fn is_ours(base: &Path) -> io::Result<()> {
    for file in ["cgroup.procs", "cgroup.subtree_control"] {
        access(base.join(file), Access::WRITE_OK)?;
    }
    Ok(access(base, Access::WRITE_OK | Access::EXEC_OK)?)
}

fn same_directory(one: &Path, other: &Path) -> bool {
    let canonical = |path: &Path| fs::canonicalize(path).ok();
    canonical(one).is_some_and(|one| Some(one) == canonical(other))
}

fn move_into_leaf(base: &Path, processes: impl IntoIterator<Item = u32>) -> io::Result<()> {
    let leaf = base.join(OWN_LEAF);
    match fs::create_dir(&leaf) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for process in processes {
        fs::write(leaf.join("cgroup.procs"), process.to_string())?;
    }
    Ok(())
}
