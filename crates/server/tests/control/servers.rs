//! What calls do to services, seen from MCP's side.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use standpipe_testkit::is_alive;

use crate::household::{Household, fixture};
use crate::support::http::Client;
use crate::support::until;

async fn pid(client: &Client) -> i32 {
    let answer = client.tool("pid", "pid", json!({})).await;
    let pid = answer["result"]["structuredContent"]["pid"].as_i64();
    i32::try_from(pid.unwrap_or_else(|| panic!("no process id in {answer}"))).expect("it is one")
}

impl Household {
    async fn connect(&self, id: &str) -> Client {
        Client::connect(&self.standpipe.url(&format!("/servers/{id}/mcp"))).await
    }
}

#[tokio::test]
async fn a_service_that_was_added_serves_and_one_that_was_removed_does_not() {
    let household = Household::serve(&json!({}), &json!({}));
    assert_eq!(household.put("new", &fixture(&json!({}))).await.status, 201);
    let shown = household.server("new").await;
    let url = household.standpipe.url(shown["paths"]["streamable_http"].as_str().unwrap());
    let client = Client::connect(&url).await;
    let process = pid(&client).await;
    assert_eq!(household.server("new").await["pid"], process);
    assert_eq!(household.server("new").await["sessions"], 1);
    assert_eq!(household.delete("/api/v1/servers/new").await.status, 204);
    until("the end of the process", async || !is_alive(process)).await;
    let (status, _) = Client::try_connect(&url).await.map(|_| ()).expect_err("it is gone");
    assert_eq!(status, 404);
}

#[tokio::test]
async fn an_open_call_ends_on_the_process_that_it_began_on() {
    let household = Household::serve(&json!({}), &json!({}));
    household.put("x", &fixture(&json!({ "env": { "WHICH": "old" } }))).await;
    let client = household.connect("x").await;
    let before = pid(&client).await;
    let slow = client.open(
        "slow",
        "tools/call",
        json!({
            "name": "delay", "arguments": { "ms": 1500, "text": "from the old one" }
        }),
    );
    let change = async {
        until("the call", async || household.server("x").await["calls_in_flight"] == 1).await;
        let entry = fixture(&json!({ "env": { "WHICH": "new" } }));
        assert_eq!(household.put("x", &entry).await.status, 200);
        let other = household.connect("x").await;
        assert_ne!(pid(&other).await, before);
        assert!(is_alive(before), "its call goes on");
    };
    let (answer, ()) = tokio::join!(async { slow.await.last().await }, change);
    assert!(answer.to_string().contains("from the old one"), "{answer}");
    until("the end of the old process", async || !is_alive(before)).await;
}

#[tokio::test]
async fn what_was_put_outlives_a_reload_and_what_was_removed_comes_back_with_one() {
    let servers = json!({ "kept": fixture(&json!({})), "gone": fixture(&json!({})) });
    let household = Household::serve(&servers, &json!({}));
    let entry = fixture(&json!({ "env": { "FROM": "control" } }));
    household.put("kept", &entry).await;
    household.put("new", &entry).await;
    let client = household.connect("kept").await;
    let process = pid(&client).await;
    assert_eq!(household.delete("/api/v1/servers/gone").await.status, 204);
    household.standpipe.signal(Signal::SIGHUP);
    let logged = "the configuration was reloaded";
    until(logged, async || household.standpipe.log().contains(logged)).await;
    for id in ["kept", "new"] {
        assert_eq!(household.server(id).await["source"], "control_plane", "{id}");
    }
    assert_eq!(pid(&client).await, process);
    assert_eq!(household.server("gone").await["source"], "file");
}

#[tokio::test]
async fn a_stopped_service_is_started_by_the_next_request() {
    let household = Household::serve(&json!({ "x": fixture(&json!({})) }), &json!({}));
    let first = pid(&household.connect("x").await).await;
    assert_eq!(household.post("/api/v1/servers/x/stop").await.json()["phase"], "idle");
    assert!(!is_alive(first), "a stop is waited for");
    assert_ne!(pid(&household.connect("x").await).await, first);
}

#[tokio::test]
async fn secrets_are_not_returned_however_they_came_in() {
    let secret = "s3cr3t-value";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, secret).unwrap();
    let reference = format!("${{file:{}}}", file.display());
    let servers = json!({
        // In an argument that does not look like a secret, only the reference may be shown.
        "file": { "command": "sh", "args": ["-c", "exit 1", reference], "env": { "A": reference } },
    });
    let household = Household::serve(&servers, &json!({}));
    let entry = json!({
        "command": "sh", "args": ["--token", secret, format!("--api-key={secret}")],
        "env": { "PASSWORD": secret }
    });
    let put = household.put("put", &entry).await;
    let changed =
        household.put("file", &json!({ "command": "sh", "args": ["--token", secret] })).await;
    household.delete("/api/v1/servers/file").await;
    household.standpipe.signal(Signal::SIGHUP);
    let back = async || household.get("/api/v1/servers/file").await.status == 200;
    until("the service of the file", back).await;
    let mut all = vec![put, changed];
    for path in ["/api/v1/servers", "/api/v1/servers/put", "/api/v1/servers/file"] {
        all.push(household.get(path).await);
    }
    for reply in &all {
        assert!(!reply.text.contains(secret), "{reply:?}");
    }
    let config = &household.server("file").await["config"];
    assert_eq!(config["args"][2], reference, "{config}");
    assert_eq!(household.server("put").await["config"]["args"][0], Value::from("--token"));
    assert!(!household.standpipe.log().contains(secret));
}

#[tokio::test]
async fn the_mcp_address_knows_nothing_of_it() {
    let more = json!({ "compat": { "origin_api": true } });
    let household = Household::serve(&json!({ "x": fixture(&json!({})) }), &more);
    let http = reqwest::Client::new();
    for path in
        ["/api/v1/servers", "/api/v1/openapi.json", "/api/v1/servers/x", "/mcp/check/status/x"]
    {
        let reply = http.get(household.standpipe.url(path)).send().await.unwrap();
        assert_eq!(reply.status(), 404, "{path}");
    }
    for path in ["/mcp/sse/add", "/api/v1/servers/x/stop"] {
        let reply = http.post(household.standpipe.url(path)).body("{}").send().await.unwrap();
        assert_eq!(reply.status(), 404, "{path}");
    }
    // And the other way round.
    assert_eq!(household.get("/servers/x/mcp").await.status, 404);
    assert_eq!(household.get("/metrics").await.status, 404);
}
