//! The control group of one child.
//!
//! Owns its directory from its making to its removal. It does not decide when anything in it is
//! killed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use standpipe_core::status::{Enforcement, LimitsInForce};

/// Looks at a group that cannot be removed yet: its last processes are on their way out.
const REMOVALS: u32 = 100;
const BETWEEN_REMOVALS: Duration = Duration::from_millis(50);

/// A group that holds one child and everything that it starts.
#[derive(Debug)]
pub(crate) struct ControlGroup {
    path: PathBuf,
    limits: LimitsInForce,
}

impl ControlGroup {
    /// Takes over a directory that is nobody else's.
    pub(super) fn adopt(path: PathBuf) -> Self {
        Self { path, limits: LimitsInForce::default() }
    }

    /// Limits it, as far as the kernel lets us: memory in bytes, and a number of processes.
    pub(super) fn limited_to(mut self, memory: Option<u64>, processes: Option<u64>) -> Self {
        if let Some(bytes) = memory
            && self.set("memory.max", bytes)
        {
            self.limits.memory = Some(Enforcement::Cgroup);
            // Otherwise it would go on in swap space, where there is some.
            let _without_swap = self.try_set("memory.swap.max", 0);
            // A server without one of its processes may be worse than none: its callers would wait.
            let _kernel_is_old = self.try_set("memory.oom.group", 1);
        }
        if let Some(count) = processes
            && self.set("pids.max", count)
        {
            self.limits.processes = Some(Enforcement::Cgroup);
        }
        self
    }

    /// The limits that this group keeps.
    pub(crate) const fn limits(&self) -> LimitsInForce {
        self.limits
    }

    /// The file to which a process writes `0` to enter. Opened before the child is forked, which
    /// may not open anything.
    pub(crate) fn entrance(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(false).open(self.file("cgroup.procs"))
    }

    /// Kills everything in it, those included that are being forked. Kernels before 5.14 cannot.
    pub(crate) fn kill(&self) {
        if let Err(error) = self.try_set("cgroup.kill", 1) {
            tracing::trace!(%error, group = %self.path.display(), "the group cannot be killed");
        }
    }

    /// Whether a process is in it. The dead that nobody has reaped yet do not count.
    pub(crate) fn is_populated(&self) -> bool {
        number_in(&self.file("cgroup.events"), "populated").is_some_and(|count| count > 0)
    }

    /// Whether the kernel has killed a process in it for want of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        number_in(&self.file("memory.events"), "oom_kill").is_some_and(|count| count > 0)
    }

    fn set(&self, file: &str, value: u64) -> bool {
        let set = self.try_set(file, value);
        if let Err(error) = &set {
            let group = self.path.display();
            tracing::warn!(%error, %group, file, value, "the group does not take this limit");
        }
        set.is_ok()
    }

    fn try_set(&self, file: &str, value: u64) -> io::Result<()> {
        fs::write(self.file(file), value.to_string())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        if remove(&self.path).is_ok() {
            return;
        }
        let path = std::mem::take(&mut self.path);
        let patient = move || {
            for _ in 0..REMOVALS {
                std::thread::sleep(BETWEEN_REMOVALS);
                if remove(&path).is_ok() {
                    return;
                }
            }
            tracing::debug!(group = %path.display(), "left behind; the next start removes it");
        };
        let thread = std::thread::Builder::new().name("group-removal".to_owned());
        if let Err(error) = thread.spawn(patient) {
            tracing::debug!(%error, "a control group is left behind");
        }
    }
}

/// Removes a group without processes, and what was made below it. Only directories are removed: the
/// files are the kernel's.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => {}
    }
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// The number behind a word in a file of lines with a word and a number each.
fn number_in(file: &Path, word: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok())
}
