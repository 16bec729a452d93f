//! Owns one reading of the process table, and the question who in it belongs to whom. It never
//! signals anybody, so all of it can be tested on tables made up by hand.
//!
//! `/proc` is read while the machine goes on living: entries vanish half way, names are chosen by
//! their processes and may hold spaces, brackets and line feeds. Whatever cannot be read or parsed
//! is treated as gone.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::time::Duration;

use super::spare::{is_exhaustion, with_spare};
use crate::marker::MARKER_VARIABLE;

/// No process can have a larger environment than the kernel's limit on arguments; this only keeps
/// a surprise from becoming an allocation of that size.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// A process in the middle of `execve` has lost its old environment and not got its new one, so
/// its marker cannot be read; that takes a moment, longer where the program has to come from a disk.
const EXEC_PAUSE: Duration = Duration::from_millis(1);
/// So often such a process is looked at again.
const EXEC_ROUNDS: u32 = 30;
/// For some microseconds the new environment is there and still empty. Who has none after so many
/// looks has none.
const BARE_ROUNDS: u32 = 2;

/// One process for all time: ids are reused, the pair is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// The process id.
    pub(crate) pid: u32,
    /// Clock ticks between boot and its start.
    pub(crate) started: u64,
}

/// What the table says about one process.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Who it is.
    pub(crate) identity: Identity,
    /// Its parent's id, at the moment of reading.
    pub(crate) parent: u32,
    /// Its process group.
    pub(crate) group: u32,
    /// Its session.
    pub(crate) session: u32,
    /// Whether it has ended and only waits to be reaped.
    pub(crate) dead: bool,
    /// Whether it has memory of its own (kernel threads and the dead have none).
    has_memory: bool,
    /// How long its initial environment is; unknown during an `execve`, and for processes that we
    /// may not look into.
    environment_bytes: Option<u64>,
    /// The value of [`MARKER_VARIABLE`] in its initial environment.
    pub(crate) marker: Option<Box<[u8]>>,
}

#[cfg(test)]
impl Entry {
    /// A living process for tables made up by tests.
    pub(crate) fn made_up(pid: u32, parent: u32, marker: Option<&str>) -> Self {
        Self {
            identity: Identity { pid, started: 1000 + u64::from(pid) },
            parent,
            group: pid,
            session: pid,
            dead: false,
            has_memory: true,
            environment_bytes: None,
            marker: marker.map(|marker| marker.as_bytes().into()),
        }
    }
}

/// A reading of the process table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    children: HashMap<u32, Vec<usize>>,
    /// Ourselves, our ancestors and process 1.
    protected: HashSet<u32>,
    /// Whether all that could have been read was read: `false` if descriptors ran out, or if a
    /// process did not get through its `execve`.
    complete: bool,
}

impl Table {
    /// Reads the table with every readable marker. Costs some 30 µs for each process of the
    /// machine, so it is for stopping and start-up only.
    pub(crate) fn read() -> Self {
        let mut entries = Vec::new();
        let mut complete = true;
        let pids = with_spare(all_pids).unwrap_or_else(|_| {
            complete = false;
            Vec::new()
        });
        let mut unsettled = Vec::new();
        let mut look = |pid: u32, round: u32, unsettled: &mut Vec<u32>| match read_entry(pid) {
            Ok(Reading::Gone) => {}
            Ok(Reading::Entry(entry)) => entries.push(entry),
            Ok(Reading::Bare(entry)) if round >= BARE_ROUNDS => entries.push(entry),
            Ok(Reading::Bare(_) | Reading::Torn) => unsettled.push(pid),
            Err(Exhausted) => complete = false,
        };
        for pid in pids {
            look(pid, 0, &mut unsettled);
        }
        for round in 1..=EXEC_ROUNDS {
            if unsettled.is_empty() {
                break;
            }
            std::thread::sleep(EXEC_PAUSE);
            for pid in std::mem::take(&mut unsettled) {
                look(pid, round, &mut unsettled);
            }
        }
        complete &= unsettled.is_empty();
        Self { complete, ..Self::new(entries, std::process::id()) }
    }

