//! Calls that end in other ways than by an answer.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use tokio::time::Instant;

use crate::support::*;

const CANCELLED: &str = r#"standpipe_requests_total{era="legacy",outcome="cancelled",service="demo",transport="streamable_http"}"#;

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_has_no_answer() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let (response, ()) = tokio::join!(
        handled(&world.transport, &world.route, post(Some(&session), &call(1))),
        async {
            world.child.asked().await.reply.end();
        }
    );
    let seen = seen(response).await;
    assert_eq!((seen.status, &*seen.body), (200, ""));
    assert_eq!(seen.header("content-type"), "text/event-stream");

    let (asked, mut events) = world.stream(&session, 1).await;
    asked.reply.end();
    assert_eq!(events.next().await.unwrap(), priming("0/0"));
    assert_eq!(events.next().await, None);
    drop(events);
    assert_eq!(world.metric(CANCELLED), "2");
    // SDK clients come back when a primed stream ends without an answer.
    assert_eq!(world.seen(get(&session, Some("0/0"))).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_answered_all_the_same() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let (response, ()) = tokio::join!(
        handled(&world.transport, &world.route, post(Some(&session), &call(1))),
        async {
            drop(world.child.asked().await);
        }
    );
    assert_eq!(seen(response).await.summary(), "502 -32000 1");
    let (asked, mut events) = world.stream(&session, 2).await;
    events.next().await;
    drop(asked);
    let last = events.next().await.unwrap();
    assert!(last.starts_with("id: 0/1\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32000"), "{last}");
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_fault_on_a_stream_is_an_event() {
    let mut world = World::new();
    let session = world.open("2025-06-18").await;
    let (asked, mut events) = world.stream(&session, 2).await;
    let fault = world.route.gate.fault(FaultKind::ChildGone("signal 9".into()));
    let answer = fault.answer(asked.id.clone());
    asked.reply.answer(standpipe_core::message::Message::Response(answer), Some(fault)).unwrap();
    let last = events.next().await.unwrap();
    assert!(last.contains("\"id\":2,\"error\":{\"code\":-32000"), "{last}");
    assert_eq!(events.next().await, None);
    let died = r#"standpipe_requests_total{era="legacy",outcome="died",service="demo",transport="streamable_http"}"#;
    assert_eq!(world.metric(died), "1");
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_all_streams_after_what_is_queued() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let mut general = world.listen(&session, None).await;
    general.next().await;
    let (asked, mut events) = world.stream(&session, 1).await;
    events.next().await;
    asked.notify(&log("queued"));
    asked.session.outlet().deliver(message(&log("general"))).unwrap();
    let before = Instant::now();
    world.shutdown.cancel();
    assert_eq!(events.next().await.unwrap(), event("0/1", &log("queued")));
    let last = events.next().await.unwrap();
    assert!(last.contains("\"id\":1,\"error\":{\"code\":-32010"), "{last}");
    assert!(last.contains("is being stopped"), "{last}");
    assert_eq!(events.next().await, None);
    assert_eq!(general.next().await.unwrap(), event("g0/1", &log("general")));
    assert_eq!(general.next().await, None);
    assert!(before.elapsed().is_zero());

    for request in
        [post(Some(&session), &call(2)), get(&session, None), post(None, &initialize("2025-11-25"))]
    {
        let seen = world.seen(request).await;
        assert_eq!((seen.status, seen.header("retry-after")), (503, "2"), "{}", seen.body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    struct Never;
    impl http_body::Body for Never {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let (head, _) = post(Some(&session), "").into_parts();
    let before = Instant::now();
    let response =
        handled(&world.transport, &world.route, http::Request::from_parts(head, Never)).await;
    assert_eq!(seen(response).await.status, 408);
    assert_eq!(before.elapsed(), Duration::from_secs(30));
}
