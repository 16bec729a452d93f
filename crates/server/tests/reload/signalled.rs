//! SIGHUP: what has changed is done, and nothing else.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use standpipe_testkit::is_alive;

use crate::household::{Household, fixture, pid, until_dead, until_over};
use crate::support::process::send;
use crate::support::{sse, until};

/// Long enough to be under way while the configuration is read.
const A_WHILE: u64 = 3000;

fn plain() -> Value {
    fixture(&json!({}))
}

fn described_as(version: &str) -> Value {
    fixture(&json!({ "env": { "VERSION": version } }))
}

#[tokio::test]
async fn services_appear_change_and_go_and_the_others_stay() {
    let home = Household::serve(
        &[],
        &json!({ "kept": plain(), "changed": described_as("1"), "gone": plain() }),
    );
    let (outer, inner) = (home.standpipe.outer(), home.standpipe.inner());
    let kept = home.connect("kept").await;
    let kept_pid = pid(&kept).await;
    let mut kept_events = sse::Client::connect(&home.standpipe.url(""), "/servers/kept/sse").await;
    let changed = home.connect("changed").await;
    let changed_pid = pid(&changed).await;
    let gone = home.connect("gone").await;
    let gone_pid = pid(&gone).await;
    assert_eq!(home.refusal("new").await, 404);

    let delay = json!({ "name": "delay", "arguments": { "ms": A_WHILE, "text": "done" } });
    let open_changed = changed.open(7, "tools/call", delay.clone());
    let open_gone = gone.open(8, "tools/call", delay);
    let calls = async { tokio::join!(open_changed, open_gone) };
    let reload = async {
        for service in ["changed", "gone"] {
            until("the call is open", async || home.status(service).await["calls_in_flight"] == 1)
                .await;
        }
        home.describe(
            &json!({ "kept": plain(), "changed": described_as("2"), "new": described_as("3") }),
        );
        home.reload("applied").await;
        // The successor does not wait for the calls of its predecessor.
        let successor = home.connect("changed").await;
        assert_eq!(successor.text(1, "env", json!({ "name": "VERSION" })).await, "2");
        assert_ne!(pid(&successor).await, changed_pid);
        until_over(&changed).await;
        assert_eq!(home.refusal("gone").await, 404);
        assert!(home.status("gone").await.is_null(), "it is not shown any more");
    };
    let ((answer_changed, answer_gone), ()) = tokio::join!(calls, reload);
    for (id, answer) in [(7, answer_changed), (8, answer_gone)] {
        let answer = answer.last().await;
        assert_eq!(answer["id"], id);
        assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
    }
    until_dead(changed_pid).await;
    until_dead(gone_pid).await;

    assert_eq!(pid(&kept).await, kept_pid, "who is described as before keeps its process");
    let echoed = kept_events.request(3, "tools/call", json!({ "name": "echo" })).await;
    assert!(echoed["result"].is_object(), "{echoed}");
    let new = home.connect("new").await;
    assert_eq!(new.text(1, "env", json!({ "name": "VERSION" })).await, "3");
    assert_eq!((home.standpipe.outer(), home.standpipe.inner()), (outer, inner));

    // And once more, with nothing to do.
    home.reload("unchanged").await;
    assert_eq!(pid(&kept).await, kept_pid);
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let home = Household::serve(&[], &json!({ "kept": plain(), "other": plain() }));
    let kept = home.connect("kept").await;
    let process = pid(&kept).await;
    let cases = [
        ("{ \"mcpServers\": {\n \"new\": { \"comand\": \"x\" } } }", "servers.json:2"),
        ("{ \"mcpServers\": {\n \"new\": { \"comand\": \"x\" } } }", "did you mean `command`?"),
        ("{ \"mcpServers\": {", "servers.json: not valid JSON"),
        (
            "{ \"mcpServers\": { \"new\": { \"command\": \"x\", \"cwd\": \"${file:/no/such}\" } } }",
            "`${file:/no/such}`",
        ),
    ];
    for (text, words) in cases {
        home.scribble(text);
        home.reload("rejected").await;
        home.until_logged(words).await;
        assert_eq!(pid(&kept).await, process, "{text}");
        assert!(home.status("other").await.is_object(), "{text}");
        assert_eq!(home.refusal("new").await, 404, "{text}");
    }
    std::fs::remove_file(home.folder.path().join("servers.json")).unwrap();
    home.reload("rejected").await;
    home.until_logged("cannot read the configuration file").await;
    assert_eq!(pid(&kept).await, process);

    // A good one is taken after all of these.
    home.describe(&json!({ "kept": plain(), "new": plain() }));
    home.reload("applied").await;
    assert_eq!(pid(&kept).await, process);
    home.connect("new").await;
    assert_eq!(home.refusal("other").await, 404);
    assert_eq!(home.reloads("rejected").await, 5);
}

