//! What processes are there: by marker in their environment, by group, by parent.
//!
//! Owns the reading of `/proc`. It kills nothing. It exists because "nothing survives" can only be
//! shown by looking at every process of the machine. Linux only: elsewhere nothing is found.

use std::fs;

/// The variable that marks a process as belonging to a supervised instance.
const MARKER: &str = "STANDPIPE_INSTANCE=";

/// A process, as `/proc` showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent's id.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// The state letter of `/proc/<pid>/stat`; `Z` is a zombie.
    pub state: char,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Start time in clock ticks after boot; with `pid` it names the process for ever.
    pub started: u64,
}

impl Process {
    /// Whether it has ended and only waits to be reaped.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Every living process whose `STANDPIPE_INSTANCE` starts with `prefix`.
///
/// Zombies are not among them: they have no environment any more. Processes of other users cannot
/// be read and are left out.
pub fn processes_marked(prefix: &str) -> Vec<Process> {
    let wanted = [MARKER, prefix].concat();
    all()
        .filter(|process| {
            fs::read(format!("/proc/{}/environ", process.pid)).is_ok_and(|environment| {
                environment
                    .split(|&byte| byte == 0)
                    .any(|entry| entry.starts_with(wanted.as_bytes()))
            })
        })
        .collect()
}

/// Every process of group `group`, zombies included (see [`Process::is_zombie`]).
pub fn processes_in_group(group: i32) -> Vec<Process> {
    all().filter(|process| process.group == group).collect()
}

/// Every child of `parent`, zombies included.
pub fn children_of(parent: i32) -> Vec<Process> {
    all().filter(|process| process.parent == parent).collect()
}

/// The process with this id, be it a zombie.
pub fn process(pid: i32) -> Option<Process> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Whether a process with this id exists and is not a zombie.
pub fn is_alive(pid: i32) -> bool {
    process(pid).is_some_and(|process| !process.is_zombie())
}

fn all() -> impl Iterator<Item = Process> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| process(entry.ok()?.file_name().to_str()?.parse().ok()?))
}

/// Parses a line of `/proc/<pid>/stat`: `pid (name) state ppid pgrp session …`.
///
/// The name may hold blanks and parentheses, so the line is split at the last one.
fn parse(stat: &str) -> Option<Process> {
    let (head, tail) = stat.rsplit_once(')')?;
    let (pid, name) = head.split_once(" (")?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    Some(Process {
        pid: pid.parse().ok()?,
        name: name.to_owned(),
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests;
