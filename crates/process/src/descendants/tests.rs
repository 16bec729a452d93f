//! Who belongs to whom, on process tables made up by hand; and the real one, once.

use std::collections::HashSet;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::table::{marker_in, parse_stat};
use super::{Identity, Table, census, census_blocking, signal_exactly, start_time};

/// A line of a `stat` file; `dead` as the kernel shows a zombie.
fn stat(pid: u32, parent: u32, group: u32, session: u32) -> super::table::Entry {
    let line = format!(
        "{pid} (x) S {parent} {group} {session} 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 {} 1 1",
        1000 + pid
    );
    parse_stat(pid, line.as_bytes()).unwrap()
}

fn marked(pid: u32, parent: u32, marker: &str) -> super::table::Entry {
    let mut entry = stat(pid, parent, pid, pid);
    entry.marker = Some(marker.as_bytes().into());
    entry
}

fn ids(mut found: Vec<Identity>) -> Vec<u32> {
    found.sort_by_key(|identity| identity.pid);
    found.into_iter().map(|identity| identity.pid).collect()
}

#[test]
fn names_may_hold_anything() {
    for name in ["sh", "a b", ") S 1 1 1 (", "(((", ")))", "line\nfeed", "\u{fffd}"] {
        let line = format!("42 ({name}) S 7 8 9 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 555 4096 10\n");
        let entry = parse_stat(42, line.as_bytes()).unwrap();
        assert_eq!((entry.parent, entry.group, entry.session), (7, 8, 9), "{name}");
        assert_eq!(entry.identity, Identity { pid: 42, started: 555 });
        assert!(!entry.dead);
    }
}

#[test]
fn torn_and_strange_lines_are_no_process() {
    for line in ["", "42", "42 (x", "42 (x)", "42 (x) S", "42 (x) S 1 2 3", "42 (x) S a b c d e f"]
    {
        assert!(parse_stat(42, line.as_bytes()).is_none(), "{line:?}");
    }
}

#[test]
fn a_zombie_with_living_threads_is_not_dead() {
    let line = |state: &str, threads: u32| {
        format!("42 (x) {state} 7 8 9 0 -1 0 0 0 0 0 1 1 0 0 20 0 {threads} 0 555 0 0")
    };
    assert!(parse_stat(42, line("Z", 1).as_bytes()).unwrap().dead);
    assert!(!parse_stat(42, line("Z", 2).as_bytes()).unwrap().dead);
    assert!(parse_stat(42, line("X", 0).as_bytes()).unwrap().dead);
    assert!(!parse_stat(42, line("T", 1).as_bytes()).unwrap().dead);
}

#[test]
fn the_marker_is_a_whole_variable() {
    assert_eq!(marker_in(b"A=1\0STANDPIPE_INSTANCE=r/s/1\0B=2\0"), Some(&b"r/s/1"[..]));
    assert_eq!(marker_in(b"XSTANDPIPE_INSTANCE=r/s/1\0STANDPIPE_INSTANCES=x\0"), None);
    assert_eq!(marker_in(b""), None);
}

#[test]
fn members_are_group_session_marker_known_and_everyone_below() {
    let table = Table::new(
        vec![
            stat(1, 0, 1, 1),
            stat(100, 1, 100, 100),     // ourselves
            stat(200, 100, 200, 200),   // the leader
            stat(201, 200, 200, 200),   // in its group
            stat(202, 1, 202, 200),     // an orphan in a group of its own, same session
            stat(203, 202, 203, 203),   // below that one, in a session of its own
            marked(204, 1, "r/s/1"),    // a daemon
            stat(205, 204, 205, 205),   // below the daemon, without marker
            stat(206, 1, 206, 206),     // seen earlier
            marked(300, 100, "r/s/12"), // another instance with a similar marker
            stat(301, 300, 300, 300),
        ],
        100,
    );
    let known =
        HashSet::from([Identity { pid: 206, started: 1206 }, Identity { pid: 301, started: 9 }]);
    let members = ids(table.members(200, b"r/s/1", &known));
    assert_eq!(members, [200, 201, 202, 203, 204, 205, 206]);
}

#[test]
fn neither_we_nor_our_ancestors_are_ever_members() {
    let table = Table::new(
        vec![
            stat(1, 0, 1, 1),
            marked(50, 1, "r/s/1"),
            marked(100, 50, "r/s/1"),
            marked(101, 100, "r/s/1"),
        ],
        100,
    );
    assert_eq!(ids(table.members(50, b"r/s/1", &HashSet::new())), [101]);
    assert_eq!(ids(table.carriers(|_| true)), [101]);
}

#[test]
fn a_torn_table_with_a_cycle_ends() {
    let table = Table::new(vec![stat(10, 11, 10, 10), stat(11, 10, 10, 10)], 10);
    assert!(table.members(10, b"", &HashSet::new()).is_empty());
    let table = Table::new(vec![stat(10, 11, 10, 10), stat(11, 10, 10, 10)], 99);
    assert_eq!(ids(table.members(10, b"", &HashSet::new())), [10, 11]);
    assert_eq!(ids(table.descendants(10, &HashSet::new())), [11]);
}

#[test]
fn spared_children_keep_what_is_below_them() {
    let entries =
        vec![stat(10, 1, 1, 1), stat(11, 10, 1, 1), stat(12, 11, 1, 1), stat(13, 10, 1, 1)];
    let table = Table::new(entries, 10);
    let spared = HashSet::from([Identity { pid: 11, started: 1011 }]);
    assert_eq!(ids(table.descendants(10, &spared)), [13]);
    // The same id with another start time is somebody else.
    let spared = HashSet::from([Identity { pid: 11, started: 1 }]);
    assert_eq!(ids(table.descendants(10, &spared)), [11, 12, 13]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_hits_only_who_was_meant() {
    let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    let started = start_time(child.id()).unwrap();
    let meant = Identity { pid: child.id(), started };
    assert!(!signal_exactly(Identity { started: started + 1, ..meant }, Signal::KILL));
    assert!(child.try_wait().unwrap().is_none());
    assert!(signal_exactly(meant, Signal::KILL));
    child.wait().unwrap();
    assert!(!signal_exactly(meant, Signal::KILL));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn readings_are_shared_and_never_older_than_the_question() {
    let askers: Vec<_> = (0..200).map(|_| tokio::spawn(census())).collect();
    let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    let started = start_time(child.id()).unwrap();
    assert!(census().await.is_alive(child.id(), started));
    assert!(
        tokio::task::spawn_blocking(census_blocking).await.unwrap().is_alive(child.id(), started)
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!census().await.is_alive(child.id(), started));
    for asker in askers {
        asker.await.unwrap();
    }
}
