//! What the kernel says of the processes of a server.
//!
//! Owns the reading of `/proc`. Must not know what they do. A server may be several processes; the
//! echo child is known by its name and counts apart.

#[cfg(test)]
mod tests;

use std::fs;

use anyhow::Context;

/// The name of the echo child's program.
const CHILD: &str = "bench-echo";

/// The processes of one server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Processes {
    /// The server's own.
    pub(super) own: Vec<u32>,
    /// The echo children.
    pub(super) children: Vec<u32>,
}

/// One process in the list of all.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    pid: u32,
    parent: u32,
    name: String,
}

/// A process and all below it.
pub(super) fn below(root: u32) -> anyhow::Result<Processes> {
    let mut entries = Vec::new();
    for folder in fs::read_dir("/proc").context("cannot list /proc")? {
        let path = folder?.path().join("stat");
        // Those that are no process, and those that have ended since.
        if let Ok(text) = fs::read_to_string(path) {
            entries.extend(entry(&text));
        }
    }
    Ok(part(root, &entries))
}

fn part(root: u32, entries: &[Entry]) -> Processes {
    let mut found = Processes { own: vec![root], children: Vec::new() };
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for entry in entries.iter().filter(|entry| entry.parent == parent) {
            parents.push(entry.pid);
            let list = if entry.name == CHILD { &mut found.children } else { &mut found.own };
            list.push(entry.pid);
        }
    }
    found
}

/// Reads `PID (NAME) STATE PARENT …`; a name may hold anything.
fn entry(text: &str) -> Option<Entry> {
    let (pid, rest) = text.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let parent = rest.split(' ').nth(1)?;
    Some(Entry { pid: pid.parse().ok()?, parent: parent.parse().ok()?, name: name.to_owned() })
}

/// Resident memory of a process, in KiB.
pub(super) fn resident(pid: u32) -> anyhow::Result<f64> {
    field(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// The same with pages that are shared counted by their share.
pub(super) fn proportional(pid: u32) -> anyhow::Result<f64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn field(path: &str, name: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("{path} has no {name}"))
}
