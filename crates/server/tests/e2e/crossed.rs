//! Many clients on one child, all with the same ids and the same progress tokens: each gets its own.
//!
//! The calls wait for different short times, so that answers overtake each other. An answer names the
//! client and the call it belongs to; progress names its client by the number of its steps.

use std::collections::HashSet;

use crate::support::http::text_of;
use crate::support::process::Standpipe;
use crate::support::{http, in_time, sse, together};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Clients at the same time.
const CLIENTS: u64 = 32;

/// Calls of all clients together.
const CALLS: u64 = 20_000;

/// Calls of each client over HTTP+SSE.
const CALLS_EACH: u64 = 100;

/// Calls of one client that are open at the same time.
const OPEN: u64 = 4;

/// One call in so many reports progress.
const PROGRESS_EVERY: u64 = 25;

/// One child is at work on so many calls at most: it has a thread for each.
const LONGEST_DELAY_MS: u64 = 8;

/// The call with this number of this client.
fn call(client: u64, number: u64) -> (String, Value) {
    let token = json!({ "progressToken": number });
    if number.is_multiple_of(PROGRESS_EVERY) {
        // Nobody else's call has so many steps.
        let arguments = json!({ "steps": client + 1 });
        return (
            format!("{} steps", client + 1),
            json!({ "name": "progress", "arguments": arguments, "_meta": token }),
        );
    }
    let text = format!("client {client} call {number}");
    // Scattered, and the same in every run.
    let wait = (client * 7919 + number * 104_729) % LONGEST_DELAY_MS;
    (
        text.clone(),
        json!({ "name": "delay", "arguments": { "ms": wait, "text": text }, "_meta": token }),
    )
}

/// Checks a progress notification against the call it came with.
fn check_progress(client: u64, number: u64, message: &Value) {
    assert_eq!(message["method"], "notifications/progress", "{message}");
    assert_eq!(message["params"]["progressToken"], number, "{message}");
    assert_eq!(message["params"]["total"], client + 1, "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streamable_http_crosses_and_loses_nothing() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let mut lanes = JoinSet::new();
    for client in 0..CLIENTS {
        let session = http::Client::connect(&standpipe.url("/mcp")).await;
        for lane in 0..OPEN {
            let session = session.clone();
            lanes.spawn(async move {
                let calls = CALLS / CLIENTS;
                let own = (1..=calls).filter(|number| number % OPEN == lane);
                let mut answered = 0;
                for number in own {
                    one_call(&session, client, number).await;
                    answered += 1;
                }
                answered
            });
        }
    }
    let answered: u64 = lanes.join_all().await.into_iter().sum();
    assert_eq!(answered, CALLS);
}

async fn one_call(session: &http::Client, client: u64, number: u64) {
    let (expected, params) = call(client, number);
    let mut messages = session.open(number, "tools/call", params).await.all().await;
    let answer = messages.pop().expect("an answer");
    assert_eq!(answer["id"], number, "{answer}");
    assert_eq!(text_of(&answer), expected, "crossed: client {client}, call {number}");
    for message in &messages {
        check_progress(client, number, message);
    }
    let steps = messages.len() as u64;
    let wanted = if number.is_multiple_of(PROGRESS_EVERY) { client + 1 } else { 0 };
    assert_eq!(steps, wanted, "progress of client {client}, call {number}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_sse_crosses_and_loses_nothing() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let mut session = sse::Client::connect(&standpipe.url(""), "/sse").await;
        let poster = session.poster();
        clients.spawn(async move {
            let sending = tokio::spawn(async move {
                for number in 1..=CALLS_EACH {
                    let (_, params) = call(client, number);
                    poster.send(&http::request(number, "tools/call", params)).await;
                }
            });
            let mut open: HashSet<u64> = (1..=CALLS_EACH).collect();
            while !open.is_empty() {
                let message = session.next().await;
                if message.get("method").is_some() {
                    let token =
                        message["params"]["progressToken"].as_u64().expect("a token of ours");
                    assert!(open.contains(&token), "progress after the answer: {message}");
                    check_progress(client, token, &message);
                    continue;
                }
                let number = message["id"].as_u64().expect("an id of ours");
                assert!(open.remove(&number), "answered twice: {message}");
                assert_eq!(text_of(&message), call(client, number).0);
            }
            in_time("the last POST", sending).await.expect("every POST is taken");
        });
    }
    clients.join_all().await;
}

#[tokio::test]
async fn equal_looking_ids_are_kept_apart() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let session = http::Client::connect(&standpipe.url("/mcp")).await;
    let ids = ["1", "\"1\"", "1.0", "\"\\u0031\"", "-0", "1e0", "\"\"", "9007199254740993"];
    let mut calls = JoinSet::new();
    for (index, id) in ids.into_iter().enumerate() {
        let session = session.clone();
        calls.spawn(async move {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"delay","arguments":{{"ms":300,"text":"call {index}"}}}}}}"#
            );
            let answer = session.post(body).await.text().await.expect("a body");
            // The id comes back byte for byte, so the text is looked at, not its meaning.
            assert!(answer.contains(&format!("\"id\":{id}")), "{id} is not in {answer}");
            assert!(answer.contains(&format!("call {index}")), "{id} got {answer}");
        });
    }
    calls.join_all().await;
}
