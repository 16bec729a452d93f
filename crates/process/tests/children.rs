//! Real, nasty children: whatever they do, nothing of them is left. Each test asserts that by the
//! process group and by the marker.

#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "the other suites use the rest")]
mod survivors;

use std::time::Duration;

use standpipe_core::service::ResourceLimits;
use standpipe_process::{
    Exit, LaunchFault, LaunchSpec, Launched, StderrTail, StopLadder, StopStep, drain, launch,
};
use survivors::{assert_nothing_left, marker, wait_until};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

fn shell(script: &str) -> LaunchSpec {
    LaunchSpec {
        command: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: Vec::new(),
        cwd: None,
        marker: marker(),
        limits: ResourceLimits::default(),
    }
}

fn python(script: &str) -> LaunchSpec {
    let mut spec = shell("");
    spec.command = "python3".into();
    spec.args = vec!["-c".into(), script.into()];
    spec
}

fn quick() -> StopLadder {
    StopLadder {
        stdin_grace: Duration::from_millis(300),
        term_grace: Duration::from_millis(300),
        // On a machine that is busy, what was killed may take its time to die.
        kill_wait: Duration::from_secs(30),
    }
}

/// Starts the child and waits for the line that says it is set up.
async fn start(spec: &LaunchSpec) -> Launched {
    let mut launched = launch(spec).await.expect("it starts");
    let mut line = String::new();
    BufReader::new(&mut launched.stdout).read_line(&mut line).await.expect("it starts");
    assert_eq!(line, "ready\n");
    launched
}

/// Starts `spec`, stops it, and asserts that nothing is left.
async fn stop(spec: &LaunchSpec, ladder: &StopLadder) -> standpipe_process::Termination {
    let Launched { guard, stdin, .. } = start(spec).await;
    let pid = guard.pid();
    drop(stdin);
    let termination = guard.terminate(ladder).await;
    assert_eq!(termination.survivors, 0);
    assert_nothing_left(&spec.marker, pid);
    termination
}

#[tokio::test]
async fn a_polite_child_leaves_when_its_stdin_is_closed() {
    let termination = stop(&shell("echo ready; cat; exit 3"), &StopLadder::default()).await;
    assert_eq!(termination.exit, Exit::Code(3));
    assert_eq!(termination.step, StopStep::StdinClosed);
    assert_eq!(termination.strays, 0);
}

#[tokio::test]
async fn a_child_that_ignores_eof_leaves_on_sigterm() {
    let termination = stop(&shell("echo ready; exec sleep 600"), &quick()).await;
    assert_eq!(termination.exit, Exit::Signal(15));
    assert_eq!(termination.step, StopStep::Terminated);
}

#[tokio::test]
async fn a_child_that_ignores_sigterm_is_killed_within_the_default_five_seconds() {
    let spec = shell("trap '' TERM; echo ready; while :; do sleep 600; done");
    let termination = stop(&spec, &StopLadder::default()).await;
    assert_eq!(termination.exit, Exit::Signal(9));
    assert_eq!(termination.step, StopStep::Killed);
    assert!(termination.took < Duration::from_secs(5), "{termination:?}");
}

#[tokio::test]
async fn a_stopped_child_hears_sigterm() {
    let spec = shell("echo ready; kill -STOP $$; exec sleep 600");
    let termination = stop(&spec, &quick()).await;
    assert_eq!(termination.exit, Exit::Signal(15));
}

#[tokio::test]
async fn a_grandchild_that_ignores_sigterm_and_holds_stdout_is_killed() {
    let spec = shell("(trap '' TERM HUP; while :; do sleep 600; done) & echo ready; cat");
    let mut launched = start(&spec).await;
    let pid = launched.guard.pid();
    drop(launched.stdin);
    let termination = launched.guard.terminate(&quick()).await;
    assert_eq!(termination.step, StopStep::StdinClosed);
    assert!(termination.strays >= 1, "{termination:?}");
    assert_nothing_left(&spec.marker, pid);
    // Its end of the pipe is closed as well, so a reader of ours ends.
    let mut rest = Vec::new();
    launched.stdout.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test]
