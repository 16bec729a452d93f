//! Markers must be unambiguous: a wrong parse would kill a stranger.

use super::{InstanceMarker, RunId, run_of};

#[test]
fn a_run_survives_being_written_and_read() {
    let run = RunId::of_this_process();
    assert_eq!(RunId::parse(&run.to_string()), Some(run));
    assert_eq!(run.owner(), std::process::id());
    assert!(run.is_visible_from(&run));
}

#[test]
fn anything_else_is_not_a_run() {
    for text in ["", "1", "1.2.3", "1.2.3.4.5", "1.2.3.x", "-1.2.3.4", "1.2.3.4 "] {
        assert_eq!(RunId::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_marker_has_exactly_three_fields_whatever_the_service_is_called() {
    let run = RunId::of_this_process();
    let marker = InstanceMarker::new(run, "a/b%\0é", 7).to_string();
    assert_eq!(marker, format!("{run}/a%2Fb%25%00é/7"));
    assert_eq!(run_of(marker.as_bytes()), Some(run));
}

#[test]
fn strangers_values_name_no_run() {
    for value in [&b"someone-else"[..], b"", b"/", b"a/b/c", b"\xff\xfe/x/1"] {
        assert_eq!(run_of(value), None);
    }
}

#[test]
fn runs_of_other_users_and_namespaces_are_not_judged() {
    let here = RunId { namespace: 1, user: 0, pid: 10, started: 5 };
    assert!(!RunId { namespace: 2, ..here }.is_visible_from(&here));
    assert!(!RunId { user: 7, ..here }.is_visible_from(&here));
    assert!(!RunId { started: 0, ..here }.is_visible_from(&here));
    assert!(RunId { pid: 11, ..here }.is_visible_from(&here));
}
