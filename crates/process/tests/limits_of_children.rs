//! What a child may use is what was configured, and otherwise what we were started with.

#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "the other suites use the rest")]
mod survivors;

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use standpipe_core::service::ResourceLimits;
use standpipe_core::status::Enforcement;
use standpipe_process::{Exceeded, Exit, LaunchSpec, Launched, launch, raise_own_open_files};
use survivors::{assert_nothing_left, marker};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

/// A machine that is this slow is broken.
const GENEROUS: Duration = Duration::from_mins(1);

/// Runs a program to its end; its output and how it ended.
async fn run(command: &str, script: &str, limits: ResourceLimits) -> (String, Exit) {
    let spec = LaunchSpec {
        command: command.into(),
        args: vec!["-c".into(), script.into()],
        env: Vec::new(),
        cwd: None,
        marker: marker(),
        limits,
    };
    let Launched { guard, stdin, mut stdout, stderr } = launch(&spec).await.expect("it starts");
    let mut output = String::new();
    let read = timeout(GENEROUS, stdout.read_to_string(&mut output)).await;
    read.expect("it ends").expect("it prints text");
    let exit = timeout(GENEROUS, guard.exited()).await.expect("it ends");
    let is_limited = limits.memory.map(|_| Enforcement::Rlimit);
    assert_eq!(guard.limits().memory, is_limited, "what is in force is told");
    let is_over = matches!(exit, Exit::Signal(_)).then_some(Exceeded::Cpu);
    assert_eq!(guard.exceeded(), is_over, "{exit}");
    let pid = guard.pid();
    drop((guard, stdin, stderr));
    assert_nothing_left(&spec.marker, pid);
    (output, exit)
}

/// Soft and hard limit of a child, in the kernel's words.
async fn limits_of_a_child(name: &str, limits: ResourceLimits) -> (String, String) {
    let (table, exit) = run("/bin/sh", "cat /proc/self/limits", limits).await;
    assert_eq!(exit, Exit::Code(0));
    let values = table.lines().find_map(|line| line.strip_prefix(name)).expect("it is listed");
    let mut values = values.split_whitespace().map(str::to_owned);
    (values.next().expect("a soft limit"), values.next().expect("a hard limit"))
}

fn in_words(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

fn pair(soft: &str, hard: &str) -> (String, String) {
    (soft.to_owned(), hard.to_owned())
}

#[tokio::test]
async fn each_configured_limit_holds_for_good() {
    let limits = ResourceLimits {
        memory: Some(512 << 20),
        cpu: Some(Duration::from_millis(90_500)),
        open_files: Some(99),
        processes: Some(1234),
    };
    // Soft and hard alike, so that the child cannot raise them; the time between `SIGXCPU` and
    // `SIGKILL` is for clearing up.
    let cases = [
        ("Max data size", pair("536870912", "536870912")),
        ("Max cpu time", pair("91", "96")),
        ("Max open files", pair("99", "99")),
        ("Max processes", pair("1234", "1234")),
    ];
    for (name, expected) in cases {
        assert_eq!(limits_of_a_child(name, limits).await, expected, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_configured_is_as_we_were_started() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(777), maximum }).unwrap();
    let wanted = maximum.map_or(65_536, |hard| hard.min(65_536));
    assert_eq!(raise_own_open_files(65_536), wanted);
    assert_eq!(raise_own_open_files(1), wanted, "it is never lowered");
    assert_eq!(getrlimit(Resource::Nofile).current, Some(wanted));

    let of_child = |name| limits_of_a_child(name, ResourceLimits::default());
    assert_eq!(of_child("Max open files").await, pair("777", &in_words(maximum)));
    for (name, resource) in [("Max data size", Resource::Data), ("Max processes", Resource::Nproc)]
    {
        let ours = getrlimit(resource);
        let expected = (in_words(ours.current), in_words(ours.maximum));
        assert_eq!(of_child(name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn our_own_hard_limit_is_not_exceeded() {
    const OURS: u64 = 500_000;
    let lowered = Rlimit { current: Some(OURS), maximum: Some(OURS) };
    setrlimit(Resource::Cpu, lowered).unwrap();
    let cpu = Some(Duration::from_secs(OURS + 1));
    let limits = ResourceLimits { cpu, ..ResourceLimits::default() };
    assert_eq!(limits_of_a_child("Max cpu time", limits).await, pair("500000", "500000"));
}

#[tokio::test]
async fn a_child_that_wants_too_much_memory_does_not_get_it() {
    let script = "try: bytearray(1 << 30)\nexcept MemoryError: print('refused')";
    let limits = ResourceLimits { memory: Some(512 << 20), ..ResourceLimits::default() };
    assert_eq!(run("python3", script, limits).await, ("refused\n".to_owned(), Exit::Code(0)));
    let (output, exit) = run("python3", script, ResourceLimits::default()).await;
    assert_eq!((output.as_str(), exit), ("", Exit::Code(0)), "without a limit");
}

#[tokio::test]
async fn a_child_that_spins_is_ended_and_it_shows() {
    let cpu = Some(Duration::from_secs(1));
    let limits = ResourceLimits { cpu, ..ResourceLimits::default() };
    let (_, exit) = run("python3", "while True: pass", limits).await;
    assert_eq!(exit, Exit::Signal(nix::libc::SIGXCPU));
    assert!(exit.to_string().contains("exceeded the CPU limit"), "{exit}");

    // One that does not heed the signal is killed some seconds of work later.
    let deaf = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass";
    let (_, exit) = run("python3", deaf, limits).await;
    assert_eq!(exit, Exit::Signal(nix::libc::SIGKILL));
}

#[tokio::test]
async fn a_child_runs_out_of_its_descriptors() {
    let script = "import errno\nfiles = []\ntry:\n while True: files.append(open('/dev/null'))\n\
                  except OSError as e: print(e.errno == errno.EMFILE, len(files) < 16)";
    let limits = ResourceLimits { open_files: Some(16), ..ResourceLimits::default() };
    assert_eq!(run("python3", script, limits).await, ("True True\n".to_owned(), Exit::Code(0)));
}

#[tokio::test]
async fn a_child_cannot_start_more_processes_than_it_may() {
    // The kernel lets root do as it pleases; the user this becomes has other processes, or none.
    let script = "import errno, os\nif os.getuid() == 0: os.setuid(65534)\ntry:\n pid = os.fork()\n\
                  \x20if pid == 0: os._exit(0)\n print('forked')\n\
                  except OSError as e: print(e.errno == errno.EAGAIN)";
    let limits = ResourceLimits { processes: Some(1), ..ResourceLimits::default() };
    assert_eq!(run("python3", script, limits).await, ("True\n".to_owned(), Exit::Code(0)));
}
