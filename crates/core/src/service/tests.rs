//! Names and specs: what is accepted, and that a refusal names its reason.

use std::collections::HashMap;
use std::time::Duration;

use super::*;

fn spec() -> ServiceSpec {
    ServiceSpec::new(ServiceId::new("fs").unwrap(), "server")
}

#[test]
fn good_ids() {
    for name in ["a", "A.b_c-9", "_", "0", &"x".repeat(64), "a..b", "mcp-server-time"] {
        assert_eq!(ServiceId::new(name).unwrap().as_str(), name);
    }
}

#[test]
fn bad_ids_say_why() {
    let cases = [
        ("", "it is empty"),
        (&*"x".repeat(65), "65 bytes long, at most 64"),
        (".hidden", "must not start with '.'"),
        ("-x", "must not start with '-'"),
        ("..", "must not start with '.'"),
        ("a/b", "'/' at position 2"),
        ("a b", "' ' at position 2"),
        ("naïve", "'ï' at position 3"),
        ("a\n", "'\\n' at position 2"),
        ("a%2e", "'%' at position 2"),
        ("a\0", "'\\0' at position 2"),
    ];
    for (name, expected) in cases {
        let message = ServiceId::new(name).unwrap_err().to_string();
        assert!(message.contains(expected), "{name:?}: {message}");
    }
}

#[test]
fn ids_are_looked_up_by_str() {
    let table = HashMap::from([(ServiceId::new("fs").unwrap(), 1)]);
    assert_eq!(table.get("fs"), Some(&1));
}

#[test]
fn ids_are_checked_when_deserialised() {
    assert!(serde_json::from_str::<ServiceId>("\"ok\"").is_ok());
    let error = serde_json::from_str::<ServiceId>("\"a/b\"").unwrap_err();
    assert!(error.to_string().contains("'/'"), "{error}");
}

#[test]
fn the_defaults_are_valid_and_as_documented() {
    let spec = spec();
    spec.validate().unwrap();
    assert_eq!(spec.timeouts.start, Duration::from_mins(1));
    assert_eq!(spec.timeouts.request, Duration::from_mins(5));
    assert_eq!(spec.timeouts.request_max, Duration::from_hours(1));
    assert_eq!(spec.timeouts.question, Duration::from_mins(5));
    assert_eq!(spec.timeouts.session_idle, Duration::from_mins(30));
    assert_eq!(spec.idle_timeout, None);
    assert_eq!(Lifecycle::OneShot.default_idle_timeout(), Some(Duration::from_mins(5)));
    assert_eq!((spec.limits.max_instances, spec.limits.side_processes), (64, 8));
    assert_eq!(spec.resources, ResourceLimits::default(), "nothing is limited");
}

#[test]
fn each_mistake_has_its_own_message() {
    type Change = fn(&mut ServiceSpec);
    let cases: &[(Change, &str)] = &[
        (|s| s.command = "".into(), "`command` is empty"),
        (|s| s.command = "a\0b".into(), "`command` contains a NUL"),
        (|s| s.args = vec!["a\0".into()], "`args` contains a NUL"),
        (|s| s.cwd = Some("".into()), "`cwd` is empty"),
        (|s| s.cwd = Some("a\0".into()), "`cwd` contains a NUL"),
        (|s| drop(s.env.insert("A=B".into(), "x".to_owned().into())), "\"A=B\""),
        (|s| drop(s.env.insert(String::new(), "x".to_owned().into())), "must not be empty"),
        (|s| drop(s.env.insert("KEY".into(), "\0".to_owned().into())), "`env.KEY` contains"),
        (|s| s.timeouts.start = Duration::ZERO, "`start_timeout` must be greater than zero"),
        (|s| s.idle_timeout = Some(Duration::ZERO), "`idle_timeout` must be greater"),
        (|s| s.timeouts.question = Duration::MAX, "`question_timeout` must be at most"),
        (|s| s.restart.cooldown = Duration::MAX, "`restart.cooldown` must be at most"),
        (|s| s.timeouts.request = Duration::from_hours(2), "`request_timeout_max`"),
        (|s| s.restart.backoff_min = Duration::from_secs(31), "`restart.backoff_max`"),
        (|s| s.restart.max_failures = 0, "`restart.max_failures` must be greater"),
        (|s| s.limits.max_instances = 0, "`max_instances` must be greater"),
        (|s| s.limits.max_message_bytes = 0, "`max_message_bytes` must be greater"),
        (|s| s.resources.memory = Some(512), "`limits.memory` must be at least 1048576 bytes"),
        (|s| s.resources.cpu = Some(Duration::from_millis(999)), "`limits.cpu` must be at least 1"),
        (|s| s.resources.cpu = Some(Duration::MAX), "`limits.cpu` must be at most"),
        (|s| s.resources.open_files = Some(7), "`limits.open_files` must be at least 8"),
        (|s| s.resources.processes = Some(0), "`limits.processes` must be at least 1"),
        (|s| s.limits.max_message_bytes = 1 << 27, "`input_queue_bytes`"),
        (|s| s.limits.input_queue_bytes = usize::MAX, "`input_queue_bytes` must be at most"),
    ];
    for (change, expected) in cases {
        let mut spec = spec();
        change(&mut spec);
        let message = spec.validate().unwrap_err().to_string();
        assert!(message.starts_with("service `fs`: "), "{message}");
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn debug_shows_neither_arguments_nor_variables() {
    let mut spec = spec();
    spec.args = vec!["--token=hunter2".into()];
    spec.env.insert("KEY".into(), "hunter2".to_owned().into());
    let shown = format!("{spec:?} {spec:#?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("KEY"), "{shown}");
}

#[test]
fn a_changed_secret_is_a_changed_spec() {
    let (mut one, mut two) = (spec(), spec());
    assert_eq!(one, two);
    one.env.insert("KEY".into(), "old".to_owned().into());
    two.env.insert("KEY".into(), "new".to_owned().into());
    assert_ne!(one, two);
}
