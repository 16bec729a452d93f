//! Usage of a process whose usage we know something about: ourselves.

use super::usage;

#[cfg(target_os = "linux")]
#[test]
fn we_use_something() {
    let ours = usage(std::process::id()).unwrap();
    assert!(ours.resident_bytes > 100_000, "{ours:?}");
    assert!(ours.open_fds >= 3 && ours.processes >= 1, "{ours:?}");
}

#[test]
fn nobody_uses_nothing() {
    assert_eq!(usage(u32::MAX), None);
    assert_eq!(usage(0), None);
}
