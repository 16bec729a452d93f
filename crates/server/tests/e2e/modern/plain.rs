//! Requests that ask nothing, of children of either era.

use serde_json::{Value, json};

use super::client::{Modern, text};
use crate::support::process::Standpipe;
use crate::support::{in_time, together};

fn before(era: &str) -> Standpipe {
    let fixture = standpipe_testkit::fixture_path();
    let fixture = fixture.to_str().expect("paths of builds are text");
    Standpipe::run(&[], &[fixture, "--era", era])
}

#[tokio::test]
async fn a_modern_client_before_a_child_of_either_era() {
    let _turn = together().await;
    for era in ["legacy", "modern", "either"] {
        let standpipe = before(era);
        let client = Modern::new(&standpipe);
        let discovered = client.result("server/discover", json!({})).await;
        assert_eq!(discovered["resultType"], "complete", "{era}: {discovered}");
        assert_eq!(discovered["supportedVersions"], json!(["2026-07-28"]), "{era}");
        assert!(discovered["capabilities"]["tools"].is_object(), "{era}: {discovered}");
        for (method, params) in [
            ("tools/list", json!({})),
            ("prompts/list", json!({})),
            ("resources/list", json!({})),
            ("resources/templates/list", json!({})),
            ("resources/read", json!({ "uri": "test://static-text" })),
        ] {
            let result = client.result(method, params).await;
            assert_eq!(result["resultType"], "complete", "{era} {method}: {result}");
            assert!(result["ttlMs"].is_u64(), "{era} {method}: {result}");
            assert!(result["cacheScope"].is_string(), "{era} {method}: {result}");
        }
        let echoed = client.tool("echo", json!({ "a": "b" })).await;
        assert_eq!(text(&echoed), r#"{"a":"b"}"#, "{era}");
        assert_eq!(echoed["resultType"], "complete", "{era}");
        let (status, unknown) =
            client.answer("x", "resources/read", json!({ "uri": "test://nothing" })).await;
        assert_eq!((status, &unknown["error"]["code"]), (200, &json!(-32602)), "{era}: {unknown}");
        for method in ["ping", "initialize", "logging/setLevel", "x/unknown"] {
            let (status, refused) = client.answer(7, method, json!({})).await;
            assert_eq!(
                (status, &refused["error"]["code"]),
                (404, &json!(-32601)),
                "{era}: {refused}"
            );
        }
    }
}

#[tokio::test]
async fn arguments_that_headers_repeat() {
    let _turn = together().await;
    for era in ["legacy", "modern"] {
        let standpipe = before(era);
        let client = Modern::new(&standpipe);
        let arguments = json!({ "region": "zürich", "where": { "zone": "a" }, "priority": 5 });
        let call = || {
            let params = json!({ "name": "echo_headers", "arguments": arguments });
            client.builder(1, "tools/call", params)
        };
        let right = call()
            .header("mcp-param-region", "=?base64?esO8cmljaA==?=")
            .header("mcp-param-zone", "a")
            .header("Mcp-Param-Priority", "5.0");
        let response = in_time("an answer", right.send()).await.expect("the server is there");
        assert_eq!(response.status(), 200, "{era}");
        let missing = call().header("mcp-param-region", "=?base64?esO8cmljaA==?=");
        let response = in_time("an answer", missing.send()).await.expect("the server is there");
        assert_eq!(response.status(), 400, "{era}");
        let answer: Value = response.json().await.expect("JSON");
        assert_eq!(answer["error"]["code"], -32020, "{era}: {answer}");
    }
}

#[tokio::test]
async fn progress_and_logs_come_before_the_answer() {
    let _turn = together().await;
    for era in ["legacy", "modern"] {
        let standpipe = before(era);
        let client = Modern::new(&standpipe);
        let call = |name: &str| json!({ "name": name, "arguments": {} });
        let wanting = client.with("progressToken", "mine");
        let stream = wanting.open(1, "tools/call", call("test_tool_with_progress")).await;
        let messages = stream.all().await;
        let (answer, progress) = messages.split_last().expect("an answer");
        assert_eq!(answer["id"], 1);
        assert_eq!(progress.len(), 3, "{era}: {messages:?}");
        for message in progress {
            assert_eq!(message["method"], "notifications/progress", "{era}");
            assert_eq!(message["params"]["progressToken"], "mine", "{era}");
        }
        let logged = |level: Option<&'static str>| {
            let client = level.map_or(client.clone(), |level| client.logging(level));
            async move {
                let stream = client.open(2, "tools/call", call("test_tool_with_logging")).await;
                let messages = stream.all().await;
                messages.len() - 1
            }
        };
        assert_eq!(logged(None).await, 0, "{era}");
        assert_eq!(logged(Some("info")).await, 3, "{era}");
        assert_eq!(logged(Some("error")).await, 0, "{era}");
        // A server that logs although nobody has asked for it is not heard.
        let unasked = client.open(3, "tools/call", call("test_logging_tool")).await.all().await;
        assert_eq!(unasked.len(), 1, "{era}: {unasked:?}");
    }
}

#[tokio::test]
async fn going_away_cancels() {
    let _turn = together().await;
    for era in ["legacy", "modern"] {
        let standpipe = before(era);
        let client = Modern::new(&standpipe);
        client.tool("echo", json!({})).await;
        let arguments = json!({ "ms": 3_600_000, "label": "abandoned" });
        let call =
            client.builder(1, "tools/call", json!({ "name": "slow", "arguments": arguments }));
        // Long enough for the stream to be there; that it came is seen by its response.
        let response = in_time("the stream", call.send()).await.expect("the server is there");
        assert_eq!(response.headers()["content-type"], "text/event-stream", "{era}");
        drop(response);
        let heard = in_time("the cancellation", async {
            loop {
                let cancelled = client.tool("cancelled_calls", json!({})).await;
                if cancelled["structuredContent"]["labels"] == json!(["abandoned"]) {
                    return true;
                }
            }
        });
        assert!(heard.await, "{era}");
    }
}

#[tokio::test]
async fn a_dead_child_is_told_of_and_started_again() {
    let _turn = together().await;
    let standpipe = before("legacy");
    let client = Modern::new(&standpipe);
    client.tool("echo", json!({})).await;
    let crash = json!({ "name": "crash", "arguments": { "code": 3 } });
    let (_, answer) = client.answer(1, "tools/call", crash).await;
    assert_eq!(answer["error"]["code"], -32000, "{answer}");
    in_time("the next child", async {
        while client.answer(2, "tools/list", json!({})).await.0 != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
