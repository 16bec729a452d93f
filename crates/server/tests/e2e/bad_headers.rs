//! Requests whose headers or address do not fit: sessions, versions, content types, hosts, origins, services.
//!
//! Statuses are those of the Streamable HTTP transport (MCP 2025-11-25, "Transports"). The text names the
//! header or the service that is wrong.

use reqwest::header::{ACCEPT, CONTENT_TYPE, HOST, ORIGIN};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::http::{Client, initialize, post};
use crate::support::process::Standpipe;
use crate::support::refusal::{Refusal, check, send};
use crate::support::{in_time, together};

const JSON: &str = "application/json";
const BOTH: &str = "application/json, text/event-stream";
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

#[tokio::test]
async fn headers_that_do_not_fit() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let url = standpipe.url("/mcp");
    let http = reqwest::Client::new();
    let session = Client::connect(&url).await;
    let own = |method| session.builder(method);
    let typed = |accept: &'static str, kind: &'static str| {
        own(Method::POST).header(ACCEPT, accept).header(CONTENT_TYPE, kind).body(PING)
    };
    let any: &[i64] = &[-32600, -32011, -32012];
    let bare = |http: &reqwest::Client| post(http, &url).body(PING);
    let table: Vec<(&str, RequestBuilder, u16, &[&str])> = vec![
        ("wrong content type", typed(BOTH, "text/plain"), 415, &["content-type"]),
        ("nearly the content type", typed(BOTH, "application/jsonp"), 415, &["content-type"]),
        (
            "no content type",
            own(Method::POST).header(ACCEPT, BOTH).body(PING),
            415,
            &["content-type"],
        ),
        ("accepts JSON alone", typed(JSON, JSON), 406, &["accept"]),
        ("accepts streams alone", typed("text/event-stream", JSON), 406, &["accept"]),
        (
            "accepts no JSON",
            typed("application/json;q=0, text/event-stream", JSON),
            406,
            &["accept"],
        ),
        ("GET without a stream", own(Method::GET).header(ACCEPT, JSON), 406, &["accept"]),
        ("no session", bare(&http), 400, &["mcp-session-id"]),
        (
            "GET without session",
            http.get(&url)
                .header(ACCEPT, "text/event-stream")
                .header("mcp-protocol-version", "2025-11-25"),
            400,
            &["mcp-session-id"],
        ),
        (
            "DELETE without session",
            http.delete(&url).header("mcp-protocol-version", "2025-11-25"),
            400,
            &["mcp-session-id"],
        ),
        // Who names neither a session nor a revision that has them is told what there is for others.
        (
            "GET without anything",
            http.get(&url).header(ACCEPT, "text/event-stream"),
            405,
            &["post"],
        ),
        ("DELETE without anything", http.delete(&url), 405, &["post"]),
        ("unknown session", bare(&http).header("mcp-session-id", "nobody"), 404, &["session"]),
        (
            "GET of an unknown session",
            http.get(&url).header(ACCEPT, "text/event-stream").header("mcp-session-id", "nobody"),
            404,
            &["session"],
        ),
        (
            "DELETE of an unknown session",
            http.delete(&url).header("mcp-session-id", "nobody"),
            404,
            &["session"],
        ),
    ];
    for (what, builder, status, names) in table {
        check(what, send(builder).await, &Refusal { status, codes: any, names }).await;
    }
    for version in ["1999-01-01", "latest", "2025-11-25; q=1", ""] {
        let builder = post(&http, &url)
            .header("mcp-session-id", session.id())
            .header("mcp-protocol-version", version);
        let refusal = Refusal { status: 400, codes: any, names: &["mcp-protocol-version"] };
        check(version, send(builder.body(PING)).await, &refusal).await;
    }
    let builder = own(Method::PUT).header(CONTENT_TYPE, JSON).body(PING);
    let response = send(builder).await;
    assert_eq!(response.status(), 405);
    let allow =
        response.headers().get("allow").expect("405 names what is allowed").to_str().expect("text");
    for method in ["GET", "POST", "DELETE"] {
        assert!(allow.contains(method), "{allow:?} lacks {method}");
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(send(typed("*/*", kind)).await.status(), 200, "{kind}");
    }
    assert_eq!(session.request(2, "ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn strange_hosts_and_origins() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let port = standpipe.authority().rsplit_once(':').expect("an authority has a port").1;
    let http = reqwest::Client::new();
    let evil_hosts = [
        "evil.example.com",
        "localhost.evil.example.com",
        "127.0.0.1.evil.example.com",
        "192.168.0.1",
        "127.0.0.1@evil.example.com",
    ];
    let evil_origins = [
        "http://evil.example.com",
        "null",
        "https://localhost.evil.example.com",
        "http://evil.example.com:80",
        "file://",
    ];
    for path in ["/mcp", "/sse", "/message"] {
        let url = standpipe.url(path);
        for host in evil_hosts {
            let refusal = Refusal { status: 403, codes: &[], names: &["host"] };
            let builder =
                post(&http, &url).header(HOST, host).body(initialize(json!({})).to_string());
            check(host, send(builder).await, &refusal).await;
        }
        for origin in evil_origins {
            let refusal = Refusal { status: 403, codes: &[], names: &["origin"] };
            let builder =
                post(&http, &url).header(ORIGIN, origin).body(initialize(json!({})).to_string());
            check(origin, send(builder).await, &refusal).await;
            let builder = http.get(&url).header(ORIGIN, origin).header(ACCEPT, "text/event-stream");
            check(origin, send(builder).await, &refusal).await;
        }
    }
    for (host, origin) in [
        (format!("localhost:{port}"), format!("http://localhost:{port}")),
        (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}")),
        (format!("[::1]:{port}"), format!("http://[::1]:{port}")),
        (format!("LOCALHOST:{port}"), format!("http://localhost:{port}")),
    ] {
        let builder =
            post(&http, &standpipe.url("/mcp")).header(HOST, &host).header(ORIGIN, &origin);
        let response = send(builder.body(initialize(json!({})).to_string())).await;
        assert_eq!(response.status(), 200, "{host} {origin}");
    }
}

#[tokio::test]
async fn services_that_are_not_there() {
    let _turn = together().await;
    let fixture = standpipe_testkit::fixture_path();
    let standpipe = Standpipe::serve(
        &[],
        &json!({ "good": { "command": fixture }, "other": { "command": fixture } }),
    );
    let http = reqwest::Client::new();
    let hello = initialize(json!({})).to_string();
    let long = "x".repeat(2000);
    let odd = [
        "nope",
        "Good",
        "good%20",
        "%2e%2e%2fgood",
        "good%2f..%2fother",
        "%00",
        "good%0d%0aX-A:b",
        "..%5cgood",
        "-good",
        ".good",
        "g%C3%B6%C3%B6d",
        "%ff%fe",
        &long,
    ];
    for id in odd {
        for path in [
            format!("/servers/{id}/mcp"),
            format!("/mcp/stream/proxy/{id}"),
            format!("/servers/{id}/sse"),
        ] {
            let builder = if path.ends_with("/sse") {
                http.get(standpipe.url(&path)).header(ACCEPT, "text/event-stream")
            } else {
                post(&http, &standpipe.url(&path)).body(hello.clone())
            };
            let response = send(builder).await;
            let status = response.status().as_u16();
            let body = in_time("a body", response.text()).await.expect("a body");
            assert!(matches!(status, 400 | 404), "{path}: {status} {body}");
            assert!(!body.is_empty(), "{path}: a refusal says why");
        }
    }
    let refusal = Refusal { status: 404, codes: &[], names: &["nope"] };
    let response = send(post(&http, &standpipe.url("/servers/nope/mcp")).body(hello.clone())).await;
    check("unknown service", response, &refusal).await;
    // A session belongs to its service.
    let session = Client::connect(&standpipe.url("/servers/good/mcp")).await;
    let elsewhere =
        post(&http, &standpipe.url("/servers/other/mcp")).header("mcp-session-id", session.id());
    let refusal = Refusal { status: 404, codes: &[], names: &["session"] };
    check("a session of another service", send(elsewhere.body(PING)).await, &refusal).await;
    assert_eq!(session.request(1, "ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn configuration_in_headers_is_refused() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let http = reqwest::Client::new();
    for header in ["x-mcp-json", "x-mcp-type"] {
        let builder = post(&http, &standpipe.url("/mcp"))
            .header(header, "{}")
            .body(initialize(json!({})).to_string());
        check(header, send(builder).await, &Refusal { status: 403, codes: &[], names: &[header] })
            .await;
    }
}

#[tokio::test]
async fn a_session_ends_with_delete() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let session = Client::connect(&standpipe.url("/mcp")).await;
    let response = send(session.builder(Method::DELETE)).await;
    assert!(matches!(response.status().as_u16(), 200 | 204), "{}", response.status());
    let refusal = Refusal { status: 404, codes: &[-32011], names: &["session"] };
    check("after DELETE", session.post(PING).await, &refusal).await;
}
