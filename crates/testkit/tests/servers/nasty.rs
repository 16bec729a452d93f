//! `standpipe-nasty` on stdio: each fault is there, and nothing else is wrong.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::driver::{Driver, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use standpipe_testkit::{is_alive, nasty_path, process, processes_marked, wait_until};

fn start(arguments: &[&str]) -> Driver {
    Driver::start(&nasty_path(), arguments)
}

fn open(arguments: &[&str]) -> Driver {
    Driver::open(&nasty_path(), arguments, &json!({}))
}

#[test]
fn every_fault_of_the_help_text_is_known_and_others_are_not() {
    let help = std::process::Command::new(nasty_path()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let faults: Vec<_> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with([' ', '-']))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(faults.len(), 18, "{faults:?}");
    for fault in faults {
        let mut child = start(&[fault, "--no-such-option"]);
        assert_eq!(child.exit().code(), Some(64));
    }
    assert_eq!(start(&["no-such-fault"]).exit().code(), Some(64));
}

#[test]
fn banner_surrounds_good_answers_with_noise() {
    let mut child = open(&["banner"]);
    assert_eq!(child.text(1, "hello", json!({})), "hello");
    assert_eq!(child.text(2, "hello", json!({})), "hello");
    let mut again = start(&["banner"]);
    let lines = std::iter::from_fn(|| again.line()).take(9);
    assert!(lines.into_iter().any(|line| std::str::from_utf8(&line).is_err()));
}

#[test]
fn wrong_json_comes_before_good_answers() {
    let mut child = open(&["wrong-json"]);
    assert_eq!(child.text(1, "hello", json!({})), "hello");
    assert!(child.passed.iter().any(|message| message["id"] == 987_654_321));
}

#[test]
fn long_lines_have_the_length_asked_for() {
    let mut child = open(&["long-line"]);
    child.begin(1, "long_answer", json!({"bytes": 100_000}));
    assert_eq!(child.text_line().len(), 100_000);
    child.begin(2, "long_noise", json!({"bytes": 300_000}));
    assert_eq!(child.text_line().len(), 300_000);
    assert_eq!(child.answer(&json!(2))["result"]["content"][0]["text"], "written");
}

#[test]
fn answers_come_twice() {
    let mut child = open(&["answer-twice"]);
    child.begin(1, "hello", json!({}));
    assert_eq!(child.answer(&json!(1))["result"]["content"][0]["text"], "hello");
    assert_eq!(child.answer(&json!(1))["result"]["content"][0]["text"], "again");
}

#[test]
fn it_dies_where_it_says() {
    assert_eq!(start(&["exit-at-once", "--code", "7"]).exit().code(), Some(7));
    let mut handshake = start(&["die-in-handshake", "--code", "3"]);
    handshake.send_line(r#"{"id":1,"method":"initialize"}"#);
    assert_eq!(handshake.exit().code(), Some(3));
    assert_eq!(handshake.line(), None);
    let mut after = start(&["die-in-handshake", "--after"]);
    after.initialize(&json!({}));
    assert_eq!(after.exit().code(), Some(1));
    let mut discover = open(&["die-on-discover"]);
    assert_eq!(discover.text(1, "hello", json!({})), "hello");
    discover.send_line(r#"{"id":2,"method":"server/discover"}"#);
    assert_eq!(discover.exit().code(), Some(1));
    let mut call = open(&["die-mid-call"]);
    call.begin(1, "hang", json!({}));
    call.begin(2, "die", json!({}));
    assert_eq!(call.exit().code(), Some(1));
    assert_eq!(call.line(), None);
}

#[test]
fn stdout_closes_and_the_process_stays() {
    let mut child = open(&["close-stdout"]);
    assert_eq!(child.line(), None);
    assert!(is_alive(child.pid()));
}

#[test]
fn floods_flow_beside_good_answers() {
    let mut child = open(&["notification-flood", "--count", "50", "--bytes", "10"]);
    assert_eq!(child.text(1, "hello", json!({})), "hello");
    for _ in 0..50 {
        assert_eq!(child.incoming("notifications/message")["params"]["data"], "xxxxxxxxxx");
    }
}

#[test]
fn stderr_is_flooded_before_anything_is_read() {
    let mut child = Command::new(nasty_path())
        .args(["stderr-flood", "--bytes", "300000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut flood = vec![0; 300_000];
    child.stderr.take().unwrap().read_exact(&mut flood).unwrap();
    assert!(flood.iter().all(|byte| matches!(byte, b'#' | b'\n')));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_is_not_read_stays_in_the_pipe() {
    for arguments in [&["never-read"][..], &["never-read", "--after"]] {
        let mut child = if arguments.len() == 1 { start(arguments) } else { open(arguments) };
        // Nearly as much as a pipe holds; a child that reads would have answered some of it.
        child.send_line(&"{\"id\":1,\"method\":\"ping\"}\n".repeat(2000));
        child.close_stdin();
        assert!(is_alive(child.pid()));
        kill(Pid::from_raw(child.pid()), Signal::SIGTERM).unwrap();
        child.exit();
        assert_eq!(child.line(), None);
    }
    let mut silent = start(&["no-initialize-answer"]);
    silent.send_line(r#"{"id":1,"method":"initialize"}"#);
    silent.send_line(r#"{"id":2,"method":"ping"}"#);
    assert_eq!(silent.text_line(), r#"{"jsonrpc":"2.0","id":2,"result":{}}"#);
}

#[test]
#[cfg(target_os = "linux")]
fn only_sigkill_ends_the_one_that_ignores_everything() {
    let mut child = open(&["ignore-term"]);
    assert_eq!(child.text(1, "hello", json!({})), "hello");
    let target = Pid::from_raw(child.pid());
    kill(target, Signal::SIGTERM).unwrap();
    // It still answers, so the signal has been delivered and did nothing.
    assert_eq!(child.text(2, "hello", json!({})), "hello");
    child.close_stdin();
    assert!(is_alive(child.pid()));
    kill(target, Signal::SIGKILL).unwrap();
    child.exit();
    let mut eof = open(&["ignore-eof"]);
    eof.close_stdin();
    kill(Pid::from_raw(eof.pid()), Signal::SIGTERM).unwrap();
    eof.exit();
}

#[test]
#[cfg(target_os = "linux")]
fn the_grandchild_stays_behind() {
    for (arguments, leaves) in [(&["grandchild"][..], false), (&["grandchild", "--setsid"], true)] {
        let mut child = open(arguments);
        let pid: i32 = child.text(1, "grandchild", json!({})).parse().unwrap();
        let groups = (process(pid).unwrap().group, process(child.pid()).unwrap().group);
        assert_eq!(groups.0 != groups.1, leaves);
        child.close_stdin();
        child.exit();
        let target = Pid::from_raw(pid);
        kill(target, Signal::SIGTERM).unwrap();
        assert!(is_alive(pid));
        kill(target, Signal::SIGKILL).unwrap();
        wait_until(PATIENCE, || (!is_alive(pid)).then_some(())).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_late_grandchild_comes_with_the_end_of_input_and_holds_stdout() {
    use std::os::unix::process::CommandExt;
    let run = format!("late-{}", std::process::id());
    let mut child = Command::new(nasty_path())
        .args(["late-grandchild", "--setsid"])
        .env("STANDPIPE_INSTANCE", &run)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().success());
    let left = processes_marked(&run);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].session, left[0].pid);
    kill(Pid::from_raw(left[0].pid), Signal::SIGKILL).unwrap();
    let mut rest = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}
