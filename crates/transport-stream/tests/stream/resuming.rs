//! Answers: plain, streamed, and fetched after the connection broke.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::message::{Message, Response as Answer};
use tokio::time::{Instant, sleep};

use crate::support::*;

const OK: &str = r#"standpipe_requests_total{era="legacy",outcome="ok",service="demo",transport="streamable_http"}"#;
const IN_FLIGHT: &str = r#"standpipe_requests_in_flight{service="demo"}"#;

fn answer(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
}

#[tokio::test(start_paused = true)]
async fn a_quick_answer_is_plain_json_under_the_clients_own_id() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    for id in ["0", "\"a\\u0062\"", "1.0", "12345678901234567890", "-1"] {
        let body = format!(
            r#"{{"id":{id} , "method":"tools\/call","params":{{ "name" :"x"}},"jsonrpc":"2.0"}}"#
        );
        let (response, ()) = tokio::join!(
            handled(&world.transport, &world.route, post(Some(&session), &body)),
            async {
                let asked = world.child.asked().await;
                assert_eq!(asked.method, "tools/call");
                assert_eq!(asked.params.as_deref(), Some(r#"{ "name" :"x"}"#));
                sleep(Duration::from_millis(900)).await;
                asked.answer(r#"{"a" : 1.50}"#);
            }
        );
        let seen = seen(response).await;
        assert_eq!(seen.status, 200);
        assert_eq!(seen.body, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"a" : 1.50}}}}"#));
        assert_eq!(seen.header("content-type"), "application/json");
        assert_eq!(seen.length, Some(seen.body.len() as u64));
    }
    assert_eq!(world.metric(OK), "6", "initialize counts too");
    assert_eq!(world.answers.used(), 0);
    assert_eq!(world.bodies.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_child_are_200_and_ours_are_not() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    for (fault, status, code) in [
        (None, 200, -32601),
        (Some(FaultKind::ChildGone("exit status 1".into())), 502, -32000),
        (Some(FaultKind::Timeout(Duration::from_mins(5))), 504, -32001),
        (Some(FaultKind::Overloaded), 503, -32010),
        (Some(FaultKind::SessionOver), 404, -32011),
    ] {
        let (response, ()) = tokio::join!(
            handled(&world.transport, &world.route, post(Some(&session), &call(4))),
            async {
                let asked = world.child.asked().await;
                let fault = fault.map(|kind| world.route.gate.fault(kind));
                let answer = fault.as_ref().map_or_else(
                    || Answer::error(asked.id.clone(), -32601, "no such method"),
                    |fault| fault.answer(asked.id.clone()),
                );
                asked.reply.answer(Message::Response(answer), fault).unwrap();
            }
        );
        let seen = seen(response).await;
        assert_eq!(seen.summary(), format!("{status} {code} 4"), "{}", seen.body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_comes_on_a_stream() {
    for (version, primed) in [("2025-11-25", true), ("2025-06-18", false), ("2025-03-26", false)] {
        let mut world = World::new();
        let session = world.open(version).await;
        let before = Instant::now();
        let (response, asked) = tokio::join!(
            handled(&world.transport, &world.route, post(Some(&session), &call(1))),
            world.child.asked()
        );
        assert_took(before, Duration::from_secs(1));
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-cache");
        assert_eq!(header("x-accel-buffering"), "no");
        let mut events = Events::of(response);
        if primed {
            assert_eq!(events.next().await.unwrap(), "id: 0/0\nretry: 1000\ndata: ");
        }
        let quiet = Instant::now();
        assert_eq!(events.next().await.unwrap(), ": keep-alive");
        assert_eq!(quiet.elapsed(), Duration::from_secs(15));
        sleep(Duration::from_secs(8)).await;
        asked.notify(&log("half"));
        assert_eq!(events.next().await.unwrap(), event("0/1", &log("half")));
        let quiet = Instant::now();
        assert_eq!(events.next().await.unwrap(), ": keep-alive");
        assert_eq!(quiet.elapsed(), Duration::from_secs(15), "silence is counted anew");
        asked.answer("{}");
        assert_eq!(events.next().await.unwrap(), event("0/2", &answer(1)));
        assert_eq!(events.next().await, None);
        drop(events);
        assert_eq!(world.metric(IN_FLIGHT), "0");
        assert_eq!(world.answers.used(), 0);

        // Who comes back for more is told that there is none, who missed something that it is gone.
        assert_eq!(world.seen(get(&session, Some("0/2"))).await.status, 204);
        assert_eq!(world.seen(get(&session, Some("0/1"))).await.status, 410);
        assert_eq!(world.seen(get(&session, Some("1/0"))).await.status, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_notification_opens_the_stream_at_once() {
    let mut world = World::new();
    let session = world.open("2025-06-18").await;
    let before = Instant::now();
    let (response, ()) = tokio::join!(
        handled(&world.transport, &world.route, post(Some(&session), &call(1))),
        async {
            let asked = world.child.asked().await;
            asked.notify(&log("first"));
            asked.answer("{}");
        }
    );
    let mut events = Events::of(response);
    assert_eq!(events.next().await.unwrap(), event("0/1", &log("first")));
    assert_eq!(events.next().await.unwrap(), event("0/2", &answer(1)));
    assert_eq!(events.next().await, None);
    assert!(before.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_is_resumed_where_it_broke() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let (one, mut events) = world.stream(&session, 1).await;
    let (two, other) = world.stream(&session, 2).await;
    one.notify(&log("a"));
    one.notify(&log("b"));
    for _ in 0..3 {
        events.next().await.unwrap();
    }
    drop((events, other));
    one.notify(&log("c"));
    two.notify(&log("not yours"));
    assert!(!one.reply.is_closed(), "a disconnect cancels nothing");
    assert_eq!(world.metric(IN_FLIGHT), "2");

    // `b` was lost on the way.
    let mut events = world.listen(&session, Some("0/1")).await;
    assert_eq!(events.next().await.unwrap(), event("0/2", &log("b")));
    assert_eq!(events.next().await.unwrap(), event("0/3", &log("c")));
    assert!(events.is_silent().await);
    one.answer("{}");
    assert_eq!(events.next().await.unwrap(), event("0/4", &answer(1)));
    assert_eq!(events.next().await, None);

    two.answer("{}");
    let mut events = world.listen(&session, Some("1/0")).await;
    assert_eq!(events.next().await.unwrap(), event("1/1", &log("not yours")));
    assert_eq!(events.next().await.unwrap(), event("1/2", &answer(2)));
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn who_resumes_takes_over() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let (asked, mut first) = world.stream(&session, 1).await;
    first.next().await;
    assert!(first.is_silent().await);
    let mut second = world.listen(&session, Some("0/0")).await;
    assert_eq!(first.next().await, None);
    drop(first); // Which must not take the stream away from the second.
    asked.answer("{}");
    assert_eq!(second.next().await.unwrap(), event("0/1", &answer(1)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_nobody_fetches_is_kept_for_a_minute() {
    for (wait, status) in [(50, 200), (70, 410)] {
        let mut world = World::new();
        let transport = world.transport.clone();
        let runner = tokio::spawn(async move { transport.run().await });
        let session = world.open("2025-11-25").await;
        let (asked, mut events) = world.stream(&session, 1).await;
        events.next().await;
        drop(events);
        sleep(Duration::from_mins(10)).await;
        asked.answer("{}");
        sleep(Duration::from_secs(wait)).await;
        assert_eq!(world.metric(IN_FLIGHT), "0", "counted when it came, not when it is fetched");
        let response = world.send(get(&session, Some("0/0"))).await;
        assert_eq!(response.status(), status);
        if status == 200 {
            let mut events = Events::of(response);
            assert_eq!(events.next().await.unwrap(), event("0/1", &answer(1)));
            assert_eq!(events.next().await, None);
        }
        assert_eq!(world.answers.used(), 0);
        world.shutdown.cancel();
        runner.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_the_response_began_cancels_nothing() {
    let mut world = World::new();
    let transport = world.transport.clone();
    let runner = tokio::spawn(async move { transport.run().await });
    let session = world.open("2025-11-25").await;
    let asked = tokio::select! {
        _ = handled(&world.transport, &world.route, post(Some(&session), &call(1))) => unreachable!(),
        asked = world.child.asked() => asked,
    };
    assert!(!asked.reply.is_closed());
    assert_eq!(world.metric(IN_FLIGHT), "1");
    // Nobody can come back for this answer: the client knows no event of its stream.
    let reply = asked.reply.clone();
    asked.answer("{}");
    sleep(Duration::from_secs(10)).await;
    assert!(reply.is_closed());
    assert_eq!(world.metric(IN_FLIGHT), "0");
    assert_eq!(world.metric(OK), "2");
    world.shutdown.cancel();
    runner.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_longer_than_the_ring_can_be_fetched_too() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let (asked, mut events) = world.stream(&session, 1).await;
    events.next().await;
    drop(events);
    let long = format!("\"{}\"", "x".repeat(5_000_000));
    asked.answer(&long);
    assert!(world.answers.used() > 5_000_000);
    // Once more it breaks, in the middle of the answer.
    let response = world.send(get(&session, Some("0/0"))).await;
    let mut body = response.into_body();
    http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
    drop(body);
    let mut events = world.listen(&session, Some("0/0")).await;
    let last = events.next().await.unwrap();
    assert_eq!(last, event("0/1", &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{long}}}"#)));
    assert_eq!(events.next().await, None);
    drop(events);
    assert_eq!(world.answers.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_client_left_is_counted_when_it_is_answered() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    for streamed in [false, true] {
        let (transport, route) = (world.transport.clone(), world.route.clone());
        let request = post(Some(&session), &call(1));
        let response = tokio::spawn(async move { handled(&transport, &route, request).await });
        let asked = world.child.asked().await;
        if streamed {
            drop(response.await.unwrap());
        } else {
            response.abort();
            assert!(response.await.unwrap_err().is_cancelled());
        }
        assert_eq!(world.metric(IN_FLIGHT), "1", "streamed: {streamed}");
        let before = world.metric(OK).parse::<u32>().unwrap();
        asked.answer("{}");
        // Nobody looks after sessions here.
        assert_eq!(world.metric(IN_FLIGHT), "0", "streamed: {streamed}");
        assert_eq!(world.metric(OK), (before + 1).to_string());
    }
}
