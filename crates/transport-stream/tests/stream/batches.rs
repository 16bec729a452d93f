//! Batches, which only 2025-03-26 has.

use standpipe_core::connection::{GateState, Input};
use standpipe_core::fault::FaultKind;

use crate::support::*;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;

#[tokio::test(start_paused = true)]
async fn a_batch_is_taken_apart_and_its_answers_put_together() {
    let mut world = World::new();
    let session = world.open("2025-03-26").await;
    let body = format!(
        r#" [{PING},{{"jsonrpc":"2.0","id":"b","method":"tools/list"}}, {NOTE}, {{"id":3}}, 7, {}]"#,
        initialize("2025-03-26")
    );
    let (response, ()) =
        tokio::join!(handled(&world.transport, &world.route, post(Some(&session), &body)), async {
            let ping = world.child.asked().await;
            let list = world.child.asked().await;
            assert_eq!((&*ping.method, &*list.method), ("ping", "tools/list"));
            assert!(matches!(world.child.input().await, Input::Notification { .. }));
            list.answer(r#"{"tools":[]}"#);
            ping.answer("{}");
        });
    let seen = seen(response).await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.length, Some(seen.body.len() as u64));
    for part in [
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"b","result":{"tools":[]}}"#,
        r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32600,"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"a message must be a JSON object"}}"#,
        r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32600,"message":"`initialize` must not be part of a batch"}}"#,
    ] {
        assert!(seen.body.contains(part), "{part} in {}", seen.body);
    }
    assert!(seen.body.starts_with('[') && seen.body.ends_with(']'));
    assert_eq!(seen.body.matches("\"jsonrpc\"").count(), 5);
    assert!(world.child.0.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_slow_batch_is_one_stream() {
    let mut world = World::new();
    let session = world.open("2025-03-26").await;
    let body =
        format!(r#"[{PING},{{"jsonrpc":"2.0","id":2,"method":"tools/call"}},{{"id":null}}]"#);
    let (response, (ping, tool)) =
        tokio::join!(handled(&world.transport, &world.route, post(Some(&session), &body)), async {
            (world.child.asked().await, world.child.asked().await)
        });
    let mut events = Events::of(response);
    let refused = events.next().await.unwrap();
    assert!(refused.contains("\"id\":null,\"error\""), "{refused}");
    tool.notify(&log("working"));
    assert_eq!(events.next().await.unwrap(), event("0/2", &log("working")));
    ping.answer("{}");
    assert_eq!(
        events.next().await.unwrap(),
        event("0/3", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
    );
    drop(events);
    tool.answer("{}");
    let mut events = world.listen(&session, Some("0/2")).await;
    assert_eq!(
        events.next().await.unwrap(),
        event("0/3", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
    );
    assert_eq!(
        events.next().await.unwrap(),
        event("0/4", r#"{"jsonrpc":"2.0","id":2,"result":{}}"#)
    );
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn one_cancelled_call_does_not_end_the_others() {
    let mut world = World::new();
    let session = world.open("2025-03-26").await;
    let body = format!(r#"[{PING},{{"jsonrpc":"2.0","id":2,"method":"tools/call"}}]"#);
    let (response, ()) =
        tokio::join!(handled(&world.transport, &world.route, post(Some(&session), &body)), async {
            let ping = world.child.asked().await;
            let tool = world.child.asked().await;
            tool.reply.end();
            ping.answer("{}");
        });
    assert_eq!(seen(response).await.body, r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#);
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_requests_is_accepted() {
    let mut world = World::new();
    let session = world.open("2025-03-26").await;
    let body = format!(r#"[{NOTE},{NOTE},{{"jsonrpc":"2.0","id":9,"result":{{}}}}]"#);
    let seen = world.seen(post(Some(&session), &body)).await;
    assert_eq!((seen.status, &*seen.body), (202, ""));
    assert!(matches!(world.child.input().await, Input::Notification { .. }));
    assert!(matches!(world.child.input().await, Input::Notification { .. }));
    assert!(world.child.0.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_refused_as_a_whole() {
    let mut world = World::new();
    let session = world.open("2025-03-26").await;
    let many = format!("[{}]", [PING; 101].join(","));
    let seen = world.seen(post(Some(&session), &many)).await;
    assert_eq!(seen.summary(), "400 -32600 null");
    assert!(seen.body.contains("at most 100"), "{}", seen.body);
    let seen = world.seen(post(Some(&session), r#"[{"id":1},{"id":2}]"#)).await;
    assert_eq!(seen.status, 400);
    assert_eq!(seen.body.matches("-32600").count(), 2, "{}", seen.body);
    assert_eq!(
        world.seen(post(Some(&session), &format!("[{PING},"))).await.summary(),
        "400 -32700 null"
    );

    world.keeper.set(GateState::Refusing { why: FaultKind::CrashLoop, until: None });
    let seen = world.seen(post(Some(&session), &format!("[{PING}]"))).await;
    assert_eq!(seen.status, 503);
    assert!(
        seen.body.starts_with(r#"[{"jsonrpc":"2.0","id":1,"error":{"code":-32010"#),
        "{}",
        seen.body
    );
    assert_eq!(world.seen(post(Some(&session), &format!("[{NOTE}]"))).await.status, 503);
    assert_eq!(world.bodies.used(), 0);
}
