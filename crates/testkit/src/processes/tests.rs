//! Reading `/proc`, on a line and on ourselves.

use super::*;

#[test]
fn a_name_with_parentheses_does_not_shift_the_fields() {
    let line = "42 (a) b (c)) S 7 40 39 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 0";
    let process = parse(line).unwrap();
    assert_eq!(
        process,
        Process {
            pid: 42,
            parent: 7,
            group: 40,
            session: 39,
            state: 'S',
            name: "a) b (c)".to_owned(),
            started: 12345,
        }
    );
}

#[test]
#[cfg(target_os = "linux")]
fn this_process_is_found_alive_and_in_its_group() {
    let pid = i32::try_from(std::process::id()).unwrap();
    let me = process(pid).unwrap();
    assert!(is_alive(pid));
    assert!(
        processes_in_group(me.group).contains(&Process { state: me.state, ..me.clone() })
            || processes_in_group(me.group).iter().any(|found| found.pid == pid)
    );
}

#[test]
fn a_marker_nobody_has_finds_nobody() {
    assert_eq!(processes_marked("no-such-run/"), []);
}
