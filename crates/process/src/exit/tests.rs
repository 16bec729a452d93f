//! The wording is quoted in client errors and scripts, so it is pinned.

use super::Exit;

#[test]
fn endings_are_worded_for_people() {
    assert_eq!(Exit::Code(3).to_string(), "exited with status 3");
    assert_eq!(Exit::Signal(9).to_string(), "was killed by signal 9 (SIGKILL)");
    assert_eq!(
        Exit::Signal(nix::libc::SIGXCPU).to_string(),
        "exceeded the CPU limit and was killed by signal 24 (SIGXCPU)"
    );
    assert_eq!(Exit::Signal(40).to_string(), "was killed by signal 40");
    assert_eq!(Exit::Unknown.to_string(), "ended with an unknown status");
}

#[test]
fn only_status_zero_is_success() {
    assert!(Exit::Code(0).is_success());
    assert!(!Exit::Code(1).is_success());
    assert!(!Exit::Signal(15).is_success());
    assert!(!Exit::Unknown.is_success());
}
