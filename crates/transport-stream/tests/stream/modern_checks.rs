//! Which modern request is refused, with which status, code and words; and in which order.

use http::Method;
use http_body_util::Full;
use standpipe_core::protocol::LogLevel;

use crate::modern::{ALL, Post};
use crate::support::*;

/// What is told, and how it is put right.
type Step = (&'static str, fn(Post) -> Post);

fn discover() -> Post {
    Post::new("server/discover", "")
}

#[tokio::test(start_paused = true)]
async fn bad_requests_are_refused_with_their_status_code_and_id() {
    let mut world = World::new();
    let version = "mcp-protocol-version";
    let read = || Post::new("resources/read", r#""uri":"file:///a""#);
    let table: Vec<(Post, &str, &str)> = vec![
        (discover().header("content-type", ""), "415 -32012 7", "application/json"),
        (discover().header("content-type", "text/plain"), "415 -32012 7", "`Content-Type`"),
        (discover().header("accept", ""), "406 -32012 7", "`Accept`"),
        (discover().header("accept", "application/json"), "406 -32012 7", "text/event-stream"),
        // A header that is absent, or not to be read.
        (discover().header(version, ""), "400 -32020 7", "`MCP-Protocol-Version` is missing"),
        (discover().header("mcp-method", ""), "400 -32020 7", "`Mcp-Method` is missing"),
        (Post::call().header("mcp-name", ""), "400 -32020 7", "`Mcp-Name` is missing"),
        (read().header("mcp-name", ""), "400 -32020 7", "`Mcp-Name` is missing"),
        (
            discover().and_header(version, "2025-11-25"),
            "400 -32020 7",
            "`MCP-Protocol-Version` is given more than once",
        ),
        (discover().and_header("mcp-method", "ping"), "400 -32020 7", "more than once"),
        (discover().header("mcp-method", "sérver"), "400 -32020 7", "not plain text"),
        // A member that is absent, or not what it should be.
        (
            discover().meta("protocolVersion", ""),
            "400 -32602 7",
            "`params._meta` lacks `io.modelcontextprotocol/protocolVersion`",
        ),
        (discover().meta("clientCapabilities", ""), "400 -32602 7", "clientCapabilities"),
        (discover().meta("protocolVersion", "3"), "400 -32602 7", "must be a string"),
        (discover().meta("clientCapabilities", "[]"), "400 -32602 7", "must be an object"),
        (discover().meta("clientCapabilities", "null"), "400 -32602 7", "must be an object"),
        (discover().meta("logLevel", "\"loud\""), "400 -32602 7", "name of a log level"),
        // Headers that say something else.
        (
            discover().meta("protocolVersion", "\"v999.0.0\""),
            "400 -32020 7",
            r#"`MCP-Protocol-Version` is \"2026-07-28\", but `io.modelcontextprotocol/protocolVersion` in the body is \"v999.0.0\""#,
        ),
        (discover().header(version, "2025-11-25"), "400 -32020 7", "is \\\"2025-11-25\\\""),
        (discover().header("mcp-method", "tools/list"), "400 -32020 7", "`method` in the body"),
        (discover().header("mcp-method", "SERVER/DISCOVER"), "400 -32020 7", "SERVER/DISCOVER"),
        (Post::call().header("mcp-name", "other"), "400 -32020 7", "`params.name` in the body"),
        (Post::call().header("mcp-name", "SLOW"), "400 -32020 7", "is \\\"SLOW\\\""),
        (read().header("mcp-name", "file:///b"), "400 -32020 7", "`params.uri` in the body"),
        (
            Post::new("tools/call", "").header("mcp-name", "slow"),
            "400 -32020 7",
            "`params.name` in the body is missing",
        ),
        (Post::call().header("mcp-name", "=?base64?c2xvdw?="), "400 -32020 7", "no Base64"),
        (Post::call().header("mcp-name", "=?base64?b3RoZXI=?="), "400 -32020 7", "other"),
        // A version that is not served.
        (
            discover().header(version, "2027-01-01").meta("protocolVersion", "\"2027-01-01\""),
            "400 -32022 7",
            r#""data":{"requested":"2027-01-01","supported":["2026-07-28"]}"#,
        ),
        (
            discover().header(version, "v999.0.0").meta("protocolVersion", "\"v999.0.0\""),
            "400 -32022 7",
            r#""data":{"requested":"v999.0.0","supported":["2026-07-28"]}"#,
        ),
        (
            discover().header(version, "2025-11-25").meta("protocolVersion", "\"2025-11-25\""),
            "400 -32022 7",
            r#""requested":"2025-11-25""#,
        ),
        // Methods that are no more.
        (Post::new("initialize", ""), "404 -32601 7", "`initialize`"),
        (Post::new("ping", ""), "404 -32601 7", "2026-07-28"),
        (Post::new("logging/setLevel", r#""level":"info""#), "404 -32601 7", "logging/setLevel"),
        (Post::new("resources/subscribe", r#""uri":"a:b""#), "404 -32601 7", "subscribe"),
        (Post::new("resources/unsubscribe", r#""uri":"a:b""#), "404 -32601 7", "unsubscribe"),
        // What comes with another round.
        (Post::call().with(r#""inputResponses":null"#), "400 -32602 7", "must be an object"),
        (Post::call().with(r#""requestState":5"#), "400 -32602 7", "must be a string"),
        // Members that two readers could read differently.
        (
            Post::call().with(r#""_Meta":{}"#),
            "400 -32602 7",
            "`_Meta` differs from `_meta` only in case",
        ),
        (
            Post::call().with(r#""name":"x""#).header("mcp-name", "slow"),
            "400 -32602 7",
            "more than once",
        ),
    ];
    let refusals = table.len();
    for (post, summary, words) in table {
        let seen = world.seen(post.request()).await;
        assert_eq!(seen.summary(), summary, "{}: {}", post.body(), seen.body);
        assert!(seen.body.contains(words), "{}: {}", post.body(), seen.body);
        assert_eq!(seen.header("content-type"), "application/json");
        assert!(!seen.headers.contains_key("mcp-session-id"));
    }
    assert!(world.child.0.try_next().is_none(), "nothing of this reached the child");
    let refused = r#"standpipe_requests_total{era="modern",outcome="rejected",service="demo",transport="streamable_http"}"#;
    assert_eq!(world.metric(refused), refusals.to_string());
}

#[tokio::test(start_paused = true)]
async fn the_first_thing_that_is_wrong_is_told() {
    let world = World::new();
    // Everything is wrong; what is told is put right, one after the other.
    let mut post = Post::new("tools/call", r#""name":"slow""#)
        .header("content-type", "text/plain")
        .header("accept", "text/html")
        .header("mcp-protocol-version", "2027-01-01")
        .header("mcp-method", "")
        .header("mcp-name", "")
        .meta("clientCapabilities", "");
    let steps: Vec<Step> = vec![
        ("415", |post| post.header("content-type", "application/json")),
        ("406", |post| post.header("accept", BOTH)),
        ("400 -32020 `Mcp-Method` is missing", |post| post.header("mcp-method", "ping")),
        ("400 -32020 `Mcp-Name` is missing", |post| post.header("mcp-name", "fast")),
        ("400 -32602 clientCapabilities", |post| post.meta("clientCapabilities", "{}")),
        ("400 -32020 protocolVersion", |post| post.meta("protocolVersion", "\"2027-01-01\"")),
        ("400 -32020 `method`", |post| post.header("mcp-method", "tools/call")),
        ("400 -32020 `params.name`", |post| post.header("mcp-name", "slow")),
        ("400 -32022 2027-01-01", |post| post),
    ];
    for (expected, put_right) in steps {
        let seen = world.seen(post.request()).await;
        let told = format!("{} {}", seen.summary(), seen.body);
        for part in expected.split_whitespace().filter(|part| *part != "is") {
            assert!(told.contains(part), "{expected}: {told}");
        }
        post = put_right(post);
    }
    // A method that is no more, but of a version that is not served either.
    let both = Post::new("ping", "")
        .header("mcp-protocol-version", "2027-01-01")
        .meta("protocolVersion", "\"2027-01-01\"");
    assert_eq!(world.seen(both.request()).await.summary(), "400 -32022 7");
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_no_request() {
    let mut world = World::new();
    let body = discover().body();
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    for (body, summary, words) in [
        ("{", "400 -32700 null", "not valid JSON"),
        ("", "400 -32700 null", "not valid JSON"),
        (&*format!("[{body}]"), "400 -32600 null", "JSON array"),
        (&format!("[{answer}]"), "400 -32600 null", "JSON array"),
        ("[]", "400 -32600 null", "must not be empty"),
        (answer, "400 -32600 null", "sends no responses"),
        (&body.replace(":7,", ":null,"), "400 -32600 null", "`id`"),
        (&body.replace(":7,", ":[7],"), "400 -32600 null", "`id`"),
    ] {
        let seen = world.seen(discover().carrying(body)).await;
        assert_eq!(seen.summary(), summary, "{body}: {}", seen.body);
        assert!(seen.body.contains(words), "{body}: {}", seen.body);
    }
    // Size before everything else; the id of a body that is not read is not known.
    let large = format!("{}{}", " ".repeat(MAX_MESSAGE), body);
    let seen = world.seen(discover().header("content-type", "text/plain").carrying(&large)).await;
    assert_eq!(seen.status, 400 + 15, "its length is not declared");
    let declared = discover().header("content-type", "x").header("content-length", "100001");
    assert_eq!(world.seen(declared.carrying(&large)).await.summary(), "413 -32600 null");
    assert_eq!(world.seen(discover().carrying(&large)).await.summary(), "413 -32600 null");
    assert!(world.child.0.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_body_alone_makes_a_request_modern() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    // Without any header of its own; a session and the method's name do not matter.
    let bare = || discover().header("mcp-protocol-version", "").header("mcp-method", "");
    for post in [bare(), bare().header("mcp-session-id", &session)] {
        let seen = world.seen(post.request()).await;
        assert_eq!(seen.summary(), "400 -32020 7", "{}", seen.body);
        assert!(seen.body.contains("MCP-Protocol-Version"), "{}", seen.body);
    }
    let open = Post::new("initialize", r#""protocolVersion":"2025-11-25","capabilities":{}"#);
    assert_eq!(world.seen(open.request()).await.summary(), "404 -32601 7");
    // A junk version is refused as that of the body's era.
    let junk = discover().header("mcp-protocol-version", "junk");
    assert_eq!(world.seen(junk.request()).await.summary(), "400 -32020 7");
    // And a legacy message stays one.
    let legacy = Post::call()
        .header("mcp-protocol-version", "2025-11-25")
        .header("mcp-session-id", &session);
    let (response, asked) = tokio::join!(
        handled(&world.transport, &world.route, legacy.carrying(&call(3))),
        world.child.asked()
    );
    asked.answer("{}");
    assert_eq!(asked_id(&mut Events::of(response)).await, "3");
}

async fn asked_id(events: &mut Events) -> String {
    loop {
        let event = events.next().await.expect("an answer");
        if let Some(at) = event.find("\"id\":") {
            return event[at + 5..].split(',').next().unwrap().to_owned();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_reaches_the_child_is_what_the_client_wrote() {
    let mut world = World::new();
    let cases = [
        Post::call().header("mcp-name", "=?base64?c2xvdw==?="),
        Post::call().header("mcp-name", "  slow  ").header("MCP-Session-Id", "whatever"),
        Post::call().meta("clientInfo", "").and_header("mcp-method", "tools/call"),
        Post::new("prompts/get", r#""name":"Grüße""#).header("mcp-name", "=?base64?R3LDvMOfZQ==?="),
        Post::new("resources/read", r#""uri":"file:\/\/\/a""#).header("mcp-name", "file:///a"),
        Post::new("x/unknown", r#""a":1"#).header("mcp-name", "ignored"),
        Post::new("tools/list", r#""cursor":"c""#).header("accept", "*/*"),
    ];
    for post in cases {
        let post = post.meta("logLevel", "\"debug\"").meta("clientCapabilities", ALL).id("\"x\"");
        let (transport, route) = (world.transport.clone(), world.route.clone());
        let request = post.request();
        let response =
            tokio::spawn(async move { seen(handled(&transport, &route, request).await).await });
        let asked = world.child.asked_but_for_checks(&post).await;
        let sent = format!(r#""params":{}}}"#, asked.params.clone().unwrap());
        assert!(post.body().ends_with(&sent), "{} {sent}", post.body());
        let profile = asked.session.profile();
        assert_eq!(profile.version.as_str(), "2026-07-28");
        assert!(profile.capabilities.sampling && profile.capabilities.elicitation_url);
        assert_eq!(profile.declared.as_str(), ALL);
        assert_eq!(asked.session.log_level(), Some(LogLevel::Debug));
        assert!(asked.reply.same_as(asked.session.outlet()));
        asked.answer(r#"{"resultType":"complete"}"#);
        let seen = response.await.unwrap();
        let expected = r#"{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete"}}"#;
        assert_eq!((seen.status, &*seen.body), (200, expected));
        assert_eq!(seen.header("content-type"), "application/json");
        assert!(!seen.headers.contains_key("mcp-session-id"));
    }
}

impl Child {
    async fn asked_but_for_checks(&mut self, post: &Post) -> Asked {
        if post.body().contains("tools/list") {
            self.asked().await
        } else {
            self.asked_but_for_tools().await
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_http_methods_are_not_for_this_era() {
    let world = World::new();
    for method in [Method::GET, Method::DELETE, Method::PUT, Method::HEAD] {
        let request = request(&method)
            .header("accept", BOTH)
            .header("mcp-protocol-version", "2026-07-28")
            .body(Full::default())
            .unwrap();
        let seen = world.seen(request).await;
        assert_eq!((seen.status, seen.header("allow")), (405, "POST"), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn notifications() {
    let mut world = World::new();
    let note = |method: &str| Post::new(method, r#""requestId":7"#);
    let text = |post: &Post| post.body().replace(r#""id":7,"#, "");
    // A client gives up a request by closing its response.
    let cancelled = note("notifications/cancelled");
    let seen = world.seen(cancelled.carrying(&text(&cancelled))).await;
    assert_eq!((seen.status, &*seen.body), (202, ""));
    assert!(world.child.0.try_next().is_none());

    let other = note("notifications/x").header("mcp-method", "");
    assert_eq!(world.seen(other.carrying(&text(&other))).await.status, 202);
    let input = world.child.input().await;
    assert_eq!(input.session().profile().version.as_str(), "2026-07-28");
    assert!(matches!(input, standpipe_core::connection::Input::Notification { .. }));

    for (post, summary) in [
        (note("notifications/x").header("mcp-method", "y"), "400 -32020 null"),
        (note("notifications/x").meta("protocolVersion", "\"2027-01-01\""), "400 -32020 null"),
        (
            note("notifications/x")
                .header("mcp-protocol-version", "2027-01-01")
                .meta("protocolVersion", "\"2027-01-01\""),
            "400 -32022 null",
        ),
    ] {
        assert_eq!(world.seen(post.carrying(&text(&post))).await.summary(), summary);
    }
    assert!(world.child.0.try_next().is_none());
}
