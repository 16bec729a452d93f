//! Plain answers, event streams, and their ends.

use std::time::Duration;

use standpipe_core::connection::Input;
use standpipe_core::fault::FaultKind;
use standpipe_core::message::Message;
use standpipe_core::message::Response as Answer;
use tokio::time::{Instant, advance};

use crate::modern::{Post, raw};
use crate::support::*;

const DONE: &str = r#"{"resultType":"complete","content":[]}"#;

fn event(data: &str) -> String {
    format!("event: message\ndata: {data}")
}

fn answered(id: &str) -> String {
    event(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{DONE}}}"#))
}

fn open_streams(world: &World) -> String {
    world.metric(r#"standpipe_open_streams{service="demo",transport="streamable_http"}"#)
}

#[tokio::test(start_paused = true)]
async fn an_error_has_the_status_that_is_prescribed() {
    let mut world = World::new();
    for (error, status) in [
        (r#"{"code":-32601,"message":"m"}"#, 404),
        (r#"{"code":-32020,"message":"m"}"#, 400),
        (r#"{"code":-32021,"message":"m","data":{"requiredCapabilities":{}}}"#, 400),
        (r#"{"code":-32022,"message":"m"}"#, 400),
        (r#"{"code":-32602,"message":"m"}"#, 200),
        (r#"{"code":1,"message":"m"}"#, 200),
        (r#"{"message":"m"}"#, 200),
    ] {
        let (pending, asked) = world.begin(&Post::call()).await;
        asked.fail(error);
        let seen = seen(pending.response().await).await;
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"error":{error}}}"#);
        assert_eq!((seen.status, &*seen.body), (status, &*body));
        assert_eq!(seen.length, Some(seen.body.len() as u64));
    }
    for (kind, status, retry) in [
        (FaultKind::Overloaded, 503, "1"),
        (FaultKind::ChildGone("exit status 1".into()), 502, ""),
        (FaultKind::Timeout(Duration::from_secs(1)), 504, ""),
    ] {
        let (pending, asked) = world.begin(&Post::call()).await;
        let fault = world.route.gate.fault(kind);
        let answer = Message::Response(fault.answer(asked.id.clone()));
        asked.reply.answer(answer, Some(fault)).unwrap();
        let seen = seen(pending.response().await).await;
        assert_eq!((seen.status, seen.header("retry-after")), (status, retry));
        assert!(seen.body.contains(r#""id":7"#), "{}", seen.body);
    }
}

#[tokio::test(start_paused = true)]
async fn what_precedes_an_answer_comes_on_a_stream() {
    let mut world = World::new();
    let began = Instant::now();
    let post = Post::call().meta("logLevel", "\"info\"").meta("progressToken", "\"p\"").id("\"a\"");
    let (pending, asked) = world.begin(&post).await;
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}"#;
    asked.notify(progress);
    let response = pending.response().await;
    assert!(began.elapsed().is_zero(), "it is not held back");
    assert_eq!(response.status(), 200);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    assert!(!response.headers().contains_key("mcp-session-id"));
    assert_eq!(open_streams(&world), "1");
    let mut events = Events::of(response);
    assert_eq!(events.next().await, Some(event(progress)));
    asked.notify(&log("hello"));
    assert_eq!(events.next().await, Some(event(&log("hello"))));
    let session = asked.session.clone();
    asked.answer(DONE);
    assert_eq!(events.next().await, Some(answered("\"a\"")));
    assert_eq!(events.next().await, None);
    drop(events);
    assert!(!session.is_over(), "it ended by itself, and nobody needs telling");
    assert!(session.is_detached());
    assert_eq!(open_streams(&world), "0");
    let ok = r#"standpipe_requests_total{era="modern",outcome="ok",service="demo",transport="streamable_http"}"#;
    assert_eq!(world.metric(ok), "1");
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_kept_alive_on_a_stream() {
    let mut world = World::new();
    let began = Instant::now();
    let (pending, asked) = world.begin(&Post::call()).await;
    let response = pending.response().await;
    assert_took(began, Duration::from_secs(1));
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = Events::of(response);
    for _ in 0..3 {
        let before = Instant::now();
        assert_eq!(events.next().await.as_deref(), Some(": keep-alive"));
        assert_eq!(before.elapsed(), Duration::from_secs(15));
    }
    asked.answer(DONE);
    assert_eq!(events.next().await, Some(answered("7")));
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_does_no_work_keeps_its_status_when_it_is_slow() {
    let mut world = World::new();
    let (pending, asked) = world.begin(&Post::new("x/unknown", "")).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    asked.fail(r#"{"code":-32601,"message":"m"}"#);
    assert_eq!(seen(pending.response().await).await.summary(), "404 -32601 7");

    let began = Instant::now();
    let (pending, _asked) = world.begin(&Post::new("x/unknown", "")).await;
    assert_eq!(pending.response().await.headers()["content-type"], "text/event-stream");
    assert_took(began, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_cancels() {
    let mut world = World::new();
    // Before there is a response.
    let (pending, asked) = world.begin(&Post::call()).await;
    asked.session.seen_by(&world.route.gate.try_pass().unwrap());
    pending.abandon().await;
    assert!(asked.session.is_over());
    assert!(
        matches!(world.child.input().await, Input::Close { session } if session.id() == asked.session.id())
    );
    // While there is a stream.
    let (pending, asked) = world.begin(&Post::call()).await;
    asked.notify(&log("x"));
    asked.session.seen_by(&world.route.gate.try_pass().unwrap());
    let events = Events::of(pending.response().await);
    assert!(!asked.session.is_over());
    drop(events);
    assert!(asked.session.is_over());
    assert!(matches!(world.child.input().await, Input::Close { .. }));
    // It has gone for good: a late answer finds nobody.
    assert!(asked.reply.is_closed());
    let cancelled = r#"standpipe_requests_total{era="modern",outcome="cancelled",service="demo",transport="streamable_http"}"#;
    assert_eq!(world.metric(cancelled), "2");
}

#[tokio::test(start_paused = true)]
async fn shutting_down() {
    let mut world = World::new();
    let listen = Post::new("subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#);
    let (pending, listening) = world.begin(&listen.id("\"l\"")).await;
    let acknowledged = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"},"notifications":{}}}"#;
    listening.notify(acknowledged);
    let mut stream = Events::of(pending.response().await);
    assert_eq!(stream.next().await, Some(event(acknowledged)));
    let (pending, _asked) = world.begin(&Post::call()).await;
    let mut slow = Events::of(pending.response().await);

    world.shutdown.cancel();
    let ended = r#"{"jsonrpc":"2.0","id":"l","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}"#;
    assert_eq!(stream.next().await, Some(event(ended)));
    assert_eq!(stream.next().await, None);
    assert!(listening.session.is_over());
    let refused = slow.next().await.unwrap();
    assert!(refused.contains("is being stopped") && refused.contains(r#""id":7"#), "{refused}");
    assert_eq!(slow.next().await, None);
    let late = world.seen(Post::call().request()).await;
    assert_eq!(late.summary(), "503 -32010 7");
}

#[tokio::test(start_paused = true)]
async fn a_listening_stream_stays_open() {
    let mut world = World::new();
    let post = Post::new("subscriptions/listen", r#""notifications":{}"#);
    let (pending, asked) = world.begin(&post).await;
    asked.notify(
        r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}"#,
    );
    let mut events = Events::of(pending.response().await);
    assert!(events.next().await.unwrap().contains("acknowledged"));
    // It is served from here on, not waited for.
    let in_flight = r#"standpipe_requests_in_flight{service="demo"}"#;
    assert_eq!(world.metric(in_flight), "0");
    assert_eq!(open_streams(&world), "1");
    assert!(!asked.session.is_detached());
    advance(Duration::from_secs(15)).await;
    assert_eq!(events.next().await.as_deref(), Some(": keep-alive"));
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}"#;
    asked.notify(changed);
    assert_eq!(events.next().await, Some(event(changed)));
    // The other side ends it.
    asked.answer(DONE);
    assert_eq!(events.next().await, Some(answered("7")));
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_loses_messages_but_not_its_answer() {
    let mut world = World::new();
    let (pending, asked) = world.begin(&Post::call()).await;
    asked.notify(&log("first"));
    let mut events = Events::of(pending.response().await);
    let large = "x".repeat(600_000);
    let mut dropped = false;
    for _ in 0..4 {
        dropped |= asked.reply.deliver(message(&log(&large))).is_err();
    }
    assert!(dropped);
    asked.answer(DONE);
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    assert_eq!(last, Some(answered("7")));
    let dropped = r#"standpipe_dropped_messages_total{reason="slow_client",service="demo"}"#;
    assert_eq!(world.metric(dropped), "1");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_without_an_answer() {
    let mut world = World::new();
    let (pending, asked) = world.begin(&Post::call()).await;
    asked.reply.end();
    let seen = seen(pending.response().await).await;
    assert_eq!(seen.summary(), "502 -32000 7", "{}", seen.body);
    assert!(asked.session.is_over());
}

impl Asked {
    pub(crate) fn fail(self, error: &str) {
        let outcome = standpipe_core::message::Outcome::Error(raw(error));
        let answer = Message::Response(Answer { id: self.id, outcome });
        self.reply.answer(answer, None).unwrap();
    }
}