async fn a_grandchild_in_a_session_of_its_own_is_killed() {
    stop(&shell("setsid sleep 600 & echo ready; cat"), &quick()).await;
}

#[tokio::test]
async fn a_daemon_that_forked_twice_is_killed() {
    let script = r#"
import os, sys, time, signal
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.chdir("/")
        print("ready", flush=True)
        time.sleep(600)
    os._exit(0)
sys.stdin.read()
"#;
    let termination = stop(&python(script), &quick()).await;
    assert_eq!(termination.exit, Exit::Code(0));
    assert_eq!(termination.strays, 1);
}

#[tokio::test]
async fn a_grandchild_without_marker_and_group_is_found_by_descent() {
    let script = "env -i /usr/bin/setsid -w /bin/sleep 600 & echo ready; exec sleep 600";
    let spec = shell(script);
    let launched = start(&spec).await;
    let pid = launched.guard.pid();
    // `setsid -w` forks only if it leads a group, so what runs is found by its parent's id.
    let sleeper = wait_until("the grandchild", || {
        survivors::children_of(pid).into_iter().find(|child| survivors::session_of(*child) != pid)
    });
    let termination = launched.guard.terminate(&StopLadder::IMMEDIATE).await;
    assert_eq!(termination.survivors, 0);
    assert!(!survivors::is_alive(sleeper));
    assert_nothing_left(&spec.marker, pid);
}

#[tokio::test]
async fn what_a_crashed_leader_leaves_is_killed_without_grace() {
    let spec = shell("(trap '' TERM; sleep 600) & echo ready; kill -SEGV $$");
    let launched = start(&spec).await;
    let pid = launched.guard.pid();
    assert_eq!(launched.guard.exited().await, Exit::Signal(11));
    assert_eq!(launched.guard.try_exit(), Some(Exit::Signal(11)));
    let patient = StopLadder { term_grace: Duration::from_mins(1), ..StopLadder::default() };
    let termination = launched.guard.terminate(&patient).await;
    assert_eq!(termination.step, StopStep::AlreadyExited);
    assert!(termination.took < Duration::from_secs(10), "{termination:?}");
    assert_nothing_left(&spec.marker, pid);
}

#[tokio::test]
async fn a_leader_that_exits_well_leaves_nothing_either() {
    let spec = shell("setsid sleep 600 & echo ready; exit 0");
    let launched = start(&spec).await;
    let pid = launched.guard.pid();
    assert_eq!(launched.guard.exited().await, Exit::Code(0));
    launched.guard.terminate(&quick()).await;
    assert_nothing_left(&spec.marker, pid);
}

/// A program that replaces itself by the next one, again and again, is much of the time in the
/// middle of an `execve`, where its marker cannot be read.
#[tokio::test]
async fn who_keeps_replacing_itself_is_found() {
    let script = "s='exec sh -c \"$0\" \"$0\"'; setsid sh -c \"$s\" \"$s\" & echo ready; exit 0";
    for _ in 0..40 {
        let spec = shell(script);
        let launched = start(&spec).await;
        let pid = launched.guard.pid();
        assert_eq!(launched.guard.exited().await, Exit::Code(0));
        assert_eq!(launched.guard.terminate(&quick()).await.survivors, 0);
        assert_nothing_left(&spec.marker, pid);
    }
}

#[tokio::test]
async fn a_child_that_forks_as_fast_as_it_can_is_killed() {
    let script = "trap '' TERM; echo ready; while :; do setsid sleep 600 & sleep 0.005; done";
    let termination = stop(&shell(script), &quick()).await;
    assert!(termination.strays > 1, "{termination:?}");
}

