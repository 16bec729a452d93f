//! What the library says of processes that are really there.

use std::process::{Command, Stdio};
use std::time::Duration;

use standpipe_testkit::{
    TimedOut, children_of, fixture_path, is_alive, process, processes_in_group, processes_marked,
    wait_until,
};

use crate::driver::PATIENCE;

#[test]
#[cfg(target_os = "linux")]
fn a_marked_process_is_found_until_it_is_gone() {
    use std::os::unix::process::CommandExt;
    let run = format!("testkit-{}", std::process::id());
    let mut child = Command::new(fixture_path())
        .env("STANDPIPE_INSTANCE", format!("{run}/some-service/1"))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the fixture starts");
    let pid = i32::try_from(child.id()).expect("process ids are small");

    // Between fork and exec the child still has our environment.
    wait_until(PATIENCE, || (!processes_marked(&run).is_empty()).then_some(())).unwrap();
    assert_eq!(processes_marked(&run)[0].pid, pid);
    assert_eq!(processes_in_group(pid).len(), 1);
    let me = i32::try_from(std::process::id()).unwrap();
    assert!(children_of(me).iter().any(|child| child.pid == pid));

    drop(child.stdin.take());
    // Ended but not reaped: no survivor, yet still in its group.
    wait_until(PATIENCE, || (!is_alive(pid)).then_some(())).unwrap();
    assert_eq!(processes_marked(&run), []);
    assert!(process(pid).unwrap().is_zombie());
    assert!(processes_in_group(pid)[0].is_zombie());
    child.wait().unwrap();
    assert_eq!(process(pid), None);
}

#[test]
fn waiting_ends_at_the_deadline() {
    let after = Duration::from_millis(20);
    assert_eq!(wait_until(after, || None::<()>), Err(TimedOut { after }));
    let mut tries = 0;
    let third = wait_until(PATIENCE, || {
        tries += 1;
        (tries == 3).then_some("third")
    });
    assert_eq!(third, Ok("third"));
}
