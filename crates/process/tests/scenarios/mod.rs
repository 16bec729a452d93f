//! What is done to the small Standpipe, and what must be true afterwards.

#![expect(clippy::print_stdout, reason = "this is its own test harness")]

use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::host::PROCESSES;
use crate::survivors::{children_of, is_alive, marked_like, session_of, wait_until};

const SCENARIOS: &[(&str, fn())] = &[
    ("exit_codes_are_mirrored", exit_codes_are_mirrored),
    ("sigterm_is_passed_on_and_ends_cleanly", sigterm_is_passed_on_and_ends_cleanly),
    ("other_signals_are_passed_on", other_signals_are_passed_on),
    ("what_a_careless_standpipe_leaves_is_killed", what_a_careless_standpipe_leaves_is_killed),
    ("sigkill_of_the_inner_process", sigkill_of_the_inner_process),
    ("a_crash_is_mirrored", a_crash_is_mirrored),
    ("sigkill_of_the_parent", sigkill_of_the_parent),
    ("sigkill_of_the_parent_of_a_wedged_process", sigkill_of_the_parent_of_a_wedged_process),
    ("sigkill_of_both_is_swept_at_the_next_start", sigkill_of_both_is_swept_at_the_next_start),
    ("a_living_run_is_not_swept", a_living_run_is_not_swept),
    ("an_orphan_without_environment_is_killed", an_orphan_without_environment_is_killed),
    ("children_from_before_are_spared", children_from_before_are_spared),
    ("it_works_as_process_one", it_works_as_process_one),
    ("job_control_is_that_of_one_process", job_control_is_that_of_one_process),
    ("the_parent_stays_small", the_parent_stays_small),
];

pub(crate) fn run_all() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in SCENARIOS {
            println!("{name}: test");
        }
        return;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let mut failed = 0;
    for (name, scenario) in SCENARIOS {
        if filter.is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let passed = catch_unwind(AssertUnwindSafe(scenario)).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    if failed > 0 {
        println!("{failed} failed");
        std::process::exit(101);
    }
}

/// A running small Standpipe.
struct Host {
    parent: Child,
    inner: u32,
    run: String,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Host {
    fn start(scenario: &str) -> Self {
        Self::read_ready(command(scenario).spawn().expect("this binary runs"))
    }

    fn read_ready(mut parent: Child) -> Self {
        let stdout = parent.stdout.take().expect("a pipe");
        let mut lines = BufReader::new(stdout).lines();
        let ready = lines.next().expect("a line").expect("UTF-8");
        let words: Vec<&str> = ready.split(' ').collect();
        assert_eq!(words[0], "ready");
        let (inner, run) = (words[1].parse().expect("a process id"), words[2].to_owned());
        Self { parent, inner, run, lines }
    }

    fn started(scenario: &str) -> Self {
        let host = Self::start(scenario);
        assert_eq!(host.marked().len(), 2 * PROCESSES);
        assert!(children_of(host.parent.id()).contains(&host.inner));
        host
    }

    fn marked(&self) -> Vec<u32> {
        marked_like(&format!("{}/", self.run))
    }

    fn signal(&self, signal: Signal) {
        send(self.parent.id(), signal);
    }

    fn next_line(&mut self) -> String {
        self.lines.next().expect("a line").expect("UTF-8")
    }

    /// Waits for the end and asserts that nothing of the run is there *at that moment*.
    fn end(mut self) -> ExitStatus {
        let status = self.parent.wait().expect("our child");
        assert_eq!(self.marked(), Vec::<u32>::new());
        assert!(!is_alive(self.inner));
        status
    }
}

/// A scenario that failed must not leave its Standpipe running.
impl Drop for Host {
    fn drop(&mut self) {
        if let Ok(None) = self.parent.try_wait() {
            send(self.parent.id(), Signal::KILL);
        }
    }
}

fn command(scenario: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.env("STANDPIPE_TEST_HOST", scenario).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("an id")).expect("not zero");
    kill_process(pid, signal).expect("it is there");
}

fn exit_codes_are_mirrored() {
    for code in [0, 1, 64, 255] {
        let status = command(&format!("exit-{code}")).status().expect("this binary runs");
        assert_eq!(status.code(), Some(code));
    }
}

