//! Nothing survives Standpipe, however it ends: no child, no grandchild, not one that left its group.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use standpipe_testkit::{is_alive, processes_marked};

use crate::nasty::{services, url};
use crate::support::http::Client;
use crate::support::process::{Standpipe, is_clean, send};
use crate::support::{GENEROUS, alone, eventually};

/// What is promised.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Those that are hard to get rid of.
const FAULTS: &[&str] = &[
    "grandchild",
    "grandchild --setsid",
    "late-grandchild --setsid",
    "ignore-eof",
    "ignore-term",
    "never-read --after",
    "notification-flood --count 0",
    "stderr-flood",
    "banner",
    "close-stdout",
];

/// A Standpipe with every stubborn child running, and who they are.
struct Household {
    standpipe: Standpipe,
    run: String,
    pids: Vec<i32>,
}

async fn household() -> Household {
    let standpipe = Standpipe::serve(&[], &services(FAULTS));
    let healthy = Client::connect(&url(&standpipe, "healthy")).await;
    let marker = healthy.text(1, "env", json!({ "name": "STANDPIPE_INSTANCE" })).await;
    let run = marker.split('/').next().expect("a marker has parts").trim_matches('"').to_owned();
    assert!(!run.is_empty());
    let mut pids = vec![standpipe.outer(), standpipe.inner()];
    let stubborn =
        json!({ "setsid": true, "ignore_term": true, "hold_stdout": true, "hold_stderr": true });
    let grandchild = healthy.tool(2, "spawn_grandchild", stubborn).await;
    pids.push(pid(&grandchild["result"]["structuredContent"]["pid"].to_string()));
    for fault in FAULTS {
        let connected = Client::try_connect(&url(&standpipe, fault)).await;
        if *fault == "close-stdout" {
            // Whether the handshake gets through is a race; the process is there either way.
            continue;
        }
        let client = connected.unwrap_or_else(|refusal| panic!("{fault}: {refusal:?}"));
        if fault.starts_with("grandchild") {
            pids.push(pid(&client.text(1, "grandchild", json!({})).await));
        }
    }
    assert!(pids.iter().all(|&pid| is_alive(pid)), "{pids:?} should run");
    // Some of these may come and go: a child that closed its stdout is replaced.
    pids.extend(processes_marked(&format!("{run}/")).iter().map(|process| process.pid));
    pids.sort_unstable();
    pids.dedup();
    // Each fault has a process, some have two; the serving one and its watchdog are in the list as well.
    assert!(pids.len() > FAULTS.len() + 3, "only {pids:?} run");
    Household { standpipe, run, pids }
}

fn pid(text: &str) -> i32 {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Waits until every process is gone, those that were started in the meantime included.
async fn nobody_is_left(run: String, pids: Vec<i32>) {
    eventually("the end of every process", GONE_WITHIN, move || {
        processes_marked(&format!("{run}/")).is_empty() && !pids.iter().any(|&pid| is_alive(pid))
    })
    .await;
}

#[tokio::test]
async fn after_sigterm() {
    let _turn = alone().await;
    let Household { mut standpipe, run, pids } = household().await;
    standpipe.signal(Signal::SIGTERM);
    // Reaped while it is waited for, as a zombie of ours would count as gone anyway.
    nobody_is_left(run, pids).await;
    assert!(is_clean(standpipe.wait()));
}

#[tokio::test]
async fn after_sigint() {
    let _turn = alone().await;
    let Household { mut standpipe, run, pids } = household().await;
    standpipe.signal(Signal::SIGINT);
    nobody_is_left(run, pids).await;
    assert!(is_clean(standpipe.wait()));
}

#[tokio::test]
async fn after_sigkill_of_what_was_started() {
    let _turn = alone().await;
    let Household { standpipe, run, pids } = household().await;
    standpipe.signal(Signal::SIGKILL);
    nobody_is_left(run, pids).await;
}

#[tokio::test]
async fn after_sigkill_of_what_serves() {
    let _turn = alone().await;
    let Household { mut standpipe, run, pids } = household().await;
    send(standpipe.inner(), Signal::SIGKILL);
    nobody_is_left(run, pids).await;
    assert!(!is_clean(standpipe.wait()), "a death is not a clean end");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let _turn = alone().await;
    let Household { mut standpipe, run, pids } = household().await;
    standpipe.signal(Signal::SIGTERM);
    standpipe.signal(Signal::SIGTERM);
    nobody_is_left(run, pids).await;
    standpipe.wait();
}

/// Nothing of Standpipe is left to act, so the kernel takes the direct children, and the next start the rest.
#[tokio::test]
async fn after_sigkill_of_everything_at_once() {
    let _turn = alone().await;
    let Household { standpipe, run, pids } = household().await;
    let inner = standpipe.inner();
    // Stopped first, so that neither sees the other die.
    for pid in [inner, standpipe.outer()] {
        send(pid, Signal::SIGSTOP);
    }
    for pid in [inner, standpipe.outer()] {
        if is_alive(pid) {
            send(pid, Signal::SIGKILL);
        }
    }
    eventually("the end of both", GENEROUS, {
        let pids = [inner, standpipe.outer()];
        move || !pids.iter().any(|&pid| is_alive(pid))
    })
    .await;
    let _next = Standpipe::serve(&[], &services(&[]));
    nobody_is_left(run, pids).await;
}

/// Its client's own child ends with the session; a stubborn one does so as well.
#[tokio::test]
async fn after_the_end_of_a_session() {
    let _turn = alone().await;
    let nasty = standpipe_testkit::nasty_path();
    let nasty = nasty.to_str().expect("paths of builds are text");
    let standpipe = Standpipe::run(&["--sharing", "session"], &[nasty, "grandchild", "--setsid"]);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let child = pid(&client.text(1, "pid", json!({})).await);
    let grandchild = pid(&client.text(2, "grandchild", json!({})).await);
    assert!(is_alive(child) && is_alive(grandchild));
    let ended = client.builder(reqwest::Method::DELETE).send().await.expect("the server is there");
    assert!(ended.status().is_success());
    eventually("the end of the session's processes", GENEROUS, move || {
        !is_alive(child) && !is_alive(grandchild)
    })
    .await;
}
