//! Stops of every kind: idle, by order, for a restart, for good.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::service::{EraChoice, Lifecycle, ServiceId, ServiceSpec, Sharing};
use standpipe_core::status::Phase;
use standpipe_testkit::fixture_path;
use tokio::task::JoinSet;

use crate::client::{ASKABLE, Client, text};
use crate::world::{World, phase, status_where, until};

const WATCHED: &str = r#"{"uri":"test://watched-resource"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_one_shot_service_stops_and_starts_again() {
    let world = World::new();
    let service = world.fixture(|spec| {
        spec.lifecycle = Lifecycle::OneShot;
        spec.idle_timeout = Some(Duration::from_millis(300));
    });
    let client = Client::open(&service).await.unwrap();
    for generation in 1..=3 {
        // An open call is activity, however long it takes.
        assert_eq!(client.text("delay", r#"{"ms":900,"text":"x"}"#).await, "x");
        assert_eq!(service.status().generation, generation);
        status_where(&service, |s| s.phase == Phase::Idle && s.instances == 0).await;
        assert_eq!(world.processes(), []);
        assert_eq!(client.text("echo", "{}").await, "{}");
    }
    assert_eq!(service.status().restarts, 0);
    assert!(world.counted("process_exits_total", r#"reason="idle""#) >= 3);
    // A subscription keeps it.
    client.request("resources/subscribe", WATCHED).await.unwrap();
    let generation = service.status().generation;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!((service.status().generation, service.status().phase), (generation, Phase::Ready));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_meet_an_idle_stop_are_served() {
    let world = World::new();
    let service = world.fixture(|spec| spec.idle_timeout = Some(Duration::from_millis(1)));
    let client = Client::open(&service).await.unwrap();
    let mut stops = 0;
    // Each pause is a little different, so that some calls come just as the process is stopped.
    for pause in 0..20 {
        tokio::time::sleep(Duration::from_millis(490 + pause)).await;
        assert_eq!(client.text("echo", "{}").await, "{}");
        stops = service.status().generation;
    }
    assert!(stops > 1, "it was stopped now and then");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_start_is_not_idleness() {
    let world = World::new();
    let service = world.nasty(&["slow-start", "--ms", "800"], |spec| {
        spec.idle_timeout = Some(Duration::from_millis(500));
    });
    for _ in 0..3 {
        let client = Client::open(&service).await.unwrap();
        assert_eq!(client.text("hello", "{}").await, "hello");
        phase(&service, Phase::Idle).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_stop_and_a_restart() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let mut client = Client::open(&service).await.unwrap();
    client.request("logging/setLevel", r#"{"level":"error"}"#).await.unwrap();
    client.request("resources/subscribe", WATCHED).await.unwrap();
    let first = client.pid().await;

    service.stop().await;
    assert_eq!(service.status().phase, Phase::Idle);
    assert_eq!(world.processes(), []);
    let second = client.pid().await;
    assert_ne!(second, first, "the next caller starts it again");
    assert_set_up(&mut client).await;

    let mut open = client.begin("slow", r#"{"ms":600000}"#).await.unwrap();
    client.text("echo", "{}").await;
    service.restart().await;
    let why = open.answer().await.unwrap_err();
    assert!(
        matches!(why.kind(), FaultKind::ChildGone(_)),
        "whether it took effect is unknown: {why:?}"
    );
    assert_ne!(client.pid().await, second);
    assert_set_up(&mut client).await;
    assert_eq!(service.status().restarts, 0, "nobody counts what was asked for");
    world.end().await;
}

async fn assert_set_up(client: &mut Client) {
    for list in ["tools", "prompts", "resources"] {
        client.told(&format!("notifications/{list}/list_changed")).await;
    }
    let settings = client.call("settings", "{}").await.unwrap();
    let settings = &settings["structuredContent"];
    assert_eq!(settings["logLevel"], "error");
    assert_eq!(settings["subscriptions"][0], "test://watched-resource");
    client.text("touch_resource", WATCHED).await;
    client.told("notifications/resources/updated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_wait_through_a_restart_during_a_start() {
    let world = World::new();
    let service = world.nasty(&["slow-start", "--ms", "500"], |_| {});
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let service = service.clone();
        callers.spawn(async move { Client::open(&service).await?.call("hello", "{}").await });
    }
    phase(&service, Phase::Starting).await;
    service.restart().await;
    while let Some(answer) = callers.join_next().await {
        assert_eq!(text(&answer.unwrap().unwrap()), "hello");
    }
    assert_eq!(service.status().generation, 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_a_start_or_a_pause_leaves_the_gate_usable() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    // It serves when it may.
    let script = "until [ -e \"$1\" ]; do sleep 0.05; done; exec \"$0\"";
    let (fixture, may) = (fixture_path(), go.to_str().unwrap());
    let service = world.service("/bin/sh", &["-c", script, fixture.to_str().unwrap(), may], |_| {});
    let waiting = tokio::spawn({
        let service = service.clone();
        async move { Client::open(&service).await.map(drop) }
    });
    phase(&service, Phase::Starting).await;
    service.stop().await;
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), &FaultKind::Draining);
    assert_eq!(world.processes(), []);
    std::fs::write(go, "").unwrap();
    let client = Client::open(&service).await.unwrap();
    assert_eq!(client.text("echo", "{}").await, "{}");
    world.end().await;

    let world = World::new();
    let service = world.nasty(&["exit-at-once"], |spec| {
        spec.restart.backoff_min = Duration::from_mins(5);
        spec.restart.backoff_max = Duration::from_mins(5);
    });
    Client::open(&service).await.map(drop).unwrap_err();
    phase(&service, Phase::Backoff).await;
    service.stop().await;
    assert_eq!(service.status().phase, Phase::Idle);
    Client::open(&service).await.map(drop).unwrap_err();
    assert_eq!(service.status().generation, 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_in_any_order_end_in_a_service_that_serves() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let mut orders = JoinSet::new();
    for number in 0..40_u32 {
        let service = service.clone();
        orders.spawn(async move {
            match number % 4 {
                0 => service.stop().await,
                1 => service.restart().await,
                2 => service.start().await,
                _ => drop(Client::open(&service).await),
            }
        });
    }
    while let Some(done) = orders.join_next().await {
        done.unwrap();
    }
    service.start().await;
    phase(&service, Phase::Ready).await;
    assert_eq!(world.processes().len(), 1, "one child at most");
    let client = Client::open(&service).await.unwrap();
    assert_eq!(client.text("echo", "{}").await, "{}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_side_processes_and_waiting_calls_too() {
    let world = World::new();
    let service = world.fixture(|spec| spec.limits.side_processes = 1);
    let one = Client::with(&service, ASKABLE).await.unwrap();
    let two = Client::with(&service, ASKABLE).await.unwrap();
    one.ask("elicitation", r#"{"action":"decline"}"#).await.unwrap();
    let mut aside = one.begin("ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    aside.question().await;
    let mut waits = two.begin("ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    two.text("echo", "{}").await;
    service.stop().await;
    assert!(matches!(aside.answer().await.unwrap_err().kind(), FaultKind::ChildGone(_)));
    assert_eq!(waits.answer().await.unwrap_err().kind(), &FaultKind::Draining);
    assert_eq!(world.processes(), []);
    assert_eq!(one.text("echo", "{}").await, "{}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_shutdown_lets_open_calls_end() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let one = Client::with(&service, ASKABLE).await.unwrap();
    let two = Client::with(&service, ASKABLE).await.unwrap();
    one.ask("elicitation", r#"{"action":"decline"}"#).await.unwrap();
    let mut slow = two.begin("delay", r#"{"ms":1000,"text":"done"}"#).await.unwrap();
    // This one needs a process that is only started now.
    let mut aside = one.begin("ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    one.text("echo", "{}").await;
    let end = tokio::spawn(world.registry.shutdown(Duration::from_mins(1)));
    phase(&service, Phase::Draining).await;
    assert_eq!(service.gate().pass().await.unwrap_err().kind, FaultKind::Draining);
    let known = world.registry.list();
    assert_eq!(known.len(), 1, "it stays known, so that callers are told the right thing");
    let answer = aside.converse(r#"{"action":"cancel"}"#).await.unwrap();
    assert!(text(&answer).contains("cancel"));
    assert_eq!(text(&slow.answer().await.unwrap()), "done");
    end.await.unwrap();
    assert_eq!(service.status().phase, Phase::Stopped);
    assert_eq!(world.processes(), []);
    // Nothing is started any more.
    assert_eq!(service.gate().pass().await.unwrap_err().kind, FaultKind::Draining);
    let late = ServiceSpec::new(ServiceId::new("late").unwrap(), fixture_path());
    let late = world.registry.ensure(late);
    assert_eq!(late.gate().pass().await.unwrap_err().kind, FaultKind::Draining);
    service.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_grace_is_the_end_of_the_calls() {
    let world = World::new();
    let service = world.nasty(&["ignore-term"], |_| {});
    let client = Client::open(&service).await.unwrap();
    let mut call = client.begin("hang", "{}").await.unwrap();
    world.registry.shutdown(Duration::from_millis(200)).await;
    assert!(matches!(call.answer().await.unwrap_err().kind(), FaultKind::ChildGone(_)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_processes_drain_and_end_as_well() {
    let world = World::new();
    let service = world.fixture(|spec| spec.sharing = Sharing::Session);
    let one = Client::open(&service).await.unwrap();
    let two = Client::open(&service).await.unwrap();
    let mut call = one.begin("delay", r#"{"ms":500,"text":"done"}"#).await.unwrap();
    one.text("echo", "{}").await;
    world.registry.shutdown(Duration::from_mins(1)).await;
    assert_eq!(text(&call.answer().await.unwrap()), "done");
    until("the sessions are over", async || one.session.is_over() && two.session.is_over()).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_nobody_holds_ends() {
    let world = World::new();
    let service = world.fixture(|_| {});
    Client::open(&service).await.unwrap();
    assert_eq!(world.processes().len(), 1);
    drop(service);
    let processes = world.forget();
    until("nothing is left", async || processes().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_child_can_tell_is_ended_with_it() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let told = directory.path().join("pid");
    // A process in a session of its own, without our marker; its parent leaves at once when it may.
    let script = r#"
import json, subprocess, sys
null = subprocess.DEVNULL
other = subprocess.Popen(["sleep", "1000"], start_new_session=True, env={"PATH": "/bin:/usr/bin"},
    stdin=null, stdout=null, stderr=null)
open(sys.argv[1], "w").write(str(other.pid))
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {},
            "serverInfo": {"name": "n", "version": "0"}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"#;
    let arguments = ["-c", script, told.to_str().unwrap()];
    let service = world.service("python3", &arguments, |spec| spec.era = EraChoice::Legacy);
    Client::open(&service).await.unwrap();
    let pid = std::fs::read_to_string(&told).unwrap();
    let runs = || {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
        line.is_ok_and(|line| line.starts_with("sleep"))
    };
    assert!(runs());
    service.stop().await;
    assert!(!runs());
    world.end().await;
}
