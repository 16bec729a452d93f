//! The way from an open stream to a session.

use std::time::Duration;

use standpipe_core::connection::GateState;
use standpipe_core::fault::FaultKind;
use standpipe_core::message::{Message, Response};
use standpipe_core::protocol::ProtocolVersion;

use super::bench::*;

#[tokio::test(start_paused = true)]
async fn a_stream_begins_with_the_endpoint() {
    let bench = Bench::new();
    let response = bench.get(&[]);
    assert_eq!(response.status(), 200);
    let headers: Vec<_> = response
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    assert_eq!(
        headers,
        ["content-type: text/event-stream", "cache-control: no-cache", "x-accel-buffering: no",]
    );
    let connection = &bench.transport.connections()[0];
    let mut client = Client::new(response.into_body());
    assert_eq!(
        client.frame().await.unwrap(),
        format!("event: endpoint\ndata: /servers/demo/message?sessionId={}\n\n", connection.id)
    );
    assert_eq!(bench.transport.streams(), 1);
    assert_eq!(bench.transport.streams_of("demo"), 1);
    assert_eq!(bench.transport.streams_of("other"), 0);
}

#[tokio::test(start_paused = true)]
async fn the_endpoint_is_what_the_server_says_it_is() {
    let bench = Bench::new();
    let request = http::Request::get("/x").body(()).unwrap();
    for (path, begins) in [
        ("/message", "event: endpoint\ndata: /message?sessionId="),
        (
            "/mcp/sse/proxy/demo/message",
            "event: endpoint\ndata: /mcp/sse/proxy/demo/message?sessionId=",
        ),
        ("/m?key=1", "event: endpoint\ndata: /m?key=1&sessionId="),
    ] {
        let response = bench.transport.open(&bench.route, path, &request);
        let event = Client::new(response.into_body()).event().await;
        assert!(event.starts_with(begins), "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn initialize_opens_a_session_with_what_the_client_said() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let mut client = bench.connect().await;
    let text = "{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"method\":\"initialize\",\r\n\"params\":\
        {\"protocolVersion\": \"2025-06-18\",\"capabilities\":{\"sampling\":{},\"elicitation\":null,\
        \"roots\":{\"listChanged\":true}}}}";
    assert_eq!(bench.post(&client.uri, text).await, taken());
    let (session, request, reply) = opening(&mut child).await;
    assert_eq!(session.profile().version, ProtocolVersion::V2025_06_18);
    let said = session.profile().capabilities;
    assert!(said.sampling && said.roots && !said.elicitation);
    assert_eq!(request.id.as_str(), r#""a\u0062""#);
    assert!(reply.same_as(session.outlet()));
    assert!(!session.is_detached());
    let series = "standpipe_sessions{service=\"demo\",transport=\"sse\"}";
    assert_eq!(bench.count(series), "0");

    answer(&reply, r#""a\u0062""#, r#"{"serverInfo":{}}"#);
    assert_eq!(
        client.event().await,
        "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"result\":{\"serverInfo\":{}}}"
    );
    assert_eq!(bench.count(series), "1");
    assert_eq!(bench.requests("ok"), "1");
    assert_eq!(bench.bodies.used(), 0);
    assert_eq!(bench.answers.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_revision_is_answered_with_the_newest_legacy_one() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    for asked in ["2026-07-28", "1.0", ""] {
        let client = bench.connect().await;
        let text = initialize(1).replace("2024-11-05", asked);
        assert_eq!(bench.post(&client.uri, &text).await, taken());
        let (session, ..) = opening(&mut child).await;
        assert_eq!(session.profile().version, ProtocolVersion::V2025_11_25);
    }
}

#[tokio::test(start_paused = true)]
async fn before_the_session_only_initialize_and_ping_are_served() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let mut client = bench.connect().await;
    let list = r#"{"jsonrpc":"2.0","id":"x","method":"tools/list"}"#;
    let refused = Said::new(
        400,
        r#"{"jsonrpc":"2.0","id":"x","error":{"code":-32600,"message":"the session is not initialized; send `initialize` first (got `tools/list`)"}}"#,
    );
    assert_eq!(bench.post(&client.uri, list).await, refused);
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let refused = Said::new(
        400,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the session is not initialized; send `initialize` first (got `notifications/initialized`)"}}"#,
    );
    assert_eq!(bench.post(&client.uri, initialized).await, refused);
    let answer_to_nothing = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(bench.post(&client.uri, answer_to_nothing).await.status, 400);

    let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    assert_eq!(bench.post(&client.uri, ping).await, taken());
    assert_eq!(client.message().await, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);

    assert_eq!(bench.post(&client.uri, &initialize(1)).await, taken());
    let refused = bench.post(&client.uri, list).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("has not been answered yet"), "{}", refused.body);
    let refused = bench.post(&client.uri, &initialize(2)).await;
    assert_eq!(refused.status, 400);
    assert_eq!(bench.post(&client.uri, ping).await, taken());
    assert_eq!(client.message().await, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);

    opening(&mut child).await;
    assert!(child.try_next().is_none());
    assert_eq!(bench.requests("ok"), "2");
    assert_eq!(bench.requests("rejected"), "5");
}

#[tokio::test(start_paused = true)]
async fn a_second_initialize_is_never_forwarded() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, _session) = bench.initialized(&mut child).await;
    let refused = bench.post(&client.uri, &initialize(5)).await;
    assert_eq!(
        refused,
        Said::new(
            400,
            r#"{"jsonrpc":"2.0","id":5,"error":{"code":-32600,"message":"the session is initialized already; open another event stream for another session (got `initialize`)"}}"#,
        )
    );
    assert!(child.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_initialize_that_says_too_little_is_refused() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let client = bench.connect().await;
    for params in [
        "",
        r#","params":{}"#,
        r#","params":{"protocolVersion":1}"#,
        r#","params":{"protocolVersion":"2024-11-05","capabilities":[]}"#,
        r#","params":{"protocolVersion":"2024-11-05","protocolVersion":"2025-06-18"}"#,
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":3,"method":"initialize"{params}}}"#);
        let refused = bench.post(&client.uri, &text).await;
        assert_eq!(refused.status, 400, "{text}");
        let begins = r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32602,"#;
        assert!(refused.body.starts_with(begins), "{}", refused.body);
    }
    assert!(child.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_refused_initialize_can_be_repeated() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let mut client = bench.connect().await;
    assert_eq!(bench.post(&client.uri, &initialize(1)).await, taken());
    let (session, request, reply) = opening(&mut child).await;
    let error = Response::error(request.id, -32602, "not you");
    reply.answer(Message::Response(error), None).unwrap();
    assert!(client.message().await.contains("not you"));
    assert!(session.is_over());
    assert_eq!(bench.requests("error"), "1");

    assert_eq!(bench.post(&client.uri, &initialize(2)).await, taken());
    let (session, _, reply) = opening(&mut child).await;
    answer(&reply, "2", "{}");
    client.message().await;
    assert!(!session.is_over());
}

#[tokio::test(start_paused = true)]
async fn initialize_starts_the_service_and_waits_for_it() {
    let bench = Bench::new();
    let mut client = bench.connect().await;
    assert!(
        tokio::time::timeout(Duration::from_secs(1), bench.keeper.demand()).await.is_err(),
        "an open stream alone starts nothing"
    );
    let text = initialize(1);
    let service = async {
        bench.keeper.demand().await;
        bench.keeper.set(GateState::Opening);
        tokio::time::sleep(Duration::from_secs(20)).await;
        let (_inbox, mut child) = bench.start();
        let (_, _, reply) = opening(&mut child).await;
        answer(&reply, "1", "{}");
        child
    };
    let (said, _child) = tokio::join!(bench.post(&client.uri, &text), service);
    assert_eq!(said, taken());
    let mut event = client.event().await;
    while event.starts_with(':') {
        event = client.event().await;
    }
    assert_eq!(event, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_start_is_told_on_the_stream_once() {
    let bench = Bench::new();
    let mut client = bench.connect().await;
    bench.keeper.set(GateState::Refusing { why: FaultKind::CrashLoop, until: None });
    assert_eq!(bench.post(&client.uri, &initialize(1)).await, taken());
    assert_eq!(
        client.message().await,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32010,"message":"service `demo` failed too often and is not restarted by itself; its operator has to restart it"}}"#
    );
    assert!(client.now().await.is_none());
    assert_eq!(bench.requests("unavailable"), "1");

    bench.keeper.set(GateState::Opening);
    let started = tokio::time::Instant::now();
    assert_eq!(bench.post(&client.uri, &initialize(2)).await, taken());
    assert_eq!(started.elapsed(), Duration::from_mins(1));
    let mut event = client.event().await;
    while event.starts_with(':') {
        event = client.event().await;
    }
    assert!(event.contains("is still starting"), "{event}");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_closed_while_it_waits_is_answered_on_the_stream() {
    let bench = Bench::new();
    let mut client = bench.connect().await;
    bench.keeper.set(GateState::Opening);
    let text = initialize(1);
    let waiting = bench.post(&client.uri, &text);
    assert!(tokio::time::timeout(Duration::from_secs(1), waiting).await.is_err());
    let told = client.message().await;
    assert!(told.starts_with(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"#), "{told}");
    assert_eq!(bench.requests("cancelled"), "1");

    let (_inbox, mut child) = bench.start();
    assert_eq!(bench.post(&client.uri, &initialize(2)).await, taken());
    opening(&mut child).await;
}
