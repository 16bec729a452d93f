//! How streams and sessions end.

use std::time::Duration;

use standpipe_core::connection::Input;
use standpipe_core::message::Message;
use tokio::time::{Instant, advance, timeout};

use super::bench::*;
use crate::SseSettings;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[tokio::test(start_paused = true)]
async fn a_closed_stream_ends_its_session() {
    let bench = Bench::new();
    let (inbox, mut child) = bench.start();
    let (client, session) = bench.initialized(&mut child).await;
    session.seen_by(&inbox);
    assert_eq!(bench.post(&client.uri, LIST).await, taken());
    let (_, _, reply) = request(&mut child).await;
    let uri = client.uri.clone();
    drop(client);
    assert!(
        matches!(child.next().await, Some(Input::Close { session: ended }) if ended.id() == session.id())
    );
    assert!(session.is_over() && session.is_detached() && reply.is_closed());
    assert_eq!(bench.transport.streams(), 0);
    assert_eq!(bench.requests("cancelled"), "1");
    assert_eq!(bench.count("standpipe_sessions{service=\"demo\",transport=\"sse\"}"), "0");
    assert_eq!(bench.count("standpipe_open_streams{service=\"demo\",transport=\"sse\"}"), "0");
    let refused = bench.post(&uri, LIST).await;
    assert_eq!(
        refused,
        Said::new(
            404,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32011,"message":"unknown session; open a new event stream and initialize again"}}"#,
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_closes_while_a_post_waits_lets_it_go() {
    let bench = Bench::new();
    let client = bench.connect().await;
    let (uri, text) = (client.uri.clone(), initialize(1));
    let post = bench.post(&uri, &text);
    let close = async {
        bench.keeper.demand().await;
        drop(client);
    };
    let (said, ()) = tokio::join!(post, close);
    assert_eq!(said.status, 404);
    assert!(said.body.contains(r#""id":1"#), "{}", said.body);
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_comments() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (mut client, session) = bench.initialized(&mut child).await;
    let start = Instant::now();
    assert_eq!(client.frame().await.unwrap(), ": keep-alive\n\n");
    assert_eq!(start.elapsed(), Duration::from_secs(15));
    assert!(timeout(Duration::from_secs(10), client.frame()).await.is_err());
    session.outlet().deliver(Message::notification("n", None)).unwrap();
    client.message().await;
    let start = Instant::now();
    assert_eq!(client.frame().await.unwrap(), ": keep-alive\n\n");
    assert_eq!(start.elapsed(), Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_streams_after_what_is_queued() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (mut client, session) = bench.initialized(&mut child).await;
    answer(session.outlet(), "1", "1");
    answer(session.outlet(), "2", "2");
    bench.shutdown.cancel();
    assert_eq!(bench.post(&client.uri, LIST).await.status, 404);
    assert_eq!(client.message().await, r#"{"jsonrpc":"2.0","id":1,"result":1}"#);
    assert_eq!(client.message().await, r#"{"jsonrpc":"2.0","id":2,"result":2}"#);
    assert_eq!(client.next().await, None);
    assert!(session.is_over());
    let (headers, refused) = said(bench.get(&[])).await;
    assert_eq!(refused.status, 503);
    assert_eq!(headers["retry-after"], "2");
    timeout(Duration::from_secs(1), bench.transport.run()).await.expect("background work ends too");
}

/// What a client that waits, in a task of its own, reads when `act` comes; at once.
async fn woken_by(mut client: Client, act: impl FnOnce()) -> Vec<String> {
    let reading = tokio::spawn(async move {
        let mut events = Vec::new();
        while let Some(event) = client.next().await {
            events.push(event);
        }
        events
    });
    tokio::task::yield_now().await;
    assert!(!reading.is_finished());
    let start = Instant::now();
    act();
    let events = reading.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    events
}

#[tokio::test(start_paused = true)]
async fn an_open_stream_notices_a_shutdown_by_itself() {
    let bench = Bench::new();
    let client = bench.connect().await;
    assert!(woken_by(client, || bench.shutdown.cancel()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_its_child_has_left_ends_its_stream() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, session) = bench.initialized(&mut child).await;
    let uri = client.uri.clone();
    let leave = || {
        answer(session.outlet(), "1", "1");
        session.end();
    };
    let events = woken_by(client, leave).await;
    assert_eq!(events, ["event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}"]);
    assert_eq!(bench.post(&uri, LIST).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_wakes_a_waiting_stream() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, session) = bench.initialized(&mut child).await;
    let leave = || {
        session.end();
    };
    assert!(woken_by(client, leave).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_behind_loses_only_its_own_stream() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (mut slow, slow_session) = bench.initialized(&mut child).await;
    let (mut quick, quick_session) = bench.initialized(&mut child).await;
    let params = raw(&format!("{{\"x\":\"{}\"}}", "y".repeat(100_000)));
    for _ in 0..100 {
        let message = Message::notification("n", Some(params.clone()));
        let _lagged = slow_session.outlet().deliver(message.clone());
        quick_session.outlet().deliver(message).unwrap();
        quick.message().await;
        assert!(bench.answers.used() < 1100 * 1024);
    }
    assert_eq!(slow.next().await, None);
    assert!(slow_session.is_over());
    assert!(!quick_session.is_over());
    assert_eq!(bench.post(&slow.uri, LIST).await.status, 404);
    assert_eq!(bench.post(&quick.uri, LIST).await, taken());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_read_at_all_is_ended_from_outside() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (stuck, stuck_session) = bench.initialized(&mut child).await;
    let (mut alive, alive_session) = bench.initialized(&mut child).await;
    let reading = async { while alive.next().await.is_some() {} };
    let patience = tokio::time::sleep(Duration::from_mins(10));
    tokio::select! {
        () = bench.transport.run() => panic!("runs until the shutdown"),
        () = reading => panic!("a stream that is read stays open"),
        () = patience => {}
    }
    assert!(stuck_session.is_over());
    assert!(!alive_session.is_over());
    assert_eq!(bench.post(&stuck.uri, LIST).await.status, 404);
    assert_eq!(bench.transport.streams(), 2, "its response still takes memory");
    drop(stuck);
    assert_eq!(bench.transport.streams(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_sessions_of_one_service_can_be_ended() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (mut client, session) = bench.initialized(&mut child).await;
    bench.transport.end_sessions_of("other");
    assert!(!session.is_over());
    answer(session.outlet(), "1", "1");
    bench.transport.end_sessions_of("demo");
    assert!(session.is_over());
    assert_eq!(bench.post(&client.uri, LIST).await.status, 404);
    assert_eq!(client.message().await, r#"{"jsonrpc":"2.0","id":1,"result":1}"#);
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn streams_are_limited_in_number() {
    let bench = Bench::with(SseSettings { max_streams: 2, ..SseSettings::default() });
    let first = bench.connect().await;
    let _second = bench.connect().await;
    let (headers, refused) = said(bench.get(&[])).await;
    assert_eq!(
        refused,
        Said::new(
            503,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"2 event streams are open, which is the limit; try again later"}}"#,
        )
    );
    assert_eq!(headers["retry-after"], "5");
    drop(first);
    advance(Duration::from_secs(1)).await;
    assert_eq!(bench.get(&[]).status(), 200);
}