#[tokio::test]
async fn many_tasks_learn_of_one_exit_and_one_may_give_up() {
    let Launched { guard, mut stdin, .. } = start(&shell("echo ready; read line; exit 7")).await;
    let first = tokio::time::timeout(Duration::from_millis(20), guard.exited()).await;
    assert!(first.is_err());
    stdin.write_all(b"go\n").await.unwrap();
    let (a, b) = tokio::join!(guard.exited(), guard.exited());
    assert_eq!((a, b, guard.exited().await), (Exit::Code(7), Exit::Code(7), Exit::Code(7)));
}

#[test]
fn dropping_the_guard_without_a_runtime_kills_everything() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let spec = shell("trap '' TERM; (trap '' TERM; setsid sleep 600) & echo ready; sleep 600");
    let launched = runtime.block_on(start(&spec));
    let pid = launched.guard.pid();
    drop(runtime);
    drop(launched);
    assert_nothing_left(&spec.marker, pid);
}

#[tokio::test]
async fn a_stop_that_is_given_up_half_way_still_kills() {
    let spec = shell("trap '' TERM; setsid sleep 600 & echo ready; while :; do sleep 600; done");
    let launched = start(&spec).await;
    let pid = launched.guard.pid();
    let ladder = StopLadder { stdin_grace: Duration::from_mins(10), ..StopLadder::default() };
    let stopping = launched.guard.terminate(&ladder);
    assert!(tokio::time::timeout(Duration::from_millis(50), stopping).await.is_err());
    assert_nothing_left(&spec.marker, pid);
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nothing() {
    for _ in 0..20 {
        let spec = shell("trap '' TERM; while :; do sleep 600; done");
        let gave_up = tokio::time::timeout(Duration::from_micros(300), launch(&spec)).await;
        drop(gave_up);
        wait_until("nothing left", || survivors::marked(&spec.marker).is_empty().then_some(()));
    }
}

#[tokio::test]
async fn stopping_one_service_leaves_its_neighbours_alone() {
    let neighbour = shell("setsid sleep 600 & echo ready; cat");
    let alive = start(&neighbour).await;
    stop(&shell("setsid sleep 600 & echo ready; cat"), &quick()).await;
    assert_eq!(alive.guard.try_exit(), None);
    assert!(survivors::marked(&neighbour.marker).len() >= 2);
    let pid = alive.guard.pid();
    drop(alive);
    assert_nothing_left(&neighbour.marker, pid);
}

#[tokio::test]
async fn fifty_stubborn_children_stop_together() {
    let mut stops = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let spec =
            shell("trap '' TERM; setsid sleep 600 & echo ready; while :; do sleep 600; done");
        let launched = start(&spec).await;
        stops.spawn(async move {
            let pid = launched.guard.pid();
            let termination = launched.guard.terminate(&quick()).await;
            assert_eq!(termination.survivors, 0);
            assert_nothing_left(&spec.marker, pid);
            termination.took
        });
    }
    while let Some(took) = stops.join_next().await {
        assert!(took.unwrap() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn the_child_sees_only_what_it_should() {
    let mut spec = shell(
        "env; echo cwd=$PWD; ls -l /proc/self/fd | wc -l; echo sid=$(cut -d' ' -f6 /proc/$$/stat)",
    );
    spec.env = vec![("SECRET".into(), "x y".into()), ("LANG".into(), "tlh".into())];
    spec.cwd = Some("/usr".into());
    let Launched { guard, mut stdout, .. } = launch(&spec).await.unwrap();
    let mut output = String::new();
    stdout.read_to_string(&mut output).await.unwrap();
    let has = |line: &str| output.lines().any(|found| found == line);
    assert!(has("SECRET=x y") && has("LANG=tlh") && has("cwd=/usr"), "{output}");
    assert!(has(&format!("STANDPIPE_INSTANCE={}", spec.marker)), "{output}");
    assert!(has(&format!("sid={}", guard.pid())), "{output}");
    // Cargo sets this for us; it is on no list.
    assert!(std::env::var_os("CARGO_PKG_NAME").is_some() && !output.contains("CARGO_PKG_NAME"));
    // Three streams, the listing's own descriptor, and its "total" line.
    assert!(has("5"), "{output}");
}

#[tokio::test]
async fn signals_that_we_ignore_or_block_are_default_for_the_child() {
    // Rust itself ignores SIGPIPE; nothing may be left of that or of any mask.
    let Launched { guard: _guard, mut stdout, .. } =
        launch(&shell("grep -E '^Sig(Blk|Ign)' /proc/self/status")).await.unwrap();
    let mut output = String::new();
    stdout.read_to_string(&mut output).await.unwrap();
    for line in output.lines() {
        let (_, set) = line.split_once(":\t").unwrap();
        let set = u64::from_str_radix(set, 16).unwrap();
        // Signals 32 and 33 belong to the C library, which lets nobody else set them.
        assert_eq!(set & !0x1_8000_0000, 0, "{line}");
    }
    assert_eq!(output.lines().count(), 2);
}

#[tokio::test]
async fn fifty_megabytes_of_stderr_do_not_block_the_child() {
    let script = "import sys\nfor i in range(50): sys.stderr.write('x'*999999 + '\\n')\nprint('ready', flush=True)\nsys.stdin.read()";
    let mut launched = launch(&python(script)).await.unwrap();
    let tail = StderrTail::default();
    let draining = tokio::spawn(drain(launched.stderr, tail.clone(), |_| ()));
    let mut line = String::new();
    BufReader::new(&mut launched.stdout).read_line(&mut line).await.unwrap();
    assert_eq!(line, "ready\n");
    drop(launched.stdin);
    assert_eq!(launched.guard.terminate(&StopLadder::default()).await.exit, Exit::Code(0));
    draining.await.unwrap();
    let kept: usize = tail.lines().iter().map(|line| line.len()).sum();
    assert!((4096..=65536).contains(&kept), "{kept}");
}

#[tokio::test]
async fn usage_counts_the_whole_tree() {
    let mut launched = start(&shell("sleep 600 & sleep 600 & echo ready; read line")).await;
    // What was forked has yet to arrange its descriptors and to become `sleep`.
    wait_until("three processes with their memory and descriptors", || {
        let usage = launched.guard.usage().unwrap();
        let grown = usage.resident_bytes > 3 * 100_000 && usage.open_fds >= 9;
        (usage.processes == 3 && grown).then_some(())
    });
    launched.stdin.write_all(b"\n").await.unwrap();
    launched.guard.exited().await;
    assert_eq!(launched.guard.usage(), None);
}

#[tokio::test]
async fn starting_says_what_is_wrong() {
    let fault = |spec: LaunchSpec| async move { launch(&spec).await.unwrap_err() };

    let mut spec = shell("");
    spec.command = "no-such-command".into();
    spec.env = vec![("PATH".into(), "/one:/two".into())];
    let error = fault(spec).await;
    assert_eq!(
        error.to_string(),
        "cannot start `no-such-command`: no such command on PATH (/one:/two)"
    );

    let mut spec = shell("");
    spec.command = "/no/such/file".into();
    assert_eq!(
        fault(spec).await.to_string(),
        "cannot start `/no/such/file`: there is no file /no/such/file"
    );

    let mut spec = shell("");
    spec.cwd = Some("/no/such/directory".into());
    let error = fault(spec).await;
    assert!(
        error.to_string().contains("the working directory /no/such/directory cannot be used"),
        "{error}"
    );

    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter -x\n").unwrap();
    let mut spec = shell("");
    spec.command = script.clone().into();
    assert!(matches!(fault(spec.clone()).await.fault, LaunchFault::NotPermitted { .. }));
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let error = fault(spec).await;
    assert!(matches!(error.fault, LaunchFault::NoInterpreter { .. }), "{error}");
    assert!(error.to_string().contains("/no/such/interpreter"), "{error}");

    let mut spec = shell("");
    spec.args.push("nul\0byte".into());
    assert!(matches!(fault(spec).await.fault, LaunchFault::Nul));

    let mut spec = shell("");
    spec.args.push("x".repeat(4 << 20).into());
    assert!(matches!(fault(spec).await.fault, LaunchFault::TooLong { .. }));
}