fn sigterm_is_passed_on_and_ends_cleanly() {
    let mut host = Host::started("nasty");
    host.signal(Signal::TERM);
    assert_eq!(host.next_line(), "terminating");
    assert_eq!(host.end().code(), Some(0));
}

fn other_signals_are_passed_on() {
    let mut host = Host::started("nasty");
    host.signal(Signal::USR1);
    assert_eq!(host.next_line(), "usr1");
    host.signal(Signal::HUP);
    assert_eq!(host.next_line(), "hup");
    host.signal(Signal::TERM);
    assert_eq!(host.end().code(), Some(0));
}

fn what_a_careless_standpipe_leaves_is_killed() {
    let host = Host::started("careless");
    host.signal(Signal::TERM);
    assert_eq!(host.end().code(), Some(5));
}

fn sigkill_of_the_inner_process() {
    let host = Host::started("nasty");
    send(host.inner, Signal::KILL);
    assert_eq!(host.end().signal(), Some(9));
}

fn a_crash_is_mirrored() {
    let host = Host::started("nasty");
    send(host.inner, Signal::ABORT);
    let status = host.end();
    assert_eq!(status.signal(), Some(6));
}

fn sigkill_of_the_parent() {
    let mut host = Host::started("nasty");
    host.signal(Signal::KILL);
    assert_eq!(host.parent.wait().expect("our child").signal(), Some(9));
    wait_until("the inner process's end", || (!is_alive(host.inner)).then_some(()));
    assert_eq!(host.marked(), Vec::<u32>::new());
}

fn sigkill_of_the_parent_of_a_wedged_process() {
    let mut host = Host::started("wedged");
    host.signal(Signal::KILL);
    assert_eq!(host.parent.wait().expect("our child").signal(), Some(9));
    wait_until("the inner process's end", || (!is_alive(host.inner)).then_some(()));
    assert_eq!(host.marked(), Vec::<u32>::new());
}

fn sigkill_of_both_is_swept_at_the_next_start() {
    let mut host = Host::started("nasty");
    // Stopped first, so that neither can react to the death of the other.
    send(host.inner, Signal::STOP);
    host.signal(Signal::STOP);
    send(host.inner, Signal::KILL);
    host.signal(Signal::KILL);
    assert_eq!(host.parent.wait().expect("our child").signal(), Some(9));
    wait_until("the direct children's death", || (host.marked().len() <= 6).then_some(()));
    assert!(!host.marked().is_empty(), "there is nothing to sweep");
    let next = Host::started("nasty");
    wait_until("the sweep", || host.marked().is_empty().then_some(()));
    next.signal(Signal::TERM);
    assert_eq!(next.end().code(), Some(0));
}

fn a_living_run_is_not_swept() {
    let host = Host::started("nasty");
    let here = standpipe_process::RunId::of_this_process();
    assert_eq!(standpipe_process::watchdog::sweep_strays(&here), 0);
    assert_eq!(host.marked().len(), 2 * PROCESSES);
    host.signal(Signal::TERM);
    assert_eq!(host.end().code(), Some(0));
}

/// It left group, session and environment behind; only the subreaper still has it.
fn an_orphan_without_environment_is_killed() {
    let host = Host::start("env-cleared");
    let sleepers = || -> Vec<u32> {
        let below = children_of(host.parent.id());
        below.into_iter().filter(|pid| *pid != host.inner).collect()
    };
    let orphans = wait_until("two orphans", || Some(sleepers()).filter(|all| all.len() == 2));
    send(host.inner, Signal::KILL);
    assert_eq!(host.end().signal(), Some(9));
    for orphan in orphans {
        assert!(!is_alive(orphan));
    }
}

/// `sleep 600 & exec standpipe` in a script: the job is a child of ours, but none of our business.
fn children_from_before_are_spared() {
    let mut shell = Command::new("/bin/sh");
    let binary = std::env::current_exe().expect("our own path");
    shell
        .arg("-c")
        .arg("sleep 600 & exec \"$0\"")
        .arg(binary)
        .env("STANDPIPE_TEST_HOST", "nasty")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let host = Host::read_ready(shell.spawn().expect("a shell"));
    // Its other children are daemons from below, which have sessions of their own.
    let session = session_of(host.parent.id());
    let is_job = |pid: &u32| *pid != host.inner && session_of(*pid) == session;
    let job = children_of(host.parent.id()).into_iter().find(is_job);
    let job = job.expect("the job is a child of the watchdog");
    host.signal(Signal::TERM);
    assert_eq!(host.end().code(), Some(0));
    assert!(is_alive(job));
    send(job, Signal::KILL);
}

