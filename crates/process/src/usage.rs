//! Owns asking the kernel what a child uses. It keeps nothing: whoever wants a series asks again.
//!
//! What counts is the child *and everything below it*: with `npx` or `uvx` the process we started
//! is a launcher, and the server is its grandchild. Only that tree is visited, never the whole
//! process table, so this is cheap enough for every scrape.

use std::fs;
use std::time::Duration;

/// What a child and its descendants use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU seconds, user and system together, those of descendants already waited for included.
    pub cpu_seconds: f64,
    /// Resident memory in bytes. Pages that several processes share are counted for each.
    pub resident_bytes: u64,
    /// Open file descriptors; 0 for processes of another user.
    pub open_fds: u64,
    /// Processes alive.
    pub processes: u64,
}

/// What `pid` and its descendants use; `None` if there is no such process or the platform does not
/// tell.
pub fn usage(pid: u32) -> Option<Usage> {
    // The root is asked for first: without it there is no answer, while a descendant may vanish.
    let mut sum = of_one(pid)?;
    let mut queue = children(pid);
    let mut visited = 0;
    while let Some(descendant) = queue.pop() {
        visited += 1;
        if visited > MAX_DESCENDANTS {
            break;
        }
        if let Some(part) = of_one(descendant) {
            sum.cpu_seconds += part.cpu_seconds;
            sum.resident_bytes += part.resident_bytes;
            sum.open_fds += part.open_fds;
            sum.processes += part.processes;
            queue.extend(children(descendant));
        }
    }
    Some(sum)
}

/// The processor time that this one process has used, without its descendants; known of a dead one
/// too until it is reaped.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let content = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let fields = fields_of(&content)?;
    let ticks: u64 = [11, 12].into_iter().filter_map(|i| fields.get(i)?.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(
        ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second(),
    ))
}

/// Descendants beyond these are not counted: a fork bomb must not stall the scrape.
const MAX_DESCENDANTS: usize = 1024;

#[expect(clippy::cast_precision_loss, reason = "exact for 2^53 ticks, millions of years")]
fn of_one(pid: u32) -> Option<Usage> {
    let content = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let fields = fields_of(&content)?;
    if fields.first() == Some(&"Z") {
        return None;
    }
    let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
    // utime, stime, cutime, cstime: the last two are those of children that were waited for.
    let ticks: i64 = [11, 12, 13, 14].into_iter().filter_map(number).sum();
    let pages = u64::try_from(number(21)?).unwrap_or(0);
    Some(Usage {
        cpu_seconds: ticks as f64 / ticks_per_second(),
        resident_bytes: pages.saturating_mul(rustix::param::page_size() as u64),
        open_fds: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |all| all.count() as u64),
        processes: 1,
    })
}

/// What follows the name, which may contain anything.
fn fields_of(stat: &[u8]) -> Option<Vec<&str>> {
    let end_of_name = memchr::memrchr(b')', stat)?;
    let rest = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    Some(rest.split_ascii_whitespace().collect())
}

#[expect(clippy::cast_precision_loss, reason = "it is 100 on every Linux")]
fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// The children that any of the process's threads started.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests;
