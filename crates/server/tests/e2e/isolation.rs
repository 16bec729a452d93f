//! Clients of one shared child do not see each other: questions, logs, updates, cancellations, handshakes.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::http::{Answer, Client, text_of};
use crate::support::process::Standpipe;
use crate::support::{in_time, sse, together};

const WATCHED: &str = "test://watched-resource";

fn everything() -> Value {
    json!({ "sampling": {}, "elicitation": {}, "roots": { "listChanged": true } })
}

/// Calls `ask`, answers what is asked under the name of `person`, and returns the answer to the call.
async fn asked(client: &Client, person: &str, id: u64, kind: &str) -> Value {
    let params =
        json!({ "name": "ask", "arguments": { "kind": kind, "message": format!("for {person}") } });
    let mut answer = client.open(id, "tools/call", params).await;
    while let Some(message) = answer.next().await {
        if message.get("method").is_none() {
            return message;
        }
        assert!(
            message.to_string().contains(&format!("for {person}")),
            "{person} is asked {message}"
        );
        let reply = json!({ "action": "accept", "content": { "username": person } });
        client.respond(&message["id"], reply).await;
    }
    panic!("{person} has no answer");
}

/// Cold, nobody knows which tool asks: a question may be refused then, but it is never put to the wrong one.
#[tokio::test]
async fn a_question_is_never_put_to_somebody_else() {
    const PEOPLE: usize = 6;
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let mut clients = Vec::new();
    for _ in 0..PEOPLE {
        clients.push(Client::connect_with(&standpipe.url("/mcp"), everything()).await);
    }
    for round in 1..=3 {
        let mut calls = JoinSet::new();
        for (index, client) in clients.iter().cloned().enumerate() {
            calls.spawn(async move {
                let person = format!("person-{index}");
                (asked(&client, &person, round, "elicitation").await, person)
            });
        }
        for (answer, person) in calls.join_all().await {
            let text = text_of(&answer);
            let refused = answer["result"]["isError"] == json!(true);
            // The tool is known to ask after the first round.
            assert!(!refused || round == 1, "{person} is refused in round {round}: {text}");
            assert!(refused || text.contains(&format!("{person}\"")), "{person} reads {text}");
        }
    }
}

#[tokio::test]
async fn a_question_outside_any_call_goes_to_nobody() {
    let _turn = together().await;
    let fixture = standpipe_testkit::fixture_path();
    let fixture = fixture.to_str().expect("paths of builds are text");
    let standpipe = Standpipe::run(&[], &[fixture, "--roots-at-start"]);
    let client = Client::connect_with(&standpipe.url("/mcp"), everything()).await;
    let mut stream = client.listen().await;
    // What the child asked before it answers this is asked outside of any call.
    client.request(1, "ping", json!({})).await;
    in_time("the refusal", async {
        let declined = || client.tool(2, "late_replies", json!({}));
        while !declined().await.to_string().contains("-32601") {}
    })
    .await;
    // Whatever this brings up, the stream's first message is the announcement and no question.
    client.text(2, "emit_list_changed", json!({ "which": "tools" })).await;
    let event = in_time("the announcement", stream.next_message()).await;
    assert_eq!(event["method"], "notifications/tools/list_changed", "{event}");
}

