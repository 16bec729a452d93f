//! Paths, without a network and without a child.

use axum::body::{Body, to_bytes};
use http::Request;
use serde_json::Value;
use standpipe_core::service::{ServiceId, ServiceSpec};
use standpipe_metrics::Metrics;
use standpipe_process::Registry;
use standpipe_process::watchdog::WatchdogLink;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::{Layers, load};

/// An app with these services, none of which is ever started.
fn app(services: &[&str]) -> Arc<App> {
    let metrics = Metrics::new("0");
    let run = WatchdogLink::unwatched().run();
    let registry = Registry::new(run, Arc::clone(&metrics), Handle::current());
    for id in services {
        registry.ensure(ServiceSpec::new(ServiceId::new(id).unwrap(), "/no/such/command"));
    }
    let settings = load(&Layers::default()).unwrap();
    App::new(&settings, registry, metrics, &CancellationToken::new(), Vec::new())
}

async fn send(app: &Arc<App>, method: &str, path: &str, body: &'static str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Body::from(body))
        .unwrap();
    let response = Routes::services(app, true, None).serve(request).await;
    assert!(response.headers().contains_key("x-request-id"));
    let status = response.status().as_u16();
    let body = to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

const PING: &str = r#"{"jsonrpc":"2.0","id":"seven","method":"ping"}"#;

#[tokio::test]
async fn paths_lead_to_services_or_say_why_not() {
    let one = app(&["a"]);
    let two = app(&["a", "b"]);
    let cases = [
        // A ping without a session is the transport's to refuse: the path was right.
        (&one, "/mcp", 400, "Mcp-Session-Id"),
        (&one, "/servers/a/mcp", 400, "Mcp-Session-Id"),
        (&one, "/mcp/stream/proxy/a", 400, "Mcp-Session-Id"),
        (&one, "/message", 400, "session"),
        (&one, "/servers/a/message", 400, "session"),
        (&one, "/mcp/sse/proxy/a/message", 400, "session"),
        (&two, "/mcp", 404, "exactly one service"),
        (&two, "/message", 404, "exactly one service"),
        (&two, "/servers/c/mcp", 404, "there is no service `c`"),
        (&two, "/servers/A/mcp", 404, "there is no service `A`"),
        (&two, "/servers/%2e%2e/mcp", 400, "must not start with '.'"),
        (&two, "/servers/a%2Fb/mcp", 400, "'/' at position 2"),
        (&two, "/servers/%00/mcp", 400, "'\\0' at position 1"),
        (&two, "/servers/%ff/mcp", 400, "not valid UTF-8"),
        (&two, "/servers/a", 404, "nothing at this path"),
        (&two, "/servers//mcp", 400, "it is empty"),
        (&two, "/", 404, "nothing at this path"),
    ];
    for (app, path, status, part) in cases {
        let (found, body) = send(app, "POST", path, PING).await;
        let message = body["error"]["message"].as_str().unwrap_or_else(|| panic!("{path}: {body}"));
        assert_eq!(found, status, "{path}: {message}");
        assert!(message.to_lowercase().contains(&part.to_lowercase()), "{path}: {message}");
        assert_eq!(body["id"], "seven", "{path}");
    }
}

#[tokio::test]
async fn a_caller_without_a_usable_id_gets_null() {
    let app = app(&[]);
    for body in ["", "{", "[]", r#"{"id":null}"#, r#"{"id":{}}"#, r#"{"method":"x"}"#] {
        let (status, answer) = send(&app, "POST", "/servers/x/mcp", body).await;
        assert_eq!((status, &answer["id"]), (404, &Value::Null), "{body}");
    }
    let (_, answer) = send(&app, "POST", "/servers/x/mcp", r#"{"id": 1.0}"#).await;
    assert_eq!(answer["id"].to_string(), "1.0");
}

#[tokio::test]
async fn operators_are_answered() {
    let app = app(&["a"]);
    assert_eq!(send(&app, "GET", "/healthz", "").await.0, 200);
    let (status, ready) = send(&app, "GET", "/readyz", "").await;
    assert_eq!((status, &ready["status"]), (200, &Value::from("ready")));
    assert_eq!(ready["services"]["a"]["state"], "pending");
    assert_eq!(send(&app, "GET", "/metrics", "").await.0, 200);
    assert_eq!(send(&app, "POST", "/metrics", "").await.0, 405);
    app.begin_draining();
    let (status, ready) = send(&app, "GET", "/readyz", "").await;
    assert_eq!((status, &ready["status"]), (503, &Value::from("draining")));
    let (status, answer) = send(&app, "POST", "/mcp", PING).await;
    assert_eq!((status, &answer["id"]), (503, &Value::from("seven")));
    assert_eq!(send(&app, "GET", "/healthz", "").await.0, 200, "alive to the end");
}

#[tokio::test]
async fn operators_may_have_an_address_of_their_own() {
    let app = app(&["a"]);
    let ask = async |routes: Routes, host: &str, path: &str| {
        let request =
            Request::builder().uri(path).header("host", host).body(Body::empty()).unwrap();
        routes.serve(request).await.status().as_u16()
    };
    let local = || Routes::ops(&app, "127.0.0.1:1".parse().unwrap());
    let public = || Routes::ops(&app, "0.0.0.0:1".parse().unwrap());
    assert_eq!(ask(local(), "localhost", "/metrics").await, 200);
    assert_eq!(ask(local(), "localhost", "/mcp").await, 404);
    assert_eq!(ask(local(), "scraper.example", "/metrics").await, 403);
    assert_eq!(ask(public(), "scraper.example", "/metrics").await, 200);
    let services = Routes::services(&app, false, None);
    assert_eq!(ask(services, "localhost", "/metrics").await, 404);
}

#[tokio::test]
async fn refusals_are_counted() {
    let app = app(&[]);
    send(&app, "POST", "/servers/x/mcp", "").await;
    let text = app.metrics.render();
    assert!(text.contains("standpipe_http_refusals_total{reason=\"unknown_service\"} 1"), "{text}");
}
