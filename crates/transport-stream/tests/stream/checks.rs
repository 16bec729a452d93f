//! Which request is refused, with which status, code and words.

use http::{Method, Request};
use http_body_util::Full;
use standpipe_metrics::Metrics;

use crate::support::*;

/// Headers other than the right ones.
type Changes<'a> = Vec<(&'a str, &'a str)>;

/// A body, its headers, the summary of the refusal, and words in it.
type Post<'a> = (&'a str, Changes<'a>, &'a str, &'a str);

/// A request with other headers than the right ones; an empty value leaves the header out.
fn altered(
    method: &Method,
    session: &str,
    body: &str,
    changes: &[(&str, &str)],
) -> Request<Full<bytes::Bytes>> {
    let right =
        [("accept", BOTH), ("content-type", "application/json"), ("mcp-session-id", session)];
    let mut builder = request(method);
    for (name, value) in right {
        if !changes.iter().any(|(changed, _)| *changed == name) {
            builder = builder.header(name, value);
        }
    }
    for (name, value) in changes {
        if !value.is_empty() {
            builder = builder.header(*name, *value);
        }
    }
    builder.body(Full::from(body.to_owned())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn bad_posts_are_refused_with_their_status_code_and_id() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let right: &str = &call(7);
    let id = "mcp-session-id";
    let version = "mcp-protocol-version";
    let zeros: &str = &"0".repeat(32);
    let open: &str = &initialize("2025-11-25");
    let table: Vec<Post<'_>> = vec![
        (
            right,
            vec![("accept", "")],
            "406 -32012 7",
            "both application/json and text/event-stream",
        ),
        (right, vec![("accept", "application/json")], "406 -32012 7", "`Accept`"),
        (right, vec![("accept", "text/event-stream")], "406 -32012 7", "`Accept`"),
        (right, vec![("accept", "text/event-stream;q=0, */*")], "406 -32012 7", "`Accept`"),
        (right, vec![("content-type", "")], "415 -32012 7", "`Content-Type`"),
        (right, vec![("content-type", "text/plain")], "415 -32012 7", "application/json"),
        ("{", vec![], "400 -32700 null", "not valid JSON"),
        ("", vec![], "400 -32700 null", "not valid JSON"),
        ("3", vec![], "400 -32600 null", "must be a JSON object"),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, vec![], "400 -32600 7", "`jsonrpc`"),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, vec![], "400 -32600 null", "`id`"),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#,
            vec![],
            "400 -32602 7",
            "params",
        ),
        ("[]", vec![], "400 -32600 null", "must not be empty"),
        (r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#, vec![], "400 -32600 null", "2025-11-25"),
        (right, vec![(id, "")], "400 -32600 7", "`Mcp-Session-Id` is missing"),
        (right, vec![(id, "nonsense")], "404 -32011 7", "initialize a new one"),
        (right, vec![(id, zeros)], "404 -32011 7", "no such session"),
        (right, vec![(version, "junk")], "400 -32600 7", "\\\"junk\\\" is not a revision"),
        (
            right,
            vec![(version, "2025-01-01")],
            "400 -32600 7",
            "served are 2026-07-28, 2025-11-25, 2025-06-18, 2025-03-26",
        ),
        (
            right,
            vec![(version, "2025-11-25"), (version, "2025-06-18")],
            "400 -32600 7",
            "more than once",
        ),
        (right, vec![(version, "2026-07-28")], "400 -32020 7", "`Mcp-Method` is missing"),
        (right, vec![(version, "2027-01-01")], "400 -32020 7", "`Mcp-Method` is missing"),
        (open, vec![], "400 -32600 0", "has been initialized"),
        (open, vec![(id, zeros)], "404 -32011 0", "no such session"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#,
            vec![(id, "")],
            "400 -32602 1",
            "protocolVersion",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":3,"capabilities":{}}}"#,
            vec![(id, "")],
            "400 -32602 1",
            "expected a string",
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            vec![(id, "")],
            "400 -32600 null",
            "is missing",
        ),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#,
            vec![(id, "")],
            "400 -32600 null",
            "part of a batch",
        ),
    ];
    for (body, changes, summary, words) in table {
        let seen = world.seen(altered(&Method::POST, &session, body, &changes)).await;
        assert_eq!(seen.summary(), summary, "{body} {changes:?}: {}", seen.body);
        assert!(seen.body.contains(words), "{body} {changes:?}: {}", seen.body);
        assert_eq!(seen.header("content-type"), "application/json");
        assert_eq!(seen.length, Some(seen.body.len() as u64));
    }
    assert!(world.child.0.try_next().is_none(), "nothing of this reached the child");
}

