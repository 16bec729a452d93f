//! While a shutdown waits for open calls the door stays open: for what those calls wait for, and to say
//! that nothing new is begun.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::http::{Client, post, request, text_of};
use crate::support::process::{Standpipe, binary, is_clean};
use crate::support::{GENEROUS, in_time, together};

#[tokio::test]
async fn an_open_call_gets_its_answer_while_new_ones_are_refused() {
    let _turn = together().await;
    let fixture = standpipe_testkit::fixture_path();
    let mut line = Command::new(binary());
    line.args(["run", "--listen", "127.0.0.1:0", "--"]).arg(fixture);
    line.env("STANDPIPE_SHUTDOWN_TIMEOUT", format!("{}s", GENEROUS.as_secs()));
    let mut standpipe = Standpipe::start(&mut line);
    let url = standpipe.url("/mcp");
    let client = Client::connect_with(&url, json!({ "elicitation": {} })).await;
    let ask = json!({ "name": "ask", "arguments": { "kind": "elicitation", "message": "who?" } });
    let mut answer = client.open(1, "tools/call", ask).await;
    let question = answer.next().await.expect("a question");
    assert_eq!(question["method"], "elicitation/create", "{question}");

    standpipe.signal(Signal::SIGTERM);
    // Each of these on a connection of its own.
    let status = async |path: &str| {
        let response = reqwest::get(standpipe.url(path)).await.expect("the server is there");
        (response.status().as_u16(), response.headers().contains_key("retry-after"))
    };
    in_time("the drain", async { while status("/readyz").await != (503, true) {} }).await;
    assert_eq!(status("/metrics").await.0, 200);
    assert_eq!(status("/sse").await, (503, true));
    let opening = post(&reqwest::Client::new(), &url)
        .body(crate::support::http::initialize(json!({})).to_string());
    let opening = opening.send().await.expect("the server is there");
    assert_eq!(opening.status(), 503);
    assert!(opening.headers().contains_key("retry-after"));
    let another = client.post(request(2, "tools/list", json!({})).to_string()).await;
    assert_eq!(another.status(), 503);
    assert!(another.headers().contains_key("retry-after"));

    let reply = json!({ "action": "accept", "content": { "username": "ada" } });
    let reply = json!({ "jsonrpc": "2.0", "id": question["id"], "result": reply });
    let taken = post(&reqwest::Client::new(), &url)
        .header("mcp-session-id", client.id())
        .body(reply.to_string());
    assert_eq!(taken.send().await.expect("the server is there").status(), 202);
    let answered = answer.next().await.expect("an answer");
    assert!(text_of(&answered).contains("ada"), "{answered}");
    assert!(is_clean(standpipe.wait()));
}
