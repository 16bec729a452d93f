//! The small Standpipe: enters the watchdog, starts children that do everything to survive, says
//! so on stdout and waits for what comes.

#![expect(clippy::print_stdout, reason = "how it tells the test that it is set up")]

use std::io::Write as _;

use standpipe_core::service::ResourceLimits;
use standpipe_process::watchdog::{self, WatchdogLink};
use standpipe_process::{InstanceMarker, LaunchSpec, Launched, launch};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::signal::unix::{SignalKind, signal};

/// A daemon that forked twice, a group member, and one in a session of its own; all deaf.
const NASTY: &str = r#"
import os, signal, sys, time
for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(s, signal.SIG_IGN)
def sleep_for_ever():
    while True: time.sleep(600)
if os.fork() == 0: sleep_for_ever()
if os.fork() == 0:
    os.setsid()
    sleep_for_ever()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: sleep_for_ever()
    os._exit(0)
os.wait()
print("ready", flush=True)
sleep_for_ever()
"#;
/// How many processes that makes, for one child.
pub(crate) const PROCESSES: usize = 4;

pub(crate) fn run(scenario: &str) {
    let link = watchdog::enter().expect("the watchdog starts");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(serve(&link, scenario));
}

async fn serve(link: &WatchdogLink, scenario: &str) {
    if let Some(code) = scenario.strip_prefix("exit-") {
        std::process::exit(code.parse().expect("a number"));
    }
    let mut terminations = signal(SignalKind::terminate()).expect("a handler");
    let mut first = signal(SignalKind::user_defined1()).expect("a handler");
    let mut hangups = signal(SignalKind::hangup()).expect("a handler");
    let mut children = Vec::new();
    let script = match scenario {
        "env-cleared" => {
            "exec(open('/dev/null').read())\nimport os,sys,time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.execve('/bin/sleep', ['sleep', '598'], {})\n    os._exit(0)\nos.wait()\nprint('ready', flush=True)\ntime.sleep(600)"
        }
        _ => NASTY,
    };
    for generation in 1..=2 {
        let spec = LaunchSpec {
            command: "python3".into(),
            args: vec!["-c".into(), script.into()],
            env: Vec::new(),
            cwd: None,
            marker: InstanceMarker::new(link.run(), "nasty", generation),
            limits: ResourceLimits::default(),
        };
        let mut launched: Launched = launch(&spec).await.expect("python starts");
        let mut ready = String::new();
        BufReader::new(&mut launched.stdout).read_line(&mut ready).await.expect("a line");
        assert_eq!(ready, "ready\n");
        children.push(launched);
    }
    say(&format!("ready {} {}", std::process::id(), link.run()));
    if scenario == "wedged" {
        // Both workers and this thread hang: nothing that needs the runtime works any more.
        for _ in 0..2 {
            tokio::spawn(async {
                loop {
                    std::thread::sleep(std::time::Duration::from_mins(10));
                }
            });
        }
        loop {
            std::thread::sleep(std::time::Duration::from_mins(10));
        }
    }
    loop {
        tokio::select! {
            _ = terminations.recv() => break,
            _ = first.recv() => say("usr1"),
            _ = hangups.recv() => say("hup"),
        }
    }
    say("terminating");
    if scenario == "careless" {
        // Ends without having stopped anything.
        std::process::exit(5);
    }
    for child in children {
        child.guard.terminate(&standpipe_process::StopLadder::IMMEDIATE).await;
    }
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("stdout is open");
}
