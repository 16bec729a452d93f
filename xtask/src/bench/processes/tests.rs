//! Which processes belong to a server.

use super::{Entry, Processes, entry, part};

fn entries(list: &[(u32, u32, &str)]) -> Vec<Entry> {
    list.iter()
        .map(|(pid, parent, name)| Entry { pid: *pid, parent: *parent, name: (*name).to_owned() })
        .collect()
}

#[test]
fn a_line_is_read_whatever_the_name() {
    let read = entry("12 (a (b) c) S 3 12 12 0 -1").unwrap();
    assert_eq!((read.pid, read.parent, read.name.as_str()), (12, 3, "a (b) c"));
    assert_eq!(entry("12 (half"), None);
}

#[test]
fn children_count_apart_and_strangers_not_at_all() {
    let all = entries(&[
        (10, 1, "standpipe"),
        (11, 10, "standpipe"),
        (12, 11, "bench-echo"),
        (13, 11, "bench-echo"),
        (20, 1, "bench-echo"),
        (14, 11, "sh"),
    ]);
    let Processes { mut own, mut children } = part(10, &all);
    own.sort_unstable();
    children.sort_unstable();
    assert_eq!((own, children), (vec![10, 11, 14], vec![12, 13]));
}
