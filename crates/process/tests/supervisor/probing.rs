//! Children that live and do not serve, and children that are only busy.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standpipe_core::service::{EraChoice, ProbeSettings, ServiceSpec, Sharing};
use standpipe_core::status::Phase;
use standpipe_process::Service;

use crate::client::Client;
use crate::world::{World, phase, status_where, until};

/// A server that does one thing at a time, and says so when it has seen a `ping`.
const SINGLE_THREADED: &str = r#"
import json, sys, time
pings = 0
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message: continue
    result = {}
    if message["method"] == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
    elif message["method"] == "ping":
        pings += 1
    else:
        time.sleep(message["params"]["arguments"]["seconds"])
        result = {"content": [{"type": "text", "text": str(pings)}]}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"#;

fn often(spec: &mut ServiceSpec) {
    spec.probe = ProbeSettings {
        interval: Some(Duration::from_millis(100)),
        timeout: Duration::from_millis(100),
        failures: 3,
    };
}

fn freeze(pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGSTOP).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_child_is_replaced_and_its_sessions_go_on() {
    let world = World::new();
    let service = world.fixture(often);
    let client = Client::open(&service).await.unwrap();
    client.text("echo", "{}").await;
    let frozen = service.status().pid.unwrap();
    freeze(frozen);
    status_where(&service, |status| status.probe_failures > 0).await;
    let status = status_where(&service, |s| s.phase == Phase::Ready && s.pid != Some(frozen)).await;
    assert_eq!((status.generation, status.restarts, status.probe_failures), (2, 1, 0));
    let exit = status.last_exit.unwrap();
    assert_eq!(&*exit.reason, "it did not answer probes");
    assert!(exit.signal.is_some(), "{exit:?}");
    assert_eq!(client.text("echo", r#"{"a":1}"#).await, r#"{"a":1}"#);
    assert_eq!(world.counted("probe_failures_total", "service="), 3);
    assert_eq!(world.counted("service_restarts_total", "service="), 1);
    assert_eq!(world.counted("process_exits_total", r#"reason="unresponsive""#), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_comes_back_in_time_is_kept() {
    let world = World::new();
    let service = world.fixture(|spec| {
        often(spec);
        spec.probe.failures = 1000;
    });
    let client = Client::open(&service).await.unwrap();
    let pid = service.status().pid.unwrap();
    freeze(pid);
    status_where(&service, |status| status.probe_failures >= 2).await;
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGCONT).unwrap();
    status_where(&service, |status| status.probe_failures == 0).await;
    assert_eq!(client.text("echo", "{}").await, "{}");
    assert_eq!(service.status().pid, Some(pid));
    assert_eq!(world.counted("dropped_messages_total", r#"reason="unknown_id""#), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_single_threaded_child_is_not_dead() {
    let world = World::new();
    let service = world.service("python3", &["-u", "-c", SINGLE_THREADED], |spec| {
        often(spec);
        spec.era = EraChoice::Legacy;
        spec.probe.failures = 1;
    });
    let client = Client::open(&service).await.unwrap();
    // Each call lasts as long as many probes take.
    for _ in 0..3 {
        client.text("work", r#"{"seconds":1}"#).await;
    }
    // One that is given up goes on keeping the child from everything else.
    let call = client.begin("work", r#"{"seconds":1.5}"#).await.unwrap();
    status_where(&service, |status| status.calls_in_flight == 1).await;
    let cancelled =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4}}"#;
    client.notify(cancelled).await.unwrap();
    drop(call);
    client.text("work", r#"{"seconds":0}"#).await;
    let status = service.status();
    assert_eq!((status.generation, status.restarts), (1, 0));
    assert_eq!(world.counted("probe_failures_total", "service="), 0);
    // While nobody uses it, it is asked; each question of ours has to leave it alone for a while.
    until("it is asked", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        client.text("work", r#"{"seconds":0}"#).await != "0"
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_process_of_a_session_s_own_ends_with_the_session() {
    let world = World::new();
    let service = world.fixture(|spec| {
        often(spec);
        spec.sharing = Sharing::Session;
    });
    let one = Client::open(&service).await.unwrap();
    let two = Client::open(&service).await.unwrap();
    freeze(u32::try_from(one.pid().await).unwrap());
    until("its session is over", async || one.session.is_over()).await;
    assert!(!two.session.is_over());
    assert_eq!(two.text("echo", "{}").await, "{}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_remembered_for_a_while_and_asked_for_then() {
    let world = World::new();
    let service = world.fixture(|_| {});
    world.registry.check_health();
    assert_eq!(hits(&world), 0, "of a service that does not run there is nothing to know");
    service.start().await;
    phase(&service, Phase::Ready).await;
    world.registry.check_health();
    assert_eq!(hits(&world), 1, "it has just said that it is there");
    // Nothing is heard of it from now on, so some day it has to be asked.
    freeze(service.status().pid.unwrap());
    until("it is asked", async || asked(&world, &service)).await;
    world.end().await;
}

fn asked(world: &World, service: &Service) -> bool {
    service.check_health();
    world.counted("probe_failures_total", "service=") > 0
}

fn hits(world: &World) -> u64 {
    world.counted("health_cache_hits_total", "service=")
}