#[tokio::test(start_paused = true)]
async fn lenient_where_the_specification_lets_us() {
    let mut world = World::new();
    let session = world.open("2025-06-18").await;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let good: Vec<Vec<(&str, &str)>> = vec![
        vec![("accept", "*/*")],
        vec![("accept", "application/*;q=0.5, text/*")],
        vec![("accept", "text/event-stream, Application/JSON; charset=utf-8")],
        vec![("content-type", "application/json; charset=UTF-8")],
        vec![("content-type", "Application/JSON")],
        vec![("mcp-protocol-version", "2025-06-18")],
        vec![("mcp-protocol-version", "2025-11-25")], // Not its own, but a real one.
        vec![("mcp-protocol-version", "2024-11-05")],
        vec![("mcp-method", "tools/call")], // Of the modern era, but claims nothing.
    ];
    for changes in good {
        let seen = world.seen(altered(&Method::POST, &session, note, &changes)).await;
        assert_eq!((seen.status, &*seen.body), (202, ""), "{changes:?}");
        world.child.input().await;
    }
}

#[tokio::test(start_paused = true)]
async fn bad_gets_and_deletes_and_other_methods() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let id = "mcp-session-id";
    let last = "last-event-id";
    let version = "mcp-protocol-version";
    let zeros: &str = &"0".repeat(32);
    let sse = ("accept", "text/event-stream");
    let table: Vec<(Method, Changes<'_>, &str)> = vec![
        (Method::GET, vec![("accept", "application/json")], "406 -32012 null"),
        (Method::GET, vec![("accept", "")], "406 -32012 null"),
        (Method::GET, vec![sse, (id, "")], "405 -32012 null"),
        (Method::GET, vec![sse, (id, ""), (version, "2025-06-18")], "400 -32600 null"),
        (Method::GET, vec![sse, (id, zeros)], "404 -32011 null"),
        (Method::GET, vec![sse, (version, "x")], "400 -32600 null"),
        (Method::GET, vec![sse, (version, "2026-07-28")], "405 -32012 null"),
        (Method::GET, vec![sse, (last, "what")], "400 -32600 null"),
        (Method::GET, vec![sse, (last, "0/0")], "400 -32600 null"),
        (Method::GET, vec![sse, (last, "g0/0")], "400 -32600 null"),
        (Method::DELETE, vec![(id, "")], "405 -32012 null"),
        (Method::DELETE, vec![(id, ""), (version, "2025-06-18")], "400 -32600 null"),
        (Method::DELETE, vec![(version, "2026-07-28")], "405 -32012 null"),
        (Method::DELETE, vec![(id, zeros)], "404 -32011 null"),
        (Method::PUT, vec![], "405 -32012 null"),
        (Method::HEAD, vec![], "405 -32012 null"),
        (Method::OPTIONS, vec![], "405 -32012 null"),
    ];
    for (method, changes, summary) in table {
        let seen = world.seen(altered(&method, &session, "", &changes)).await;
        assert_eq!(seen.summary(), summary, "{method} {changes:?}: {}", seen.body);
        if seen.status == 405 {
            let legacy = matches!(method, Method::PUT | Method::HEAD | Method::OPTIONS);
            let allow = if legacy { "GET, POST, DELETE" } else { "POST" };
            assert_eq!(seen.header("allow"), allow);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_good_for_its_service_alone() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let metrics = Metrics::new("test");
    let (other, _keeper, _child) = service("other", &metrics);
    for request in [post(Some(&session), &call(1)), get(&session, None), delete(&session)] {
        let seen = seen(handled(&world.transport, &other, request).await).await;
        assert_eq!(seen.status, 404);
    }
    assert_eq!(world.seen(delete(&session)).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn bodies_are_bounded() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":"{}"}}}}"#,
        "a".repeat(MAX_MESSAGE)
    );
    // Found out while reading.
    let seen = world.seen(post(Some(&session), &long)).await;
    assert_eq!(seen.summary(), "413 -32600 null");
    assert!(seen.body.contains("100000 bytes"), "{}", seen.body);
    // Found out before.
    let mut declared = post(Some(&session), "");
    declared.headers_mut().insert("content-length", "100001".parse().unwrap());
    assert_eq!(world.seen(declared).await.status, 413);
    // The memory of the whole process.
    let taken = world.bodies.take(world.bodies.limit() - 10).unwrap();
    let seen = world.seen(post(Some(&session), &call(1))).await;
    assert_eq!(seen.summary(), "503 -32010 null");
    assert_eq!(seen.header("retry-after"), "1");
    drop(taken);
    assert_eq!(world.bodies.used(), 0, "refused bodies hold nothing");
}
