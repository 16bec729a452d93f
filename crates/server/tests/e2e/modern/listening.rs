//! `subscriptions/listen`, also across the end of a child.

use serde_json::{Value, json};

use super::client::Modern;
use crate::support::http::Answer;
use crate::support::process::Standpipe;
use crate::support::{in_time, together};

const WATCHED: &str = "test://watched-resource";

fn filter() -> Value {
    json!({ "notifications": {
        "toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": [WATCHED],
    } })
}

async fn next(stream: &mut Answer, id: &Value) -> Value {
    let message = in_time("a notification", stream.next()).await.expect("the stream is open");
    let tag = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    assert_eq!(tag, id, "{message}");
    message
}

#[tokio::test]
async fn a_listening_stream_keeps_its_promises_across_a_restart() {
    let _turn = together().await;
    for era in ["legacy", "modern"] {
        let fixture = standpipe_testkit::fixture_path();
        let fixture = fixture.to_str().expect("paths of builds are text");
        let standpipe = Standpipe::run(&[], &[fixture, "--era", era]);
        let client = Modern::new(&standpipe);
        let id = json!("listener");
        let mut stream = client.open(id.clone(), "subscriptions/listen", filter()).await;
        let acknowledged = next(&mut stream, &id).await;
        assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{era}");
        let granted = &acknowledged["params"]["notifications"];
        assert_eq!(granted["toolsListChanged"], true, "{era}: {granted}");
        assert_eq!(granted["resourceSubscriptions"], json!([WATCHED]), "{era}: {granted}");

        client.tool("test_trigger_tool_change", json!({})).await;
        let changed = next(&mut stream, &id).await;
        assert_eq!(changed["method"], "notifications/tools/list_changed", "{era}");
        let touched = client.tool("touch_resource", json!({ "uri": WATCHED })).await;
        assert_eq!(super::client::text(&touched), "subscribed", "{era}");
        let updated = next(&mut stream, &id).await;
        assert_eq!(updated["method"], "notifications/resources/updated", "{era}");
        assert_eq!(updated["params"]["uri"], WATCHED, "{era}");

        let crash = json!({ "name": "crash", "arguments": { "code": 3 } });
        client.answer(1, "tools/call", crash).await;
        // The next child may offer something else.
        let mut after: Vec<String> = Vec::new();
        while !after.iter().any(|method| method.ends_with("tools/list_changed")) {
            let message = next(&mut stream, &id).await;
            after.push(message["method"].as_str().expect("a notification").to_owned());
        }
        assert!(!after.iter().any(|m| m.ends_with("acknowledged")), "{era}: {after:?}");
        in_time("the subscription", async {
            loop {
                let params = json!({ "name": "touch_resource", "arguments": { "uri": WATCHED } });
                let (_, answer) = client.answer(2, "tools/call", params).await;
                if answer["result"]["content"][0]["text"] == "subscribed" {
                    return;
                }
            }
        })
        .await;
        loop {
            let message = next(&mut stream, &id).await;
            if message["method"] == "notifications/resources/updated" {
                break;
            }
        }

        let mut standpipe = standpipe;
        standpipe.signal(nix::sys::signal::Signal::SIGTERM);
        let mut last = None;
        while let Some(message) = in_time("the end", stream.next()).await {
            last = Some(message);
        }
        let last = last.expect("an end is told");
        assert_eq!(last["id"], id, "{era}: {last}");
        assert_eq!(last["result"]["resultType"], "complete", "{era}: {last}");
        standpipe.wait();
    }
}
