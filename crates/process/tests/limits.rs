//! A process that has run out of descriptors says so, loses nothing, and recovers. Alone in its
//! binary, because the limit holds for the whole process.

#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "the other suites use the rest")]
mod survivors;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use standpipe_core::service::ResourceLimits;
use standpipe_process::{LaunchFault, LaunchSpec, Launched, StopLadder, launch};
use survivors::{assert_nothing_left, marked, marker, wait_until};

#[tokio::test]
async fn running_out_of_descriptors_is_said_and_passes() {
    let spec = || LaunchSpec {
        command: "/bin/sh".into(),
        args: vec!["-c".into(), "setsid sleep 600 & echo ready; cat".into()],
        env: Vec::new(),
        cwd: None,
        marker: marker(),
        limits: ResourceLimits::default(),
    };
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(40), maximum }).unwrap();

    let mut running = Vec::new();
    let error = loop {
        let spec = spec();
        match launch(&spec).await {
            Ok(launched) => running.push((spec.marker, launched)),
            Err(error) => {
                assert_eq!(marked(&spec.marker), Vec::<u32>::new());
                break error;
            }
        }
    };
    assert!(matches!(error.fault, LaunchFault::Descriptors { .. }), "{error}");
    assert!(error.fault.is_transient());
    assert!(error.to_string().contains("no file descriptors are left"), "{error}");

    // Now really none.
    for (marker, _) in &running {
        wait_until("all three processes", || (marked(marker).len() == 3).then_some(()));
    }
    let mut hogs = Vec::new();
    while let Ok(hog) = std::fs::File::open("/dev/null") {
        hogs.push(hog);
    }
    // Stopping needs descriptors itself: to look, and to signal who left the group.
    let (marker, Launched { guard, stdin, stdout, stderr }) = running.pop().unwrap();
    let pid = guard.pid();
    let termination = guard.terminate(&StopLadder::IMMEDIATE).await;
    assert_eq!(termination.survivors, 0);
    assert!(termination.strays >= 1, "{termination:?}");
    drop((stdin, stdout, stderr));
    drop(hogs);
    assert_nothing_left(&marker, pid);

    let again = spec();
    running.push((again.marker.clone(), launch(&again).await.unwrap()));
    for (marker, launched) in running {
        let pid = launched.guard.pid();
        drop(launched);
        assert_nothing_left(&marker, pid);
    }
}
