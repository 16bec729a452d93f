//! Programs that end well, badly, late, or not at all.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::{End, output, shown, step, stop, watched};
use crate::tally::Tally;

/// Longer than any machine needs for what these programs do.
const GENEROUS: Duration = Duration::from_mins(1);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_step_is_one_check() {
    let mut tally = Tally::default();
    step("good", &mut shell("exit 0"), &mut tally);
    assert_eq!((tally.counted(), tally.failed()), (1, 0));
    step("bad", &mut shell("exit 3"), &mut tally);
    step("absent", &mut Command::new("/no/such/program"), &mut tally);
    assert_eq!((tally.counted(), tally.failed()), (3, 2));
}

#[test]
fn every_line_is_handed_over_even_one_that_is_no_text() {
    let mut lines = Vec::new();
    let mut program = shell(r"printf 'a\r\n\377b\nlast'; exit 1");
    let end = watched(&mut program, GENEROUS, |line| lines.push(line.to_owned())).unwrap();
    assert_eq!(lines, ["a", "\u{fffd}b", "last"]);
    assert!(matches!(end, End::Bad(status) if status.code() == Some(1)));
}

#[test]
fn a_late_program_is_ended() {
    let end = watched(&mut shell("exec sleep 600"), Duration::from_millis(50), |_| ()).unwrap();
    assert_eq!(end, End::Late);
}

#[test]
fn a_program_that_ends_on_request_is_good_and_one_that_ignores_it_is_late() {
    let start = |script| {
        let mut child = shell(script).stdout(Stdio::piped()).spawn().unwrap();
        let lines = super::lines_of(child.stdout.take().unwrap());
        // Its trap is set once it has spoken.
        assert_eq!(lines.recv_timeout(GENEROUS).unwrap(), "ready");
        child
    };
    let polite = start("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    assert_eq!(stop(polite, GENEROUS).unwrap(), End::Good);
    let deaf = start("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    assert_eq!(stop(deaf, Duration::from_millis(50)).unwrap(), End::Late);
}

#[test]
fn a_failure_shows_what_the_program_said() {
    let error = output(&mut shell("echo out; echo err >&2; exit 1")).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("out") && message.contains("err"), "{message}");
    assert_eq!(output(&mut shell("printf x")).unwrap(), "x");
}

#[test]
fn a_command_is_shown_as_it_would_be_typed() {
    assert_eq!(shown(Command::new("npm").args(["ci", "-q"])), "npm ci -q");
}
