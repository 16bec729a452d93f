//! Sessions: how they are opened, ended, counted and reclaimed.

use std::time::Duration;

use standpipe_core::connection::{GateState, Input};
use standpipe_core::fault::FaultKind;
use standpipe_core::message::{Message, Response as Answer};
use standpipe_core::protocol::{ClientCapabilities, ProtocolVersion};
use standpipe_transport_stream::StreamSettings;
use tokio::time::{Instant, sleep};

use crate::support::*;

const OPEN: &str = r#"standpipe_sessions{service="demo",transport="streamable_http"}"#;

#[tokio::test(start_paused = true)]
async fn initialize_opens_a_session() {
    let mut world = World::new();
    let body = initialize("2025-06-18");
    let (response, session) =
        tokio::join!(handled(&world.transport, &world.route, post(None, &body)), async {
            let asked = world.child.asked().await;
            assert_eq!(asked.method, "initialize");
            assert!(asked.params.as_ref().unwrap().contains("clientInfo"));
            let session = asked.session.clone();
            asked.answer(r#"{"protocolVersion":"2025-06-18"}"#);
            session
        });
    let seen = seen(response).await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.body, r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#);
    assert_eq!(seen.header("content-type"), "application/json");
    let id = seen.header("mcp-session-id");
    assert_eq!(id, session.id().to_string());
    assert!(id.len() >= 32 && id.bytes().all(|b| (0x21..=0x7e).contains(&b)));
    assert_eq!(session.profile().version, ProtocolVersion::V2025_06_18);
    let sampling = ClientCapabilities { sampling: true, ..ClientCapabilities::default() };
    assert_eq!(session.profile().capabilities, sampling);
    assert_eq!(world.metric(OPEN), "1");
    assert_eq!(world.transport.sessions_of("demo"), 1);
    assert_eq!(world.transport.sessions_of("other"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_initialize_that_fails_opens_none() {
    let mut world = World::new();
    for (fault, status, retry) in [
        (None, 200, ""),
        (Some(FaultKind::CoolingDown(Duration::from_secs(4))), 503, "5"),
        (Some(FaultKind::ChildGone("signal 9".into())), 502, ""),
    ] {
        let body = initialize("2025-11-25");
        let (response, session) =
            tokio::join!(handled(&world.transport, &world.route, post(None, &body)), async {
                let asked = world.child.asked().await;
                let fault = fault.map(|kind| world.route.gate.fault(kind));
                let answer = fault.as_ref().map_or_else(
                    || Answer::error(asked.id.clone(), -32602, "no"),
                    |fault| fault.answer(asked.id.clone()),
                );
                asked.reply.answer(Message::Response(answer), fault).unwrap();
                asked.session
            });
        let seen = seen(response).await;
        assert_eq!((seen.status, seen.header("retry-after")), (status, retry), "{}", seen.body);
        assert_eq!(seen.header("mcp-session-id"), "");
        assert!(session.is_over());
    }
    assert_eq!(world.transport.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cold_service_is_waited_for_and_a_refusing_one_is_not() {
    let mut world = World::new();
    let GateState::Open(inbox) = GateState::Open(world.route.gate.try_pass().unwrap()) else {
        unreachable!()
    };
    world.keeper.set(GateState::Closed);
    let body = initialize("2025-11-25");
    let (response, ()) =
        tokio::join!(handled(&world.transport, &world.route, post(None, &body)), async {
            world.keeper.demand().await;
            sleep(Duration::from_secs(20)).await;
            world.keeper.set(GateState::Open(inbox));
            world.child.asked().await.answer("{}");
        });
    assert_eq!(response.status(), 200);
    let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();

    world.keeper.set(GateState::Refusing { why: FaultKind::CrashLoop, until: None });
    for request in [post(None, &body), post(Some(&session), &call(3))] {
        let seen = world.seen(request).await;
        assert_eq!((seen.status, seen.header("retry-after")), (503, "60"), "{}", seen.body);
        assert!(seen.body.contains("`demo` failed too often"), "{}", seen.body);
    }
    // A notification has no id to answer under, but it was not taken in either.
    let seen = world.seen(post(Some(&session), &log("x"))).await;
    assert_eq!(seen.summary(), "503 -32010 null");

    world.keeper.set(GateState::Closed);
    let before = Instant::now();
    let seen = world.seen(post(Some(&session), &call(3))).await;
    assert_eq!(seen.summary(), "503 -32010 3");
    assert_eq!(before.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_it_knows_its_session_leaves_none() {
    let mut world = World::new();
    let body = initialize("2025-11-25");
    let session = tokio::select! {
        _ = handled(&world.transport, &world.route, post(None, &body)) => unreachable!(),
        asked = world.child.asked() => asked.session,
    };
    assert!(session.is_over());
    assert_eq!(world.transport.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn delete_ends_the_session_and_its_streams() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let mut general = world.listen(&session, None).await;
    assert_eq!(general.next().await.as_deref(), Some(&*priming("g0/0")));
    let (asked, mut events) = world.stream(&session, 1).await;
    let inner = asked.session.clone();
    inner.seen_by(&world.route.gate.try_pass().unwrap());

    let seen = world.seen(delete(&session)).await;
    assert_eq!((seen.status, &*seen.body), (204, ""));
    assert!(inner.is_over());
    assert!(
        matches!(world.child.input().await, Input::Close { session } if session.id() == inner.id())
    );
    assert_eq!(general.next().await, None);
    // The child's side drops the call; the client is told why.
    drop(asked);
    assert_eq!(events.next().await.as_deref(), Some(&*priming("0/0")));
    let last = events.next().await.unwrap();
    assert!(last.contains("has ended this session"), "{last}");
    assert_eq!(events.next().await, None);
    for request in [post(Some(&session), &call(1)), get(&session, None), delete(&session)] {
        assert_eq!(world.seen(request).await.status, 404);
    }
    drop((general, events));
    assert_eq!(world.metric(OPEN), "0");
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_child_left_it_is_over() {
    let mut world = World::new();
    let session = world.open("2025-06-18").await;
    let (asked, mut events) = world.stream(&session, 1).await;
    let inner = asked.session.clone();
    asked.answer("{}");
    events.next().await;
    let mut general = world.listen(&session, None).await;
    assert!(general.is_silent().await);
    let (ended, ()) = tokio::join!(general.next(), async {
        inner.end();
    });
    assert_eq!(ended, None);
    let seen = world.seen(post(Some(&session), &call(1))).await;
    assert_eq!(seen.summary(), "404 -32011 1");
    assert_eq!(world.transport.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn idle_sessions_are_reclaimed_and_used_ones_are_not() {
    let idle = Duration::from_secs(8);
    let mut world = World::with(StreamSettings { session_idle_timeout: idle });
    let transport = world.transport.clone();
    let runner = tokio::spawn(async move { transport.run().await });
    let unused = world.open("2025-11-25").await;
    let listening = world.open("2025-11-25").await;
    let calling = world.open("2025-11-25").await;
    let general = world.listen(&listening, None).await;
    let (asked, events) = world.stream(&calling, 1).await;
    // Nobody reads, but the call is open.
    drop(events);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(world.seen(delete(&unused)).await.status, 404);
    assert_eq!(world.transport.sessions(), 2);

    drop(general);
    asked.answer("{}");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.transport.sessions(), 2);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(world.transport.sessions(), 0);
    world.shutdown.cancel();
    runner.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn use_keeps_a_session() {
    let idle = Duration::from_secs(8);
    let mut world = World::with(StreamSettings { session_idle_timeout: idle });
    let transport = world.transport.clone();
    tokio::spawn(async move { transport.run().await });
    let session = world.open("2025-11-25").await;
    for _ in 0..10 {
        sleep(Duration::from_secs(7)).await;
        assert_eq!(world.seen(post(Some(&session), &log("x"))).await.status, 202);
        world.child.input().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_sessions_of_a_service_end_with_it() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let mut general = world.listen(&session, None).await;
    general.next().await;
    world.transport.end_sessions_of("other");
    assert_eq!(world.transport.sessions(), 1);
    world.transport.end_sessions_of("demo");
    assert_eq!(general.next().await, None);
    assert_eq!(world.transport.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn there_are_only_so_many_sessions() {
    let mut world = World::new();
    let first = world.open("2025-11-25").await;
    for _ in 1..10_000 {
        world.open("2025-11-25").await;
    }
    let seen = world.seen(post(None, &initialize("2025-11-25"))).await;
    assert_eq!((seen.summary().as_str(), seen.header("retry-after")), ("503 -32010 0", "5"));
    assert!(seen.body.contains("too many sessions"), "{}", seen.body);
    world.seen(delete(&first)).await;
    world.open("2025-11-25").await;
}
