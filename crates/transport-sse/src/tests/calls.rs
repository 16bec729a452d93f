//! Messages of an open session, both ways.

use standpipe_core::connection::{GateState, Input};
use standpipe_core::fault::FaultKind;
use standpipe_core::message::{Message, Outcome, Request, Response};

use super::bench::*;
use crate::calls::MAX_OPEN_CALLS;

fn call(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t"}}}}"#)
}

#[tokio::test(start_paused = true)]
async fn ids_and_payloads_pass_unchanged() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (mut client, _session) = bench.initialized(&mut child).await;
    for id in ["1", r#""1""#, "1.0", "-0", "1e2", r#""\u0041 é""#] {
        let params = r#"{ "name":"t","arguments":{"x":1e400,"y":[ 1.0 ,"\u0000"]}}"#;
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#);
        assert_eq!(bench.post(&client.uri, &text).await, taken());
        let (_, request, reply) = request(&mut child).await;
        assert_eq!(request.id.as_str(), id);
        assert_eq!(request.params.unwrap().raw().as_str(), params);
        answer(&reply, id, r#"{"content":[ ]}"#);
        assert_eq!(
            client.message().await,
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[ ]}}}}"#)
        );
    }
    assert_eq!(bench.bodies.used(), 0);
    assert_eq!(bench.answers.used(), 0);
    assert_eq!(bench.requests("ok"), "7");
}

