//! Children that die or fall silent while they serve.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::service::{EraChoice, Lifecycle, RestartSettings};
use standpipe_core::status::Phase;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::world::{World, phase, quick, status_where, until};

#[tokio::test(flavor = "multi_thread")]
async fn answers_find_their_callers_under_concurrency() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let mut clients = JoinSet::new();
    for client in 0..16 {
        let service = service.clone();
        clients.spawn(async move {
            let opened = Client::open(&service).await.unwrap();
            for round in 0..50 {
                let arguments = format!(r#"{{"client":{client},"round":{round}}}"#);
                assert_eq!(opened.text("echo", &arguments).await, arguments);
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    assert_eq!(service.status().generation, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_is_told_to_every_waiting_client_and_the_next_call_works() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(Client::open(&service).await.unwrap());
    }
    for round in 1..=3 {
        let mut calls = Vec::new();
        for client in &clients {
            calls.push(client.begin("slow", r#"{"ms":600000}"#).await.unwrap());
        }
        let crash = clients[0].begin("crash", r#"{"signal":9}"#).await.unwrap();
        for mut call in calls.into_iter().chain([crash]) {
            let why = call.answer().await.unwrap_err();
            assert!(
                matches!(why.kind(), FaultKind::ChildGone(how) if how.contains("signal 9")),
                "{why:?}"
            );
        }
        // At once, without looking: whoever comes waits for the next child.
        for client in &clients {
            assert_eq!(client.text("echo", r#"{"a":1}"#).await, r#"{"a":1}"#);
        }
        assert_eq!(service.status().restarts, round);
    }
    assert_eq!(world.counted("service_restarts_total", "service="), 3);
    assert_eq!(world.counted("process_exits_total", r#"reason="signal""#), 3);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_pause_refuses_at_once_and_says_how_long() {
    let world = World::new();
    let service = world.fixture(|spec| {
        spec.restart = RestartSettings {
            early_death: Duration::ZERO,
            cooldown: Duration::from_mins(10),
            ..quick()
        };
    });
    let client = Client::open(&service).await.unwrap();
    // The first restart after a good run is immediate, the second has to wait.
    client.call("crash", "{}").await.unwrap_err();
    client.text("echo", "{}").await;
    client.call("crash", "{}").await.unwrap_err();
    let why = client.call("echo", "{}").await.unwrap_err();
    assert!(matches!(why.kind(), FaultKind::CoolingDown(_)), "{why:?}");
    let fault = service.gate().pass().await.unwrap_err();
    assert_eq!(fault.status(), 503);
    assert!(fault.retry_after().is_some_and(|seconds| seconds > 500), "{fault}");
    let status = phase(&service, Phase::Backoff).await;
    assert_eq!(status.state, standpipe_core::status::State::Error);
    // Somebody who knows better does not have to wait.
    service.restart().await;
    phase(&service, Phase::Ready).await;
    assert_eq!(client.text("echo", "{}").await, "{}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_shot_service_is_not_started_again_by_itself() {
    let world = World::new();
    let service = world.fixture(|spec| {
        spec.lifecycle = Lifecycle::OneShot;
        spec.restart = RestartSettings { early_death: Duration::ZERO, ..quick() };
    });
    let client = Client::open(&service).await.unwrap();
    client.call("crash", "{}").await.unwrap_err();
    status_where(&service, |s| s.phase == Phase::Idle && s.instances == 0).await;
    assert_eq!((service.status().generation, service.status().restarts), (1, 0));
    assert_eq!(client.text("echo", "{}").await, "{}");
    assert_eq!(service.status().generation, 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_closes_a_pipe_is_replaced() {
    let world = World::new();
    let stdout = world.nasty(&["close-stdout"], |_| {});
    // It is ready for a moment at most; what counts is that nobody is left waiting.
    let _ = Client::open(&stdout).await;
    status_where(&stdout, |status| status.generation > 1).await;
    world.end().await;

    let world = World::new();
    let script = r#"exec 3<&0; read line <&3
echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"x","version":"1"}}}'
read line <&3; exec 0<&- 3<&-; exec sleep 600"#;
    let stdin = world.service("/bin/sh", &["-c", script], |spec| {
        spec.era = EraChoice::Legacy;
        // Its successor answers under the wrong id and is not waited for.
        spec.timeouts.start = Duration::from_secs(5);
    });
    let client = Client::open(&stdin).await.unwrap();
    // What was written before it closed its stdin is lost; the next write tells.
    let mut unanswered = Vec::new();
    until("it is replaced", async || {
        unanswered.push(client.send("ping", "{}").await);
        stdin.status().generation > 1
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_never_reads_costs_its_own_callers_only() {
    let world = World::new();
    let service = world.nasty(&["never-read", "--after"], |spec| {
        spec.timeouts.request = Duration::from_millis(500);
    });
    let client = Client::open(&service).await.unwrap();
    let filler = "x".repeat(1 << 20);
    let mut calls = Vec::new();
    let refused = loop {
        match client.begin("hello", &format!(r#"{{"filler":"{filler}"}}"#)).await {
            Ok(call) => calls.push(call),
            Err(refused) => break refused,
        }
        assert!(calls.len() < 100, "the queue is bounded");
    };
    assert_eq!(refused.kind(), &FaultKind::Overloaded);
    for mut call in calls {
        let why = call.answer().await.unwrap_err();
        assert!(matches!(why.kind(), FaultKind::Timeout(_)), "{why:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exceeds_a_limit_says_so_when_it_has_ended() {
    let world = World::new();
    let service = world.service("python3", &["-c", "while True: pass"], |spec| {
        spec.resources.cpu = Some(Duration::from_secs(1));
        spec.resources.open_files = Some(99);
        spec.restart.max_failures = 1;
    });
    assert!(service.status().limits.is_empty(), "nothing has been started");
    Client::open(&service).await.map(drop).unwrap_err();
    let status = phase(&service, Phase::CrashLoop).await;
    let shown = serde_json::to_value(status.limits).unwrap();
    assert_eq!(shown, serde_json::json!({ "cpu": "rlimit", "open_files": "rlimit" }));
    let exit = status.last_exit.expect("its process has ended");
    assert!(exit.reason.starts_with("exceeded the CPU limit"), "{exit:?}");
    assert_eq!(exit.signal, Some(nix::libc::SIGXCPU));
    assert_eq!(world.counted("process_exits_total", r#"reason="limit""#), 1);
    world.end().await;
}
