//! What the collector gets of a call, and what the child is told of it.
//!
//! The collector has a thread of its own beside the test's: the test waits for the end of a process
//! that waits for the collector.

use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::collector::{Collector, hex, text};
use crate::support::http::{Answer, Client, post, request};
use crate::support::process::{Standpipe, is_clean};
use crate::support::{counted, fixture_with, in_time, sse};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SENDER: &str = "00f067aa0ba902b7";
const OTHER_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const OTHER_SENDER: &str = "b7ad6b7169203331";

fn traced(collector: &Collector) -> Standpipe {
    let endpoint = collector.url();
    let variables =
        [("STANDPIPE_OTEL__ENDPOINT", &*endpoint), ("STANDPIPE_OTEL__HEADERS__X-KEY", "k1")];
    fixture_with(&variables, &[])
}

fn parent(trace: &str, span: &str) -> String {
    format!("00-{trace}-{span}-01")
}

/// A call of 2026-07-28: without a session, with all it needs in `_meta`.
async fn modern_call(standpipe: &Standpipe, id: u64, tool: &str) -> Value {
    let version = "2026-07-28";
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
        "traceparent": parent(TRACE, SENDER),
    });
    let params = json!({ "name": tool, "arguments": {}, "_meta": meta });
    let http = reqwest::Client::new();
    let post = post(&http, &standpipe.url("/mcp"))
        .header("mcp-protocol-version", version)
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .body(request(id, "tools/call", params).to_string());
    let response = in_time("a response", post.send()).await.expect("the server is there");
    Answer::of(response).last().await
}

/// Calls a tool with these headers.
async fn call(client: &Client, headers: &[(&str, &str)], id: u64, params: Value) -> Value {
    let mut post = client
        .builder(Method::POST)
        .header(ACCEPT, "application/json, text/event-stream")
        .header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        post = post.header(*name, *value);
    }
    let body = request(id, "tools/call", params).to_string();
    let response =
        in_time("a response", post.body(body).send()).await.expect("the server is there");
    Answer::of(response).last().await
}

fn attribute(span: &Span, key: &str) -> String {
    text(&span.attributes, key).unwrap_or_else(|| panic!("{key} is not in {span:?}"))
}

