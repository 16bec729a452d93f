//! Owns the words by which a process is recognised as ours: the environment variable every child
//! gets, and the run it names. It neither reads other processes' environments nor kills.
//!
//! A process can leave its group, its session and its parent; its initial environment it keeps. So
//! the marker is what still finds a daemonised grandchild. A run names its *owner process* so that
//! a later run can tell the strays of a dead Standpipe from the children of a living one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The environment variable that marks every process of an instance:
/// `<run>/<service>/<generation>`.
pub const MARKER_VARIABLE: &str = "STANDPIPE_INSTANCE";

/// One run of Standpipe: the process that owns its children, written so that any other process of
/// the machine can check whether that owner still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId {
    /// The inode of the PID namespace in which `pid` is meant; 0 where there are none.
    namespace: u64,
    /// The real user id of the owner.
    user: u32,
    /// The owner's process id.
    pid: u32,
    /// When the owner started, in clock ticks since boot: tells a reused id from the same process.
    started: u64,
}

impl RunId {
    /// The run owned by the calling process.
    pub fn of_this_process() -> Self {
        let pid = std::process::id();
        Self {
            namespace: pid_namespace(),
            user: rustix::process::getuid().as_raw(),
            pid,
            started: crate::descendants::start_time(pid).unwrap_or(0),
        }
    }

    /// Reads what [`fmt::Display`] wrote; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let run = Self {
            namespace: parts.next()?.parse().ok()?,
            user: parts.next()?.parse().ok()?,
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(run)
    }

    /// Whether this run's owner could be seen from here if it were alive: same PID namespace, same
    /// user. Of any other run nothing can be concluded from not finding its owner.
    pub(crate) fn is_visible_from(&self, here: &Self) -> bool {
        self.namespace == here.namespace && self.user == here.user && self.started != 0
    }

    /// The owner's process id.
    pub(crate) const fn owner(&self) -> u32 {
        self.pid
    }

    /// When the owner started, in clock ticks since boot.
    pub(crate) const fn owner_started(&self) -> u64 {
        self.started
    }

    /// What the marker of each of this run's processes begins with.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "for the watchdog only"))]
    pub(crate) fn prefix(&self) -> Vec<u8> {
        format!("{self}/").into_bytes()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.namespace, self.user, self.pid, self.started)
    }
}

/// Gives every process of a run a number of its own: what is left of one is never taken for another,
/// not even where a service was removed and one of its name came later.
#[derive(Debug, Default)]
pub(crate) struct Markers(AtomicU64);

impl Markers {
    /// A number that was never given before.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Names one instance of one service in one run; becomes [`MARKER_VARIABLE`] in its environment.
///
/// Stopping an instance kills every process that carries its marker, so no two instances alive at
/// the same time may be given the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceMarker {
    run: RunId,
    service: Arc<str>,
    generation: u64,
}

impl InstanceMarker {
    /// The marker of the `generation`-th process that `run` started for `service`.
    pub fn new(run: RunId, service: impl Into<Arc<str>>, generation: u64) -> Self {
        Self { run, service: service.into(), generation }
    }

    /// The run this instance belongs to.
    pub const fn run(&self) -> &RunId {
        &self.run
    }

    /// The service this instance runs.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Which start of the service this is.
    pub const fn generation(&self) -> u64 {
        self.generation
    }
}

impl fmt::Display for InstanceMarker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.run)?;
        // A slash would shift the fields and a NUL would end the variable.
        for character in self.service.chars() {
            match character {
                '/' | '%' | '\0'..='\x1f' | '\x7f' => write!(f, "%{:02X}", character as u32)?,
                other => write!(f, "{other}")?,
            }
        }
        write!(f, "/{}", self.generation)
    }
}

/// The run that a marker's value names, if it is one of ours.
pub(crate) fn run_of(value: &[u8]) -> Option<RunId> {
    let end = memchr::memchr(b'/', value)?;
    RunId::parse(std::str::from_utf8(value.get(..end)?).ok()?)
}

#[cfg(target_os = "linux")]
fn pid_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

#[cfg(not(target_os = "linux"))]
fn pid_namespace() -> u64 {
    0
}

#[cfg(test)]
mod tests;