#[tokio::test]
async fn sessions_with_a_process_each_end_one_by_one() {
    let entry = |version| fixture(&json!({ "sharing": "session", "env": { "VERSION": version } }));
    let home = Household::serve(&[], &json!({ "own": entry("1") }));
    let idle = home.connect("own").await;
    let busy = home.connect("own").await;
    let (idle_pid, busy_pid) = (pid(&idle).await, pid(&busy).await);
    assert_ne!(idle_pid, busy_pid);
    let url = home.standpipe.url("");
    let mut events = sse::Client::connect(&url, "/servers/own/sse").await;
    let answer = events.request(1, "tools/call", json!({ "name": "pid" })).await;
    let events_pid = answer["result"]["structuredContent"]["pid"].as_i64().unwrap();

    let slow = json!({ "name": "slow", "arguments": { "ms": 600_000 } });
    let reload = async {
        until("the call is open", async || home.status("own").await["calls_in_flight"] == 1).await;
        home.describe(&json!({ "own": entry("2") }));
        home.reload("applied").await;
        // They do not wait for somebody else's call.
        until_over(&idle).await;
        until_dead(idle_pid).await;
        until("the end of the event stream", async || {
            let ping = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" });
            events.poster().post(ping.to_string()).await.status() == 404
        })
        .await;
        until_dead(i32::try_from(events_pid).unwrap()).await;
        let successor = home.connect("own").await;
        assert_eq!(successor.text(1, "env", json!({ "name": "VERSION" })).await, "2");
        assert!(is_alive(busy_pid), "its call is open");
        busy.notify("notifications/cancelled", json!({ "requestId": 7 })).await;
        until_dead(busy_pid).await;
        until_over(&busy).await;
    };
    tokio::join!(busy.open(7, "tools/call", slow), reload);
}

#[tokio::test]
async fn settings_that_take_a_restart_are_named() {
    let home = Household::serve(&["--max-message-bytes", "1MiB"], &json!({ "kept": plain() }));
    let kept = home.connect("kept").await;
    let process = pid(&kept).await;
    let fixture = standpipe_testkit::fixture_path();
    let text = json!({
        // A flag says otherwise, as it did from the start.
        "listen": "127.0.0.1:1",
        "max_message_bytes": "2MiB",
        "max_connections": 77,
        "ops": { "listen": "127.0.0.1:2" },
        "mcpServers": { "kept": { "command": fixture } },
    });
    home.scribble(&text.to_string());
    home.reload("unchanged").await;
    for key in ["max_connections", "ops.listen"] {
        home.until_logged(&format!("\"key\":\"{key}\"")).await;
    }
    let log = home.standpipe.log();
    assert!(!log.contains("\"key\":\"listen\""), "{log}");
    assert_eq!(pid(&kept).await, process);
    // What a service takes from the top level is its own description.
    home.scribble(
        &json!({
            "question_timeout": "77s",
            "mcpServers": { "kept": { "command": fixture } },
        })
        .to_string(),
    );
    home.reload("applied").await;
    until_dead(process).await;
}

#[tokio::test]
async fn many_requests_are_few_reloads_and_the_last_one_counts() {
    let home = Household::serve(&[], &json!({ "a": plain() }));
    for count in 0..20 {
        home.describe(&json!({ "a": plain(), format!("b{count}"): plain() }));
        // To either process, and as a service manager may do it, to both.
        home.hang_up();
        send(home.standpipe.inner(), Signal::SIGHUP);
    }
    until("the last one", async || home.status("b19").await.is_object()).await;
    assert!(home.status("b0").await.is_null());
    let reloads = home.reloads("applied").await + home.reloads("unchanged").await;
    assert!(reloads < 40, "{reloads} reloads");
    assert!(is_alive(home.standpipe.outer()) && is_alive(home.standpipe.inner()));
}