#[tokio::test(start_paused = true)]
async fn calls_may_be_answered_in_any_order_and_share_an_id() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (mut client, _session) = bench.initialized(&mut child).await;
    let mut replies = Vec::new();
    for id in ["1", "1", "2"] {
        assert_eq!(bench.post(&client.uri, &call(id)).await, taken());
        replies.push(request(&mut child).await.2);
    }
    let connection = &bench.transport.connections()[0];
    assert_eq!(connection.open_calls(), 3);
    answer(&replies[2], "2", r#""c""#);
    answer(&replies[1], "1", r#""b""#);
    answer(&replies[0], "1", r#""a""#);
    for expected in [("2", "c"), ("1", "b"), ("1", "a")] {
        let (id, result) = expected;
        assert_eq!(
            client.message().await,
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"{result}"}}"#)
        );
    }
    assert_eq!(connection.open_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn notifications_pass_with_their_permit() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, session) = bench.initialized(&mut child).await;
    let text = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(bench.post(&client.uri, text).await, taken());
    assert_eq!(bench.bodies.used(), text.len());
    let input = child.next().await;
    let Some(Input::Notification { session: from, notification, slot }) = input else {
        panic!("{input:?}");
    };
    assert_eq!(from.id(), session.id());
    assert_eq!(&*notification.method, "notifications/initialized");
    drop(slot);
    assert_eq!(bench.bodies.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn questions_are_answered_once_and_by_the_asked() {
    let bench = Bench::new();
    let (inbox, mut child) = bench.start();
    let (mut client, session) = bench.initialized(&mut child).await;
    let number = session.note_question(inbox.clone());
    let question = Message::Request(Request {
        id: id(&number.to_string()),
        method: "roots/list".into(),
        params: None,
    });
    session.outlet().deliver(question).unwrap();
    assert_eq!(
        client.message().await,
        format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"roots/list"}}"#)
    );
    let (other, _) = bench.initialized(&mut child).await;
    let text = format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{"roots":[]}}}}"#);
    assert_eq!(bench.post(&other.uri, &text).await, taken());
    assert!(child.try_next().is_none(), "another client can't answer it");
    assert_eq!(bench.post(&client.uri, &text).await, taken());
    let input = child.next().await;
    let Some(Input::Answer { response, .. }) = input else {
        panic!("{input:?}");
    };
    assert!(matches!(response.outcome, Outcome::Result(raw) if raw.as_str() == r#"{"roots":[]}"#));
    assert_eq!(bench.post(&client.uri, &text).await, taken());
    assert!(child.try_next().is_none(), "nobody answers twice");
    assert_eq!(
        bench.count(
            "standpipe_dropped_messages_total{reason=\"unknown_question\",service=\"demo\"}"
        ),
        "2"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_forgotten_unless_two_are_meant() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, _session) = bench.initialized(&mut child).await;
    for id in ["1", "2", "2"] {
        assert_eq!(bench.post(&client.uri, &call(id)).await, taken());
    }
    for id in ["1", "2", "3"] {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        );
        assert_eq!(bench.post(&client.uri, &text).await, taken());
    }
    assert_eq!(bench.transport.connections()[0].open_calls(), 2);
    assert_eq!(bench.requests("cancelled"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_fault_before_the_child_is_answered_on_the_stream() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (mut client, _session) = bench.initialized(&mut child).await;
    let (inbox, gone) = bench.start();
    drop(gone);
    let list = r#"{"jsonrpc":"2.0","id":4,"method":"tools/list"}"#;
    assert_eq!(bench.post(&client.uri, list).await, taken());
    assert_eq!(
        client.message().await,
        r#"{"jsonrpc":"2.0","id":4,"error":{"code":-32010,"message":"service `demo` is being stopped; try again shortly"}}"#
    );
    drop(inbox);
    bench.keeper.set(GateState::Refusing { why: FaultKind::TooManyInstances, until: None });
    assert_eq!(bench.post(&client.uri, list).await, taken());
    assert!(client.message().await.contains("has no room for another process"));
    assert!(client.now().await.is_none());
    assert_eq!(bench.requests("unavailable"), "2");

    // Nobody waits for the answer to a notification: its POST says what happened.
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let refused = bench.post(&client.uri, notification).await;
    assert_eq!(refused.status, 503);
    assert!(client.now().await.is_none());
    assert_eq!(bench.bodies.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn faults_of_the_child_are_counted_by_kind() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (mut client, _session) = bench.initialized(&mut child).await;
    for (kind, outcome) in [
        (FaultKind::ChildGone("exit status 1".into()), "died"),
        (FaultKind::Timeout(std::time::Duration::from_secs(1)), "timeout"),
        (FaultKind::AnswersHeld, "unavailable"),
    ] {
        assert_eq!(bench.post(&client.uri, &call("9")).await, taken());
        let (_, request, reply) = request(&mut child).await;
        let fault = bench.route.gate.fault(kind);
        let answer = Message::Response(fault.answer(request.id));
        reply.answer(answer, Some(fault)).unwrap();
        assert!(client.message().await.contains(r#""id":9,"error""#));
        assert_eq!(bench.requests(outcome), "1", "{outcome}");
    }
    assert_eq!(bench.post(&client.uri, &call("9")).await, taken());
    let (_, request, reply) = request(&mut child).await;
    let error = Response::error(request.id, -32602, "no such tool");
    reply.answer(Message::Response(error), None).unwrap();
    client.message().await;
    assert_eq!(bench.requests("error"), "1");
}

#[tokio::test(start_paused = true)]
async fn open_calls_of_one_session_are_bounded() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, _session) = bench.initialized(&mut child).await;
    for _ in 0..MAX_OPEN_CALLS {
        assert_eq!(bench.post(&client.uri, &call("1")).await, taken());
        request(&mut child).await;
    }
    let refused = bench.post(&client.uri, &call("2")).await;
    assert_eq!(refused.status, 503);
    assert!(refused.body.starts_with(r#"{"jsonrpc":"2.0","id":2,"error":"#));
    assert!(child.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn small_messages_go_together_and_large_ones_in_slices() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (mut client, session) = bench.initialized(&mut child).await;
    for _ in 0..3 {
        let message = Message::notification("notifications/tools/list_changed", None);
        session.outlet().deliver(message).unwrap();
    }
    let event = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
    assert_eq!(client.frame().await.unwrap(), event.repeat(3));

    let payload = format!("\"{}\"", "x".repeat(3 * 1024 * 1024));
    session.outlet().deliver(Message::notification("n", None)).unwrap();
    answer(session.outlet(), "1", &payload);
    answer(session.outlet(), "2", "{}");
    let mut written = Vec::new();
    let mut longest = 0;
    let mut last = None;
    while !written.ends_with(b"\"id\":2,\"result\":{}}\n\n") {
        let frame = client.frame().await.unwrap();
        written.extend_from_slice(&frame);
        if frame.len() > longest {
            longest = frame.len();
            last = Some(frame);
        }
    }
    let expected = format!(
        "event: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"n\"}}\n\n\
         event: message\ndata: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{payload}}}\n\n\
         event: message\ndata: {{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{{}}}}\n\n"
    );
    assert!(written == expected.as_bytes(), "{} bytes", written.len());
    assert_eq!(longest, 256 * 1024);
    assert!(bench.answers.used() > 3 * 1024 * 1024, "a slice is still held");
    drop(last);
    assert_eq!(bench.answers.used(), 0);
}