/// Needs the right to make a PID namespace; without it there is nothing to test here.
fn it_works_as_process_one() {
    let unshare = |scenario: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"])
            .arg(std::env::current_exe().expect("our own path"))
            .env("STANDPIPE_TEST_HOST", scenario)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    };
    match Command::new("unshare").args(["-Urpf", "--mount-proc", "true"]).status() {
        Ok(status) if status.success() => {}
        _ => {
            println!("(no PID namespaces here)");
            return;
        }
    }
    let status = unshare("exit-7").status().expect("unshare runs");
    assert_eq!(status.code(), Some(7));
    let mut host = unshare("nasty").spawn().expect("unshare runs");
    let mut lines = BufReader::new(host.stdout.take().expect("a pipe")).lines();
    let ready = lines.next().expect("a line").expect("UTF-8");
    let run = ready.rsplit(' ').next().expect("a run").to_owned();
    let process_one = wait_until("process 1", || children_of(host.id()).first().copied());
    assert_eq!(marked_like(&run).len(), 2 * PROCESSES);
    // The sweep of a run outside must not take strangers' ids for its own.
    let here = standpipe_process::RunId::of_this_process();
    assert_eq!(standpipe_process::watchdog::sweep_strays(&here), 0);
    send(process_one, Signal::TERM);
    assert_eq!(lines.next().expect("a line").expect("UTF-8"), "terminating");
    assert_eq!(host.wait().expect("our child").code(), Some(0));
    assert_eq!(marked_like(&run), Vec::<u32>::new());
}

/// A shell on a pseudo-terminal starts us as its foreground job, types Ctrl-Z, continues the job
/// and types Ctrl-C.
fn job_control_is_that_of_one_process() {
    const TERMINAL: &str = r#"
import os, pty, signal, sys, time
def state(pid):
    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
shell, master = pty.fork()
if shell == 0:
    # Whatever the tests themselves were started under: in the background SIGINT is ignored.
    for inherited in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(inherited, signal.SIG_DFL)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execv(sys.argv[1], [sys.argv[1]])
    _, status = os.waitpid(job, os.WUNTRACED)
    assert os.WIFSTOPPED(status), status
    inner = int(open(f"/proc/{job}/task/{job}/children").read().split()[0])
    while state(inner) != "T": time.sleep(0.01)
    os.killpg(job, signal.SIGCONT)
    while state(inner) == "T" or state(job) == "T": time.sleep(0.01)
    print("continued", flush=True)
    _, status = os.waitpid(job, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT, status
    print("interrupted", flush=True)
    os._exit(0)
signal.alarm(60)
seen = b""
def until(word):
    global seen
    while word not in seen: seen += os.read(master, 4096)
until(b"ready")
os.write(master, b"\x1a")
until(b"continued")
os.write(master, b"\x03")
until(b"interrupted")
print(seen.split(b"ready ")[1].split()[1].decode())
"#;
    let output = Command::new("python3")
        .args(["-c", TERMINAL])
        .arg(std::env::current_exe().expect("our own path"))
        .env("STANDPIPE_TEST_HOST", "nasty")
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = String::from_utf8(output.stdout).expect("a run");
    assert_eq!(marked_like(run.trim()), Vec::<u32>::new());
}

fn the_parent_stays_small() {
    let host = Host::started("nasty");
    let memory = |pid: u32| {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("memory");
        let kilobytes = |name: &str| -> u64 {
            let line = rollup.lines().find(|line| line.starts_with(name)).expect("the line");
            line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
        };
        (kilobytes("Rss:"), kilobytes("Pss:"), kilobytes("Private_Dirty:"))
    };
    let (resident, proportional, private) = memory(host.parent.id());
    println!("(the parent: {resident} kB RSS, {proportional} kB PSS, {private} kB private dirty)");
    assert!(proportional < 4096, "{proportional} kB");
    host.signal(Signal::TERM);
    assert_eq!(host.end().code(), Some(0));
}