#[tokio::test]
async fn changes_reach_everyone_once_and_updates_only_subscribers() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let url = standpipe.url("/mcp");
    let (subscriber, other) = (Client::connect(&url).await, Client::connect(&url).await);
    let mut old_style = sse::Client::connect(&standpipe.url(""), "/sse").await;
    let (mut to_subscriber, mut to_other) = (subscriber.listen().await, other.listen().await);
    let taken = subscriber.request(1, "resources/subscribe", json!({ "uri": WATCHED })).await;
    assert_eq!(taken["result"], json!({}));

    other.text(2, "touch_resource", json!({ "uri": WATCHED })).await;
    other.text(3, "emit_list_changed", json!({ "which": "prompts" })).await;
    let updated = to_subscriber.next_message().await;
    assert_eq!(updated["method"], "notifications/resources/updated");
    assert_eq!(updated["params"]["uri"], WATCHED);
    for changed in
        [to_subscriber.next_message().await, to_other.next_message().await, old_style.next().await]
    {
        assert_eq!(changed["method"], "notifications/prompts/list_changed", "{changed}");
    }

    // A second announcement follows the first one at once: nothing came twice in between.
    other.text(4, "emit_list_changed", json!({ "which": "tools" })).await;
    for changed in
        [to_subscriber.next_message().await, to_other.next_message().await, old_style.next().await]
    {
        assert_eq!(changed["method"], "notifications/tools/list_changed", "{changed}");
    }

    // The last one to unsubscribe ends it.
    let ended = subscriber.request(5, "resources/unsubscribe", json!({ "uri": WATCHED })).await;
    assert_eq!(ended["result"], json!({}));
    other.text(6, "touch_resource", json!({ "uri": WATCHED, "force": true })).await;
    other.text(7, "emit_list_changed", json!({ "which": "tools" })).await;
    let next = to_subscriber.next_message().await;
    assert_eq!(next["method"], "notifications/tools/list_changed", "{next}");
}

#[tokio::test]
async fn a_log_message_goes_to_the_only_caller_or_to_nobody() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let url = standpipe.url("/mcp");
    let (caller, other) = (Client::connect(&url).await, Client::connect(&url).await);
    let mut to_other = other.listen().await;
    for client in [&caller, &other] {
        let set = client.request(1, "logging/setLevel", json!({ "level": "debug" })).await;
        assert_eq!(set["result"], json!({}));
    }
    let log = json!({ "level": "info", "message": "only for the caller", "count": 3 });
    let params = json!({ "name": "log", "arguments": log });
    let heard = caller.open(2, "tools/call", params.clone()).await.all().await;
    assert_eq!(heard.len(), 4, "three messages and the answer: {heard:?}");

    // While two calls are open nobody can tell whose message it is.
    let waiting = tokio::spawn({
        let other = other.clone();
        async move {
            other
                .open(2, "tools/call", json!({ "name": "slow", "arguments": { "ms": 2000 } }))
                .await
                .all()
                .await
        }
    });
    until_open(&caller, 2).await;
    let heard = caller.open(4, "tools/call", params).await.all().await;
    assert_eq!(heard.len(), 1, "{heard:?}");
    let overheard = in_time("the other call", waiting).await.expect("it is answered");
    assert_eq!(overheard.len(), 1, "{overheard:?}");
    caller.text(5, "emit_list_changed", json!({ "which": "tools" })).await;
    let first = to_other.next_message().await;
    assert_eq!(first["method"], "notifications/tools/list_changed", "{first}");
}

