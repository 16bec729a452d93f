//! The control calls of `mcp-stdio-proxy`, by its own field names.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::household::{Household, Reply, fixture, hopeless};
use crate::support::http::Client;
use crate::support::until;

fn household() -> Household {
    Household::serve(&json!({}), &json!({ "compat": { "origin_api": true } }))
}

/// A configuration as its callers send it: JSON in a string.
fn config(entry: &Value) -> String {
    json!({ "mcpServers": { "whatever": entry } }).to_string()
}

impl Household {
    async fn send(&self, path: &str, body: &Value) -> Reply {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/json");
        Reply::of(request.body(body.to_string())).await
    }
}

/// The data of an answer that says that all went well.
fn data(reply: &Reply) -> Value {
    let envelope = reply.json();
    assert_eq!(reply.status, 200, "{envelope}");
    assert_eq!((&envelope["code"], &envelope["success"]), (&json!("0000"), &json!(true)));
    assert!(envelope["message"].is_string() && envelope.get("tid").is_some(), "{envelope}");
    envelope["data"].clone()
}

/// The data of one that says that it did not.
fn failure(reply: &Reply, status: u16) -> Value {
    let envelope = reply.json();
    assert_eq!(reply.status, status, "{envelope}");
    assert_eq!(reply.content_type(), "application/json");
    assert_eq!(envelope["success"], false);
    assert_ne!(envelope["code"], "0000");
    assert!(!envelope["message"].as_str().expect("it is text").is_empty());
    envelope["data"].clone()
}

#[tokio::test]
async fn a_service_is_added_under_a_name_that_is_made_up() {
    let household = household();
    let entry = config(&fixture(&json!({})));
    let body = json!({ "mcp_json_config": entry, "mcp_type": "Persistent" });
    let added = data(&household.send("/mcp/stream/add", &body).await);
    assert_eq!(added["mcp_type"], "Persistent");
    let id = added["mcp_id"].as_str().unwrap();
    assert_eq!(id.len(), 32);
    let url = household.standpipe.url(added["stream_path"].as_str().unwrap());
    let client = Client::connect(&url).await;
    client.text(1, "echo", json!({ "text": "hello" })).await;
    let report = data(&household.get(&format!("/mcp/check/status/{id}")).await);
    assert_eq!((&report["ready"], &report["status"]), (&json!(true), &json!("Ready")));
    assert!(report.get("message").is_some());
    let removed = data(&household.delete(&format!("/mcp/config/delete/{id}")).await);
    assert_eq!(removed["mcp_id"], id);
    assert!(removed["message"].is_string());
    let report = failure(&household.get(&format!("/mcp/check/status/{id}")).await, 404);
    assert_eq!((&report["ready"], &report["status"]), (&json!(false), &json!("Error")));
    failure(&household.delete(&format!("/mcp/config/delete/{id}")).await, 404);
}

#[tokio::test]
async fn the_paths_of_the_older_transport_are_named() {
    let household = household();
    let body = json!({ "mcpJsonConfig": config(&fixture(&json!({}))) });
    let added = data(&household.send("/mcp/sse/add", &body).await);
    assert_eq!(added["mcp_type"], "OneShot");
    let id = added["mcp_id"].as_str().unwrap();
    assert_eq!(added["sse_path"], format!("/mcp/sse/proxy/{id}/sse"));
    assert_eq!(added["message_path"], format!("/mcp/sse/proxy/{id}/message"));
    assert_eq!(household.server(id).await["config"]["lifecycle"], "one_shot");
}

#[tokio::test]
async fn asking_for_the_status_describes_and_starts_a_service() {
    let household = household();
    let entry = fixture(&json!({ "env": { "A": "1" } }));
    let body = json!({ "mcpId": "mine", "mcpJsonConfig": config(&entry), "mcpType": "Persistent" });
    let mut statuses = Vec::new();
    for path in ["/mcp/sse/check_status", "/mcp/stream/check_status"] {
        until("ready", async || {
            let report = data(&household.send(path, &body).await);
            assert_eq!(report["ready"], report["status"] == "Ready", "{report}");
            statuses.push(report["status"].clone());
            report["ready"] == true
        })
        .await;
    }
    assert!(statuses.iter().all(|status| ["Pending", "Ready"].map(Value::from).contains(status)));
    let server = household.server("mine").await;
    assert_eq!(
        (&server["generation"], &server["config"]["lifecycle"]),
        (&json!(1), &json!("persistent"))
    );
    // One that is known need not be described again.
    let report = data(&household.send("/mcp/sse/check_status", &json!({ "mcpId": "mine" })).await);
    assert_eq!(report["ready"], true);
}

#[tokio::test]
async fn a_service_that_fails_is_reported_with_its_reason() {
    let household = household();
    let body =
        json!({ "mcpId": "bad", "mcpJsonConfig": config(&hopeless()), "mcpType": "Persistent" });
    until("an error", async || {
        let report = data(&household.send("/mcp/stream/check_status", &body).await);
        if report["status"] != "Error" {
            return false;
        }
        assert_eq!(report["ready"], false);
        assert!(report["message"].as_str().unwrap().contains("status 3"), "{report}");
        true
    })
    .await;
    // It is not started over and over by being asked about.
    data(&household.send("/mcp/stream/check_status", &body).await);
    assert_eq!(household.server("bad").await["generation"], 1);
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_with_an_honest_status() {
    let household = household();
    let path = "/mcp/stream/check_status";
    let status = |config: &str| json!({ "mcpId": "x", "mcpJsonConfig": config });
    let url = r#"{"mcpServers":{"a":{"url":"https://example.com/mcp"}}}"#;
    let cases = [
        (json!({}), 422),
        (json!({ "mcpId": "a/b", "mcpJsonConfig": "{}" }), 400),
        (json!({ "mcpId": "unknown" }), 404),
        (json!({ "mcpId": "x", "mcpJsonConfig": {}, "mcpType": "OneShot" }), 422),
        (json!({ "mcpId": "x", "mcpJsonConfig": "{}", "mcpType": "Sometimes" }), 422),
        (status("{"), 422),
        (status("[]"), 422),
        (status(r#"{"mcpServers":{}}"#), 422),
        (status(url), 422),
        (status(r#"{"mcpServers":{"a":{"command":"x","comand":"y"}}}"#), 422),
        (status(r#"{"mcpServers":{"a":{"command":"${env:HOME}"}}}"#), 422),
    ];
    for (body, expected) in cases {
        let report = failure(&household.send(path, &body).await, expected);
        assert_eq!(
            (&report["ready"], &report["status"]),
            (&json!(false), &json!("Error")),
            "{body}"
        );
    }
    failure(&household.send("/mcp/sse/add", &json!({ "mcp_json_config": "no" })).await, 422);
    assert_eq!(household.get("/api/v1/servers").await.json()["servers"], json!([]));
}

#[tokio::test]
async fn they_are_not_there_unless_it_was_said() {
    let household = Household::serve(&json!({}), &json!({}));
    for path in
        ["/mcp/sse/add", "/mcp/stream/add", "/mcp/sse/check_status", "/mcp/stream/check_status"]
    {
        assert_eq!(household.send(path, &json!({})).await.status, 404, "{path}");
    }
    assert_eq!(household.get("/mcp/check/status/x").await.status, 404);
    assert_eq!(household.delete("/mcp/config/delete/x").await.status, 404);
}