    /// A table of these processes as seen by process `own`.
    pub(crate) fn new(entries: Vec<Entry>, own: u32) -> Self {
        let mut children: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut parents = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            children.entry(entry.parent).or_default().push(index);
            parents.insert(entry.identity.pid, entry.parent);
        }
        let mut protected = HashSet::from([0, 1]);
        let mut ancestor = Some(own);
        // `insert` is false on a process already seen: a torn reading can show a cycle.
        while let Some(pid) = ancestor.filter(|pid| *pid == own || *pid > 1) {
            if !protected.insert(pid) {
                break;
            }
            ancestor = parents.get(&pid).copied();
        }
        Self { entries, children, protected, complete: true }
    }

    /// Everything alive that belongs to the instance led by `leader`: its session and group, every
    /// process that carries `marker`, everyone in `known`, and all their descendants. The caller
    /// must not have reaped `leader`, else its id may mean somebody else by now.
    pub(crate) fn members(
        &self,
        leader: u32,
        marker: &[u8],
        known: &HashSet<Identity>,
    ) -> Vec<Identity> {
        self.closure(|entry| {
            entry.identity.pid == leader
                || entry.session == leader
                || entry.group == leader
                || entry.marker.as_deref() == Some(marker)
                || known.contains(&entry.identity)
        })
    }

    /// Everything alive that carries a marker of which `chosen` says yes, with all descendants.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "for the watchdog only"))]
    pub(crate) fn marked(&self, chosen: impl Fn(&[u8]) -> bool) -> Vec<Identity> {
        self.closure(|entry| entry.marker.as_deref().is_some_and(&chosen))
    }

    /// Everything alive that itself carries a marker of which `chosen` says yes.
    pub(crate) fn carriers(&self, chosen: impl Fn(&[u8]) -> bool) -> Vec<Identity> {
        let carries = |entry: &&Entry| entry.marker.as_deref().is_some_and(&chosen);
        let may_be_hit = |entry: &&Entry| !entry.dead && !self.is_protected(entry.identity.pid);
        self.entries.iter().filter(carries).filter(may_be_hit).map(|entry| entry.identity).collect()
    }

    /// Whether not finding a process means that it is not there.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// All markers there are.
    pub(crate) fn markers(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().filter_map(|entry| entry.marker.as_deref())
    }

    /// Everything alive below `ancestor`, without `ancestor`, and without what `spared` names or
    /// is below one of those.
    pub(crate) fn descendants(&self, ancestor: u32, spared: &HashSet<Identity>) -> Vec<Identity> {
        let mut found = Vec::new();
        let mut seen = HashSet::from([ancestor]);
        let mut queue = vec![ancestor];
        while let Some(parent) = queue.pop() {
            for entry in self.children_of(parent) {
                if spared.contains(&entry.identity) || !seen.insert(entry.identity.pid) {
                    continue;
                }
                queue.push(entry.identity.pid);
                if !entry.dead && !self.is_protected(entry.identity.pid) {
                    found.push(entry.identity);
                }
            }
        }
        found
    }

    /// Whether exactly this process is alive.
    pub(crate) fn is_alive(&self, pid: u32, started: u64) -> bool {
        let wanted = Identity { pid, started };
        self.entries.iter().any(|entry| entry.identity == wanted && !entry.dead)
    }

    fn is_protected(&self, pid: u32) -> bool {
        self.protected.contains(&pid)
    }

    fn children_of(&self, parent: u32) -> impl Iterator<Item = &Entry> {
        self.children
            .get(&parent)
            .into_iter()
            .flatten()
            .filter_map(|index| self.entries.get(*index))
    }

    fn closure(&self, is_seed: impl Fn(&Entry) -> bool) -> Vec<Identity> {
        let mut seen = HashSet::new();
        let mut queue: Vec<&Entry> = self.entries.iter().filter(|entry| is_seed(entry)).collect();
        let mut found = Vec::new();
        while let Some(entry) = queue.pop() {
            let pid = entry.identity.pid;
            if self.is_protected(pid) || !seen.insert(pid) {
                continue;
            }
            if !entry.dead {
                found.push(entry.identity);
            }
            queue.extend(self.children_of(pid));
        }
        found
    }
}

