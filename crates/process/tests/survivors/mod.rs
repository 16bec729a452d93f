//! Looks at the process table independently of the crate under test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use standpipe_process::{InstanceMarker, RunId};

/// A marker that no other test has.
pub(crate) fn marker() -> InstanceMarker {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    InstanceMarker::new(RunId::of_this_process(), "test", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Asserts that no process carries the marker, and that nobody is in the group or session.
#[track_caller]
pub(crate) fn assert_nothing_left(marker: &InstanceMarker, leader: u32) {
    let left: Vec<_> = alive()
        .into_iter()
        .filter(|pid| {
            session_of(*pid) == leader
                || group_of(*pid) == leader
                || marker_of(*pid).as_deref() == Some(&marker.to_string())
        })
        .map(|pid| (pid, std::fs::read_to_string(format!("/proc/{pid}/cmdline"))))
        .collect();
    assert!(left.is_empty(), "still there: {left:?}");
    assert!(!std::path::Path::new(&format!("/proc/{leader}")).exists(), "the leader is not reaped");
}

/// Who carries the marker.
pub(crate) fn marked(marker: &InstanceMarker) -> Vec<u32> {
    let wanted = marker.to_string();
    alive().into_iter().filter(|pid| marker_of(*pid).as_ref() == Some(&wanted)).collect()
}

/// Who carries a marker that begins like this.
pub(crate) fn marked_like(prefix: &str) -> Vec<u32> {
    let matches = |pid: &u32| marker_of(*pid).is_some_and(|marker| marker.starts_with(prefix));
    alive().into_iter().filter(matches).collect()
}

pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    alive().into_iter().filter(|pid| field(*pid, 1) == Some(parent)).collect()
}

pub(crate) fn session_of(pid: u32) -> u32 {
    field(pid, 3).unwrap_or(0)
}

pub(crate) fn group_of(pid: u32) -> u32 {
    field(pid, 2).unwrap_or(0)
}

pub(crate) fn is_alive(pid: u32) -> bool {
    !matches!(
        stat(pid).as_ref().and_then(|fields| fields.first()).map(String::as_str),
        None | Some("Z")
    )
}

fn alive() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| is_alive(*pid))
        .collect()
}

fn marker_of(pid: u32) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variables = String::from_utf8_lossy(&environment).into_owned();
    variables
        .split('\0')
        .find_map(|variable| variable.strip_prefix("STANDPIPE_INSTANCE="))
        .map(str::to_owned)
}

fn field(pid: u32, index: usize) -> Option<u32> {
    stat(pid)?.get(index)?.parse().ok()
}

fn stat(pid: u32) -> Option<Vec<String>> {
    let content = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = content.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// Waits until `condition` gives something, for at most half a minute.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(found) = condition() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("gave up waiting for {what}");
}
