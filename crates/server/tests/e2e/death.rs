//! A child that dies while calls are open: nobody waits for it, and the next call works.

use crate::support::http::Client;
use crate::support::process::Standpipe;
use crate::support::{GENEROUS, eventually, in_time, sse, together};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Calls that are open when the child dies.
const WAITING: u64 = 8;

/// Waits until the child has read so many calls of the tool `slow`.
async fn until_waiting(url: &str, calls: u64) {
    let watcher = Client::connect(url).await;
    in_time("the calls to arrive", async {
        loop {
            let counters = watcher.tool(1, "counters", json!({})).await;
            let received = &counters["result"]["structuredContent"];
            // The watcher's own calls are counted too; they are answered before the next one.
            if received["tools/call"].as_u64() >= Some(calls + 1) {
                return;
            }
        }
    })
    .await;
}

fn check_error(answer: &Value, status: &str) {
    assert!(answer["error"]["code"].is_i64(), "{answer}");
    let message = answer["error"]["message"].as_str().expect("an error has a message");
    assert!(message.contains(status), "{message:?} does not say {status:?}");
}

async fn every_waiting_call_ends(crash: Value, says: &'static str) {
    let standpipe = Standpipe::fixture(&[]);
    let url = standpipe.url("/mcp");
    let mut waiting = JoinSet::new();
    let mut sessions = Vec::new();
    for id in 0..WAITING {
        let session = Client::connect(&url).await;
        sessions.push(session.clone());
        waiting.spawn(async move {
            // Some answers are still a plain body when the child dies, some are a stream already.
            session.tool(id, "slow", json!({ "ms": 600_000 })).await
        });
    }
    let mut old_style = sse::Client::connect(&standpipe.url(""), "/sse").await;
    old_style
        .send(&crate::support::http::request(
            77,
            "tools/call",
            json!({ "name": "slow", "arguments": { "ms": 600_000 } }),
        ))
        .await;
    until_waiting(&url, WAITING + 1).await;

    let killer = Client::connect(&url).await;
    check_error(&killer.tool(1, "crash", crash).await, says);
    for answer in in_time("every waiting call", waiting.join_all()).await {
        check_error(&answer, says);
    }
    let answer = old_style.next().await;
    assert_eq!(answer["id"], 77);
    check_error(&answer, says);

    // The child was shared, so the sessions live on, and the next call brings up a new child.
    let text = sessions[0].text(2, "echo", json!({ "a": 1 })).await;
    assert_eq!(text, r#"{"a":1}"#);
    let answer = old_style.request(78, "tools/call", json!({ "name": "echo" })).await;
    assert!(answer["result"].is_object(), "{answer}");
}

#[tokio::test]
async fn an_exit_ends_every_waiting_call() {
    let _turn = together().await;
    every_waiting_call_ends(json!({ "code": 3 }), "3").await;
}

#[tokio::test]
async fn a_signal_ends_every_waiting_call() {
    let _turn = together().await;
    every_waiting_call_ends(json!({ "signal": 9 }), "9").await;
}

#[tokio::test]
async fn the_death_of_a_sessions_own_child_ends_that_session_alone() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&["--sharing", "session"]);
    let url = standpipe.url("/mcp");
    let doomed = Client::connect(&url).await;
    let other = Client::connect(&url).await;
    let pid = other.tool(1, "pid", json!({})).await;
    check_error(&doomed.tool(1, "crash", json!({ "code": 3 })).await, "3");

    let request = crate::support::http::request(2, "ping", json!({})).to_string();
    let gone = doomed.clone();
    in_time("the end of the session", async move {
        while gone.post(request.clone()).await.status() != 404 {}
    })
    .await;
    assert_eq!(other.tool(2, "pid", json!({})).await["result"], pid["result"]);
    assert_eq!(Client::connect(&url).await.text(1, "echo", json!({})).await, "{}");
}

#[tokio::test]
async fn a_grandchild_does_not_outlive_a_crash() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let session = Client::connect(&standpipe.url("/mcp")).await;
    let stubborn = json!({ "setsid": true, "ignore_term": true, "hold_stdout": true });
    let answer = session.tool(1, "spawn_grandchild", stubborn).await;
    let pid = answer["result"]["structuredContent"]["pid"].as_i64().expect("its process id");
    let pid = i32::try_from(pid).expect("process ids are small");
    assert!(standpipe_testkit::is_alive(pid));
    check_error(&session.tool(2, "crash", json!({ "signal": 6 })).await, "6");
    eventually("the grandchild's end", GENEROUS, move || !standpipe_testkit::is_alive(pid)).await;
}