/// Waits until the child has got a call of the tool `slow` beside those of `watcher`, which has made `own`.
async fn until_open(watcher: &Client, own: u64) {
    let mut made = own - 1;
    in_time("the call", async {
        loop {
            made += 1;
            let counters = watcher.tool(made, "counters", json!({})).await;
            if counters["result"]["structuredContent"]["tools/call"].as_u64() > Some(made) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_cancellation_reaches_the_own_call_alone() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let url = standpipe.url("/mcp");
    let (one, other) = (Client::connect(&url).await, Client::connect(&url).await);
    let slow =
        |label: &str| json!({ "name": "slow", "arguments": { "ms": 600_000, "label": label } });
    let mut calls = JoinSet::new();
    for (client, label) in [(&one, "one"), (&other, "other")] {
        let (client, params) = (client.clone(), slow(label));
        calls.spawn(async move { client.open(1, "tools/call", params).await.all().await });
    }
    let watcher = Client::connect(&url).await;
    until_received(&watcher, 2).await;
    one.notify("notifications/cancelled", json!({ "requestId": 1 })).await;
    until_cancelled(&watcher, &["one"]).await;

    // The session's end is the end of what it had open.
    let ended = other.builder(Method::DELETE).send().await.expect("the server is there");
    assert!(ended.status().is_success());
    until_cancelled(&watcher, &["one", "other"]).await;
    calls.abort_all();
}

#[tokio::test]
async fn a_lost_connection_cancels_only_where_it_is_the_session() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let url = standpipe.url("/mcp");
    let watcher = Client::connect(&url).await;
    let client = Client::connect(&url).await;
    let kept = json!({ "name": "slow", "arguments": { "ms": 4000, "label": "kept" } });
    let answer = client.open(1, "tools/call", kept).await;
    let Answer::Stream(mut stream) = answer else {
        panic!("a call of four seconds is answered on an event stream");
    };
    let primed = in_time("the first event", stream.next()).await.expect("a priming event");
    let last_event = primed.id.expect("the first event has an id to resume from");
    drop(stream);

    let old_style = sse::Client::connect(&standpipe.url(""), "/sse").await;
    let lost = json!({ "name": "slow", "arguments": { "ms": 600_000, "label": "lost" } });
    old_style.send(&crate::support::http::request(1, "tools/call", lost)).await;
    until_received(&watcher, 2).await;
    drop(old_style);
    until_cancelled(&watcher, &["lost"]).await;

    let mut resumed = client.resume(&last_event).await;
    let answer = in_time("the kept answer", resumed.next_message()).await;
    assert_eq!(answer["id"], 1);
    assert_eq!(text_of(&answer), "not cancelled");
}

async fn until_received(watcher: &Client, calls: u64) {
    let mut own = 0;
    in_time("the calls", async {
        loop {
            own += 1;
            let counters = watcher.tool(own, "counters", json!({})).await;
            if counters["result"]["structuredContent"]["tools/call"].as_u64() >= Some(calls + own) {
                return;
            }
        }
    })
    .await;
}

async fn until_cancelled(watcher: &Client, labels: &[&str]) {
    let wanted: BTreeSet<&str> = labels.iter().copied().collect();
    in_time("the cancellation", async {
        loop {
            let answer = watcher.tool(1, "cancelled_calls", json!({})).await;
            let got = answer["result"]["structuredContent"]["labels"].clone();
            let got = got.as_array().expect("a list of labels");
            let got: BTreeSet<&str> = got.iter().filter_map(Value::as_str).collect();
            assert!(got.is_subset(&wanted), "{got:?} were cancelled, {wanted:?} should be");
            if got == wanted {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_child_sees_one_client() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let url = standpipe.url("/mcp");
    let mut clients = Vec::new();
    for _ in 0..5 {
        let client = Client::connect_with(&url, everything()).await;
        client.notify("notifications/roots/list_changed", json!({})).await;
        clients.push(client);
    }
    sse::Client::connect(&standpipe.url(""), "/sse").await;
    let counters = clients[0].tool(1, "counters", json!({})).await;
    let received = &counters["result"]["structuredContent"];
    assert_eq!(received["initialize"], 1, "{received}");
    assert_eq!(received["notifications/initialized"], 1, "{received}");
    assert_eq!(received["notifications/roots/list_changed"], Value::Null, "{received}");
}

#[tokio::test]
async fn sessions_of_their_own_share_nothing() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&["--sharing", "session"]);
    let url = standpipe.url("/mcp");
    let (one, other) = (Client::connect(&url).await, Client::connect(&url).await);
    one.tool(1, "session_state", json!({ "set": "of the first" })).await;
    let state = other.tool(1, "session_state", json!({})).await;
    assert!(!state.to_string().contains("of the first"), "{state}");
    let state = one.tool(2, "session_state", json!({})).await;
    assert!(state.to_string().contains("of the first"), "{state}");
    let pids = [one.tool(3, "pid", json!({})).await, other.tool(3, "pid", json!({})).await];
    assert_ne!(pids[0]["result"], pids[1]["result"]);
}