fn is_call(id: u64) -> impl Fn(&Span) -> bool {
    move |span| text(&span.attributes, "jsonrpc.request.id") == Some(id.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_one_trace_that_begins_in_the_client_and_reaches_the_child() {
    let collector = Collector::start().await;
    let mut standpipe = traced(&collector);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let sent = parent(TRACE, SENDER);
    let headers = [("traceparent", &*sent), ("tracestate", "vendor=1"), ("baggage", "user=a")];
    let params = json!({ "name": "echo_raw", "arguments": { "a": 1 } });
    let answer = call(&client, &headers, 41, params).await;
    let own = collector.span("the span of the call", is_call(41)).await;

    assert_eq!((hex(&own.trace_id), hex(&own.parent_span_id)), (TRACE.into(), SENDER.into()));
    assert_eq!((own.name.as_str(), own.kind), ("tools/call echo_raw", SpanKind::Server as i32));
    for (key, value) in [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "echo_raw"),
        ("gen_ai.operation.name", "execute_tool"),
        ("mcp.protocol.version", "2025-11-25"),
        ("mcp.session.id", &client.id()[..8]),
        ("network.transport", "tcp"),
        ("http.response.status_code", "200"),
        ("standpipe.service", "tools"),
    ] {
        assert_eq!(attribute(&own, key), value, "{key}");
    }
    assert_eq!(text(&own.attributes, "error.type"), None);

    let seen = &answer["result"]["structuredContent"];
    let (meta, arguments) = (&seen["_meta"], &seen["arguments"]);
    assert_eq!((&meta["tracestate"], &meta["baggage"]), (&json!("vendor=1"), &json!("user=a")));
    assert_eq!(*arguments, json!({ "a": 1 }));
    let stages = collector.children_of(&own);
    let mut names: Vec<_> = stages.keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["child", "queue", "write"]);
    let child = &stages["child"];
    assert_eq!(meta["traceparent"], json!(parent(TRACE, &hex(&child.span_id))));
    assert_eq!(child.kind, SpanKind::Client as i32);
    assert!(stages.values().all(|stage| hex(&stage.trace_id) == TRACE));
    assert!(stages["queue"].end_time_unix_nano <= child.start_time_unix_nano);
    assert!(child.end_time_unix_nano <= stages["write"].start_time_unix_nano);
    assert!(stages["write"].end_time_unix_nano <= own.end_time_unix_nano);

    assert!(counted(&standpipe, "exported").await > 0);
    assert_eq!(collector.resource("service.name").as_deref(), Some("standpipe"));
    assert_eq!(collector.header("x-key").as_deref(), Some("k1"));
    let start = collector.span("the span of the start", |span| span.name == "start").await;
    assert_eq!(attribute(&start, "standpipe.service"), "tools");
    standpipe.signal(Signal::SIGTERM);
    assert!(is_clean(standpipe.wait()), "{}", standpipe.log());
    // What had not been exported before the signal was exported before the end.
    let spans = collector.spans();
    let stop = spans.iter().find(|span| span.name == "stop").expect("the stop was exported");
    assert_eq!(attribute(stop, "standpipe.service"), "tools");
    assert!(spans.iter().any(|span| span.name == "initialize"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_meta_names_is_the_parent_and_who_sent_the_request_is_linked() {
    let collector = Collector::start().await;
    let standpipe = traced(&collector);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let (header, meta) = (parent(OTHER_TRACE, OTHER_SENDER), parent(TRACE, SENDER));
    let params = json!({
        "name": "echo_raw",
        "_meta": { "traceparent": meta, "baggage": "mine=1", "progressToken": "p" },
    });
    let headers = [("traceparent", &*header), ("baggage", "theirs=2")];
    let answer = call(&client, &headers, 7, params).await;
    let seen = &answer["result"]["structuredContent"]["_meta"];
    assert_eq!(seen["baggage"], "mine=1");
    assert!(seen["traceparent"].as_str().unwrap().starts_with(&format!("00-{TRACE}-")), "{seen}");
    let own = collector.span("the span of the call", is_call(7)).await;
    assert_eq!((hex(&own.trace_id), hex(&own.parent_span_id)), (TRACE.into(), SENDER.into()));
    let [link] = own.links.as_slice() else { panic!("one link: {own:?}") };
    assert_eq!(
        (hex(&link.trace_id), hex(&link.span_id)),
        (OTHER_TRACE.into(), OTHER_SENDER.into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_over_the_old_transport_lasts_until_its_answer_on_the_stream() {
    let collector = Collector::start().await;
    let standpipe = traced(&collector);
    let base = standpipe.url("");
    let mut client = sse::Client::connect(&base, "/sse").await;
    let meta = json!({ "traceparent": parent(TRACE, SENDER) });
    let params = json!({ "name": "delay", "arguments": { "ms": 50, "text": "x" }, "_meta": meta });
    client.request(5, "tools/call", params).await;
    let own = collector.span("the span of the call", is_call(5)).await;
    assert_eq!((hex(&own.trace_id), own.name.as_str()), (TRACE.into(), "tools/call delay"));
    assert_eq!(attribute(&own, "http.response.status_code"), "202");
    let stages = collector.children_of(&own);
    assert!(stages["child"].end_time_unix_nano <= own.end_time_unix_nano);
    assert!(stages.contains_key("queue") && stages.contains_key("write"), "{stages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_in_the_trace_by_their_code() {
    let collector = Collector::start().await;
    let standpipe = traced(&collector);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let arguments = json!({ "code": -32099, "message": "broken" });
    client.tool(2, "fail", arguments).await;
    let failed = collector.span("the failed call", is_call(2)).await;
    assert_eq!(attribute(&failed, "error.type"), "-32099");
    assert_eq!(attribute(&failed, "rpc.response.status_code"), "-32099");
    let status = failed.status.expect("it has a status");
    assert_eq!((status.code, status.message.as_str()), (2, "broken"));

    // A request that never was a message has a span as well.
    client.post("{").await;
    let refused =
        |span: &Span| text(&span.attributes, "http.response.status_code").as_deref() == Some("400");
    let refused = collector.span("the refused request", refused).await;
    assert_eq!((refused.name.as_str(), attribute(&refused, "error.type")), ("POST", "400".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_a_session_is_traced_like_any_other() {
    let collector = Collector::start().await;
    let standpipe = traced(&collector);
    let answer = modern_call(&standpipe, 9, "echo_raw").await;
    let seen = &answer["result"]["structuredContent"]["_meta"]["traceparent"];
    let own = collector.span("the span of the call", is_call(9)).await;
    assert_eq!((hex(&own.trace_id), hex(&own.parent_span_id)), (TRACE.into(), SENDER.into()));
    assert_eq!(own.name, "tools/call echo_raw");
    assert_eq!(attribute(&own, "mcp.protocol.version"), "2026-07-28");
    assert_eq!(text(&own.attributes, "mcp.session.id"), None);
    let stages = collector.children_of(&own);
    assert_eq!(*seen, json!(parent(TRACE, &hex(&stages["child"].span_id))));
    assert!(stages.contains_key("queue") && stages.contains_key("write"), "{stages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_the_parent_of_its_start() {
    let collector = Collector::start().await;
    let standpipe = traced(&collector);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    client.tool(1, "crash", json!({})).await;
    let restart = collector.span("the restart", |span| span.name == "restart").await;
    assert_eq!(attribute(&restart, "standpipe.restart.cause"), "policy");
    let start = &collector.children_of(&restart)["start"];
    assert_eq!(attribute(start, "standpipe.service"), "tools");
    let stop = collector.span("the end of the first process", |span| span.name == "stop").await;
    assert_ne!(attribute(&stop, "standpipe.stop.cause"), "stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_endpoint_the_child_gets_the_bytes_of_its_client() {
    let standpipe = fixture_with(&[], &[]);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let params =
        r#"{ "name":"echo_raw" ,"arguments":{"n":1.50}, "_meta" : {"traceparent":"mine"} }"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let response = client.post(body).await;
    let answer = in_time("the answer", response.text()).await.expect("the server is there");
    assert!(answer.contains(&format!(r#""structuredContent":{params}"#)), "{answer}");
}
