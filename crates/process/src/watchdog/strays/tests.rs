//! Which processes count as left behind.

use std::collections::HashSet;

use super::strays_in;
use crate::descendants::{Entry, Table};
use crate::marker::RunId;

const OWN: u32 = 100;

fn entry(pid: u32, parent: u32, marker: &str) -> Entry {
    Entry::made_up(pid, parent, (!marker.is_empty()).then_some(marker))
}

fn run(pid: u32) -> RunId {
    RunId::parse(&format!("1.0.{pid}.{}", Entry::made_up(pid, 1, None).identity.started)).unwrap()
}

fn strays(entries: Vec<Entry>) -> HashSet<u32> {
    let table = Table::new(entries, OWN);
    strays_in(&table, &run(OWN)).into_iter().map(|process| process.pid).collect()
}

#[test]
fn only_what_a_dead_run_left_is_a_stray() {
    let (dead, living) = (run(66), run(300));
    let found = strays(vec![
        entry(OWN, 1, ""),
        entry(101, OWN, &format!("{}/s/1", run(OWN))),
        entry(200, 1, &format!("{dead}/s/1")),
        entry(201, 1, "somebody-elses-value"),
        // Another Standpipe that lives, with its own children and one that forked away.
        entry(300, 1, ""),
        entry(301, 300, &format!("{living}/s/1")),
        entry(302, 1, &format!("{living}/s/2")),
        // Of another namespace or user nothing can be known.
        entry(400, 1, "2.0.66.1066/s/1"),
        entry(401, 1, "1.5.66.1066/s/1"),
    ]);
    assert_eq!(found, HashSet::from([200]));
}

#[test]
fn an_owners_id_that_was_reused_does_not_protect() {
    // 66 lives, but started at another time than the run's owner.
    let found = strays(vec![entry(66, 1, ""), entry(200, 1, "1.0.66.7/s/1")]);
    assert_eq!(found, HashSet::from([200]));
}

#[test]
fn a_standpipe_started_by_a_stray_is_not_touched() {
    let (dead, living) = (run(66), run(300));
    let found = strays(vec![
        entry(200, 1, &format!("{dead}/shell/1")),
        entry(300, 200, &format!("{dead}/shell/1")),
        entry(301, 300, &format!("{dead}/shell/1")),
        entry(302, 301, &format!("{living}/s/1")),
    ]);
    assert_eq!(found, HashSet::from([200]));
}

#[test]
fn we_are_no_stray_although_a_dead_run_marked_us() {
    let dead = run(66);
    let found = strays(vec![
        entry(99, 1, &format!("{dead}/shell/1")),
        entry(OWN, 99, &format!("{dead}/shell/1")),
        entry(102, OWN, &format!("{dead}/shell/1")),
    ]);
    assert!(found.is_empty(), "{found:?}");
}
