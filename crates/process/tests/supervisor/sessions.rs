//! A process for each session.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::service::{EraChoice, Sharing};
use standpipe_core::status::Phase;

use crate::client::{ASKABLE, Client, Failure};
use crate::world::{AtMost, World, status_where, until};

#[tokio::test(flavor = "multi_thread")]
async fn each_session_has_a_process_and_ends_with_it() {
    let world = World::new();
    let service = world.fixture(|spec| spec.sharing = Sharing::Session);
    let one = Client::open(&service).await.unwrap();
    let other = Client::open(&service).await.unwrap();
    assert_ne!(one.pid().await, other.pid().await);
    one.text("session_state", r#"{"set":"mine"}"#).await;
    assert_ne!(other.text("session_state", "{}").await, one.text("session_state", "{}").await);

    let why = one.call("crash", "{}").await.unwrap_err();
    assert!(matches!(why.kind(), FaultKind::ChildGone(_)), "{why:?}");
    until("the session is over", async || one.session.is_over()).await;
    let why = one.call("echo", "{}").await.unwrap_err();
    assert_eq!(why.kind(), &FaultKind::SessionOver);
    // The others do not notice, and new ones are served at once.
    assert_eq!(other.text("echo", "{}").await, "{}");
    let third = Client::open(&service).await.unwrap();
    assert_eq!(third.text("echo", "{}").await, "{}");

    other.session.end();
    third.session.end();
    status_where(&service, |s| s.instances == 0 && s.phase == Phase::Idle).await;
    assert_eq!(world.processes(), []);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_idle_detached_session_makes_room() {
    let world = World::new();
    let service = world.fixture(|spec| {
        spec.sharing = Sharing::Session;
        spec.limits.max_instances = 2;
    });
    let first = Client::open(&service).await.unwrap();
    let second = Client::open(&service).await.unwrap();
    first.text("echo", "{}").await;
    // One reads a stream, so the other one has to go, though it was used last.
    first.session.stream_opened();
    second.text("echo", "{}").await;
    let third = Client::open(&service).await.unwrap();
    assert!(second.session.is_over());
    assert!(!first.session.is_over());
    // Now both are in use: one by a stream, one by a call.
    let call = third.begin("slow", r#"{"ms":600000}"#).await.unwrap();
    third.text("echo", "{}").await;
    let why = Client::open(&service).await.map(drop).unwrap_err();
    assert_eq!(why.kind(), &FaultKind::TooManyInstances);
    drop(call);
    status_where(&service, |status| status.instances == 2).await;
    first.session.end();
    status_where(&service, |status| status.instances == 1).await;
    Client::open(&service).await.map(drop).unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_come_and_go_within_the_bound() {
    let world = World::new();
    let service = world.fixture(|spec| {
        spec.sharing = Sharing::Session;
        spec.limits.max_instances = 3;
    });
    let bound = AtMost::instances(&service, 3);
    for number in 0..30 {
        // Nobody ends its session, so each makes room by being the longest idle.
        let client = Client::open(&service).await.unwrap();
        let arguments = format!(r#"{{"number":{number}}}"#);
        assert_eq!(client.text("echo", &arguments).await, arguments);
    }
    bound.held().await;
    assert_eq!(service.status().generation, 30);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_during_the_start_leaves_nothing() {
    let world = World::new();
    let service = world.nasty(&["no-initialize-answer"], |spec| {
        spec.sharing = Sharing::Session;
        spec.timeouts.start = Duration::from_mins(10);
    });
    let gate = service.gate().clone();
    let inbox = gate.pass().await.unwrap();
    let (outlet, _stream) = standpipe_core::connection::outlet(
        standpipe_core::connection::OutletLimits::new(standpipe_core::budget::Budget::new(1 << 20)),
    );
    let profile = standpipe_core::connection::SessionProfile::new(
        standpipe_core::protocol::ProtocolVersion::V2025_06_18,
        ASKABLE,
    );
    for wait in [false, true] {
        let session =
            standpipe_core::connection::Session::new(gate.clone(), profile.clone(), outlet.clone());
        let text = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
        let standpipe_core::message::Message::Request(request) = crate::client::message(text)
        else {
            unreachable!()
        };
        inbox.open(&session, request, &outlet).unwrap();
        if wait {
            status_where(&service, |status| status.instances == 1).await;
            until("the child runs", async || !world.processes().is_empty()).await;
        }
        session.end();
        status_where(&service, |s| s.instances == 0 && s.phase == Phase::Idle).await;
    }
    assert_eq!(world.processes(), []);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_initialize_is_the_clients_affair() {
    let world = World::new();
    let script = r#"read line; echo '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"not you"}}'; read line"#;
    let service = world.service("/bin/sh", &["-c", script], |spec| {
        spec.sharing = Sharing::Session;
        spec.era = EraChoice::Legacy;
        spec.restart.max_failures = 2;
    });
    for _ in 0..4 {
        let why = Client::open(&service).await.map(drop).unwrap_err();
        let Failure::Error(error) = why else { panic!("{why:?}") };
        assert_eq!(error["message"], "not you");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_process_may_ask_its_client_anything() {
    let world = World::new();
    let service = world.fixture(|spec| spec.sharing = Sharing::Session);
    let client = Client::with(&service, ASKABLE).await.unwrap();
    let other = Client::with(&service, ASKABLE).await.unwrap();
    let answers = tokio::join!(
        client.ask("elicitation", r#"{"action":"accept","content":{"username":"one"}}"#),
        other.ask("elicitation", r#"{"action":"accept","content":{"username":"other"}}"#),
    );
    assert!(crate::client::text(&answers.0.unwrap()).contains("one"));
    assert!(crate::client::text(&answers.1.unwrap()).contains("other"));
    world.end().await;
}