/// No descriptor is left to look with.
struct Exhausted;

/// What there was to read of one process.
enum Reading {
    Gone,
    Entry(Entry),
    /// Its environment is empty.
    Bare(Entry),
    /// It was in the middle of an `execve`.
    Torn,
}

/// Reads what `/proc` says of one process without its marker; `None` if there is none.
pub(super) fn read_stat(pid: u32) -> Option<Entry> {
    let content = read_file(pid, "stat").ok()??;
    parse_stat(pid, &content)
}

fn read_entry(pid: u32) -> Result<Reading, Exhausted> {
    let environment = read_file(pid, "environ")?;
    let Some(content) = read_file(pid, "stat")? else { return Ok(Reading::Gone) };
    let Some(mut entry) = parse_stat(pid, &content) else { return Ok(Reading::Gone) };
    if entry.has_memory && !entry.dead {
        entry.marker = environment.as_deref().and_then(marker_in).map(Into::into);
        let Some(environment) = environment.filter(|_| entry.marker.is_none()) else {
            return Ok(Reading::Entry(entry));
        };
        // An `execve` also cuts off a reading that has begun.
        if entry.environment_bytes != Some(environment.len() as u64) {
            return Ok(Reading::Torn);
        }
        if environment.is_empty() {
            return Ok(Reading::Bare(entry));
        }
    }
    Ok(Reading::Entry(entry))
}

/// `None` if the process is gone or not ours to look into.
fn read_file(pid: u32, name: &str) -> Result<Option<Vec<u8>>, Exhausted> {
    let path = format!("/proc/{pid}/{name}");
    let mut content = Vec::with_capacity(1024);
    match with_spare(|| File::open(&path)) {
        Ok(file) => {
            // What fails half way is as good as a file that ends there.
            let _read = file.take(MAX_FILE_BYTES).read_to_end(&mut content);
            Ok(Some(content))
        }
        Err(error) if is_exhaustion(&error) => Err(Exhausted),
        Err(_) => Ok(None),
    }
}

/// Parses the content of a `stat` file (see `proc_pid_stat(5)`).
pub(super) fn parse_stat(pid: u32, content: &[u8]) -> Option<Entry> {
    // The name is in brackets and may itself hold brackets; nothing after it can.
    let end_of_name = memchr::memrchr(b')', content)?;
    let rest = std::str::from_utf8(content.get(end_of_name + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let small = |index: usize| u32::try_from(number(index)?).ok();
    // A main thread that ended while others run is shown as a zombie too, but is not dead.
    let dead = matches!(*fields.first()?, "Z" | "X" | "x") && number(17)? <= 1;
    Some(Entry {
        identity: Identity { pid, started: number(19)? },
        parent: small(1)?,
        group: small(2)?,
        session: small(3)?,
        dead,
        has_memory: number(20)? > 0,
        environment_bytes: number(48)
            .filter(|end| *end > 0)
            .zip(number(47))
            .map(|(end, start)| end.saturating_sub(start)),
        marker: None,
    })
}

/// Finds the marker's value in the content of an `environ` file.
pub(super) fn marker_in(environment: &[u8]) -> Option<&[u8]> {
    environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(MARKER_VARIABLE.as_bytes())?.strip_prefix(b"="))
}

#[cfg(target_os = "linux")]
fn all_pids() -> io::Result<Vec<u32>> {
    // Collected first, so that no more than one descriptor is in use at a time.
    let entries = std::fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

#[cfg(not(target_os = "linux"))]
fn all_pids() -> io::Result<Vec<u32>> {
    Ok(Vec::new())
}
