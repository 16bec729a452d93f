//! Owns what the kernel lets a process use: the bounds a child starts with, and how many
//! descriptors we ask for ourselves. It knows numbers, and not why a service has which.
//!
//! Both are here because one undoes the other: a limit is inherited, so what we raise for ourselves
//! has to be put back in each child. Some programs `select` on low descriptors only, or close every
//! possible one when they start.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use standpipe_core::service::ResourceLimits;
use standpipe_core::status::{Enforcement, LimitsInForce};

use crate::exit::Exit;

/// How a child between `fork` and `exec` says that the kernel refuses one of its limits. Nothing
/// else on that way fails with this number.
pub(crate) const REFUSED: Errno = Errno::RANGE;

/// The same for a child that cannot enter its control group.
pub(crate) const NOT_ADMITTED: Errno = Errno::DOM;

/// From `SIGXCPU`, which a program may take to put its things in order, to `SIGKILL`. Were the two
/// limits the same, only the second would come, and nobody could tell why.
const CPU_GRACE: Duration = Duration::from_secs(5);

/// The soft limit of descriptors that we were started with, once it was raised. It belongs to the
/// process, as the limit itself does: hence the static.
static STARTED_WITH: OnceLock<Option<u64>> = OnceLock::new();

/// Raises our own soft limit of open files to `wanted`, or to the hard limit if that is less, and
/// never lowers it. Children still get the one from before. Returns what holds then.
pub fn raise_own_open_files(wanted: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    STARTED_WITH.get_or_init(|| current);
    let soft = current.unwrap_or(u64::MAX);
    let wanted = wanted.min(maximum.unwrap_or(u64::MAX));
    if soft >= wanted {
        return soft;
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    if raised.is_ok() { wanted } else { soft }
}

/// Which of its limits a child exceeded, so that it was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Exceeded {
    /// The kernel killed it, as its control group was full. One that is refused memory, which is
    /// what a limit of processes does, ends in its own way, if at all, and nobody can tell.
    #[error("exceeded the memory limit")]
    Memory,
    /// It got `SIGXCPU`, or did not heed it.
    #[error("exceeded the CPU limit")]
    Cpu,
}

/// What keeps each limit of a child whose control group keeps `kept`.
pub(crate) fn in_force(configured: &ResourceLimits, kept: LimitsInForce) -> LimitsInForce {
    let rlimit = |is_set: bool| is_set.then_some(Enforcement::Rlimit);
    LimitsInForce {
        memory: kept.memory.or(rlimit(configured.memory.is_some())),
        cpu: kept.cpu.or(rlimit(configured.cpu.is_some())),
        open_files: kept.open_files.or(rlimit(configured.open_files.is_some())),
        processes: kept.processes.or(rlimit(configured.processes.is_some())),
    }
}

/// Whether this end means that the limit of processor time was exceeded, after so much of it.
pub(crate) fn is_out_of_time(exit: Exit, limit: Option<Duration>, used: Option<Duration>) -> bool {
    match exit.signal() {
        Some(nix::libc::SIGXCPU) => true,
        // The hard limit, for one that ignores the signal of the soft one.
        Some(nix::libc::SIGKILL) => limit.zip(used).is_some_and(|(limit, used)| used >= limit),
        _ => false,
    }
}

/// The limits of one child, worked out before the fork: applying them makes system calls only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChildLimits([Option<(Resource, Rlimit)>; 4]);

impl ChildLimits {
    /// What is configured and nothing else keeps, within our own hard limits; the rest as we were
    /// started with.
    pub(crate) fn of(configured: &ResourceLimits, kept: LimitsInForce) -> Self {
        let memory = configured.memory.filter(|_| kept.memory.is_none());
        let processes = configured.processes.filter(|_| kept.processes.is_none());
        Self([
            // Data rather than address space: runtimes such as Node.js reserve gigabytes of the
            // latter that they never touch, and do not start without.
            memory.map(|bytes| (Resource::Data, both("memory", Resource::Data, bytes))),
            configured.cpu.map(|time| (Resource::Cpu, cpu(time))),
            processes.map(|n| (Resource::Nproc, both("processes", Resource::Nproc, n))),
            open_files(configured.open_files).map(|limit| (Resource::Nofile, limit)),
        ])
    }

    /// Puts the calling process under these limits. Safe between `fork` and `exec`.
    pub(crate) fn apply(&self) -> io::Result<()> {
        for (resource, limit) in self.0.iter().flatten() {
            setrlimit(*resource, *limit).map_err(|_| REFUSED)?;
        }
        Ok(())
    }
}

/// Soft and hard alike, so that the child cannot raise it.
fn both(key: &'static str, resource: Resource, wanted: u64) -> Rlimit {
    let bound = Some(within(key, resource, wanted));
    Rlimit { current: bound, maximum: bound }
}

fn cpu(time: Duration) -> Rlimit {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let soft = within("cpu", Resource::Cpu, seconds);
    let hard = soft.saturating_add(CPU_GRACE.as_secs());
    let hard = getrlimit(Resource::Cpu).maximum.map_or(hard, |ours| hard.min(ours));
    Rlimit { current: Some(soft), maximum: Some(hard) }
}

fn open_files(configured: Option<u64>) -> Option<Rlimit> {
    if let Some(wanted) = configured {
        return Some(both("open_files", Resource::Nofile, wanted));
    }
    let current = *STARTED_WITH.get()?;
    Some(Rlimit { current, maximum: getrlimit(Resource::Nofile).maximum })
}

/// A privileged process could go beyond its own hard limit; whoever set that one meant all of us.
fn within(key: &'static str, resource: Resource, wanted: u64) -> u64 {
    let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    if wanted > hard {
        tracing::warn!(
            limit = key,
            wanted,
            hard,
            "a limit is above the hard one that Standpipe runs under, which holds instead"
        );
    }
    wanted.min(hard)
}
