//! Every call that is described, and every answer that it can be given, as far as a test can cause it.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use serde_json::{Value, json};

use crate::document::Document;
use crate::household::{Household, Reply, TOKEN, fixture, hopeless};

const LIST: &str = "GET /api/v1/servers";
const SHOW: &str = "GET /api/v1/servers/{id}";
const PUT: &str = "PUT /api/v1/servers/{id}";
const DELETE: &str = "DELETE /api/v1/servers/{id}";
const START: &str = "POST /api/v1/servers/{id}/start";
const STOP: &str = "POST /api/v1/servers/{id}/stop";
const RESTART: &str = "POST /api/v1/servers/{id}/restart";
const LOGS: &str = "GET /api/v1/servers/{id}/logs";
const DESCRIPTION: &str = "GET /api/v1/openapi.json";

/// Answers that this test does not cause. They take longer than a test should, or a moment that is gone
/// when it can be looked at, or a source of descriptions that there is not yet; or another test does.
const UNSEEN: &[&str] = &[
    "GET /api/v1/servers/{id}/logs 503",
    "POST /api/v1/servers/{id}/restart 503",
    "POST /api/v1/servers/{id}/start 503",
    "POST /api/v1/servers/{id}/stop 503",
    "PUT /api/v1/servers/{id} 408",
    "PUT /api/v1/servers/{id} 409",
    "PUT /api/v1/servers/{id} 503",
];

struct Tour {
    household: Household,
    document: Document,
}

impl Tour {
    async fn call(&mut self, call: &str, id: &str, expected: u16) -> Reply {
        self.call_with(call, id, expected, |request| request).await
    }

    async fn call_with(
        &mut self,
        call: &str,
        id: &str,
        expected: u16,
        change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Reply {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let method: Method = method.parse().expect("it is a method");
        let request = change(self.household.request(method, &path.replace("{id}", id)));
        let reply = Reply::of(request).await;
        assert_eq!(reply.status, expected, "{call} {id}: {reply:?}");
        self.document.check(call, &reply);
        if expected >= 400 {
            let problem = reply.json();
            assert_eq!(problem["status"], expected, "{problem}");
            assert!(
                problem["type"].as_str().expect("it is text").starts_with("urn:standpipe:problem:")
            );
        }
        reply
    }

    async fn logs(&mut self, id: &str, query: &str, expected: u16) -> Reply {
        let reply = self.household.get(&format!("/api/v1/servers/{id}/logs?{query}")).await;
        assert_eq!(reply.status, expected, "{query}: {reply:?}");
        self.document.check(LOGS, &reply);
        reply
    }

    async fn put(&mut self, id: &str, body: &str, expected: u16) -> Reply {
        let body = body.to_owned();
        self.call_with(PUT, id, expected, |request| {
            request.header(CONTENT_TYPE, "application/json").body(body)
        })
        .await
    }
}

#[tokio::test]
async fn every_call_answers_as_it_is_described() {
    let servers = json!({
        "hopeless": hopeless(),
        "apart": fixture(&json!({ "sharing": "session" })),
    });
    let more = json!({ "control": { "listen": "127.0.0.1:0", "token": TOKEN } });
    let household = Household::serve(&servers, &more);
    let document = Document::new(household.get("/api/v1/openapi.json").await.json());
    let mut tour = Tour { household, document };
    tour.call(DESCRIPTION, "", 200).await;
    described(&mut tour).await;
    living(&mut tour).await;
    refused(&mut tour).await;
    without_the_token(&mut tour).await;
    assert_eq!(tour.document.unseen(), UNSEEN);
}

/// Services are described, shown and removed.
async fn described(tour: &mut Tour) {
    let entry = fixture(&json!({ "env": { "SECRET": "s3cret" }, "args": ["--instructions", "x"] }));
    let reply = tour.put("new", &entry.to_string(), 201).await;
    assert_eq!(reply.header("location"), "/api/v1/servers/new");
    assert!(!reply.text.contains("s3cret"), "{reply:?}");
    assert_eq!(reply.json()["source"], "control_plane");
    tour.put("new", &entry.to_string(), 200).await;
    let changed = fixture(&json!({ "request_timeout": "7s" }));
    let reply = tour.put("new", &changed.to_string(), 200).await;
    assert_eq!(reply.json()["config"]["request_timeout"], "7s");
    tour.put("new", "{", 400).await;
    tour.put("-new", "{}", 400).await;
    tour.put("new", "[]", 422).await;
    tour.put("new", &" ".repeat(2 << 20), 413).await;
    let reply = tour.put("new", r#"{"comand":"x","restart":{"cool/down":"1s"}}"#, 422).await;
    let problem = reply.json();
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|error| &error["pointer"])
        .collect();
    assert_eq!(pointers, ["#/comand", "#/restart/cool~1down", "#/command"]);
    assert_eq!(problem["errors"][0]["nearest"], "command");
    tour.call(PUT, "new", 415).await;
    let list = tour.call(LIST, "", 200).await.json();
    let ids: Vec<_> =
        list["servers"].as_array().expect("it is a list").iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["apart", "hopeless", "new"]);
    tour.call(SHOW, "new", 200).await;
    // An escaped letter is the letter.
    tour.call(SHOW, "n%65w", 200).await;
    for (id, expected) in [("nobody", 404), ("n%2Fw", 400), ("%FF", 400), ("n%00", 400)] {
        tour.call(SHOW, id, expected).await;
    }
}

/// Processes are started, stopped and started again.
async fn living(tour: &mut Tour) {
    assert_eq!(tour.call(START, "new", 202).await.json()["id"], "new");
    tour.household.until_phase("new", "ready").await;
    let before = tour.household.server("new").await;
    // Once more is not a second process.
    let again = tour.call(START, "new", 202).await.json();
    assert_eq!(again["pid"], before["pid"]);
    tour.call(RESTART, "new", 202).await;
    tour.household.until_phase("new", "ready").await;
    let after = tour.call(SHOW, "new", 200).await.json();
    assert_ne!(after["pid"], before["pid"]);
    assert_eq!(after["last_exit"]["reason"], "it was stopped");
    let stopped = tour.call(STOP, "new", 200).await.json();
    assert_eq!((&stopped["phase"], &stopped["instances"]), (&json!("idle"), &json!(0)));
    tour.call(STOP, "new", 200).await;
    tour.call(START, "apart", 409).await;
    tour.call(START, "hopeless", 202).await;
    tour.household.until_phase("hopeless", "crash_loop").await;
    tour.call(START, "hopeless", 409).await;
    let shown = tour.call(SHOW, "hopeless", 200).await.json();
    assert_eq!(shown["state"], "error");
    assert_eq!(shown["last_exit"]["status"], 3);
    tour.call(RESTART, "hopeless", 202).await;
    tour.household.until_phase("hopeless", "crash_loop").await;
    assert_eq!(tour.household.server("hopeless").await["generation"], 2);
    let page = tour.call(LOGS, "hopeless", 200).await.json();
    let lines: Vec<_> = page["lines"]
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|line| (&line["generation"], &line["text"]))
        .collect();
    assert_eq!(lines, [(&json!(1), &json!("no hope")), (&json!(2), &json!("no hope"))]);
    let page = tour.logs("hopeless", "lines=1", 200).await.json();
    assert_eq!(page["lines"][0]["number"], 2);
    for wrong in
        ["lines=x", "lines=-1", "lines=100001", "line=1", "lines=1&lines=2", "follow=perhaps"]
    {
        tour.logs("hopeless", wrong, 400).await;
    }
    tour.call(DELETE, "hopeless", 204).await;
    tour.call(DELETE, "hopeless", 404).await;
}

/// What is refused whatever it asks for.
async fn refused(tour: &mut Tour) {
    for call in [SHOW, DELETE, START, STOP, RESTART, LOGS] {
        tour.call(call, "nobody", 404).await;
        tour.call(call, "no%20body", 400).await;
    }
    for call in [LIST, SHOW, PUT, DELETE, START, STOP, RESTART, LOGS, DESCRIPTION] {
        let header = |name: &'static str, value: &'static str| {
            move |request: reqwest::RequestBuilder| request.header(name, value)
        };
        tour.call_with(call, "new", 403, header("x-mcp-json", "{}")).await;
        tour.call_with(call, "new", 403, header("x-mcp-type", "OneShot")).await;
        tour.call_with(call, "new", 403, header(ORIGIN.as_str(), "https://evil.example")).await;
        // Two hosts are none.
        let hosts = |request: reqwest::RequestBuilder| request.header(HOST, "a").header(HOST, "b");
        tour.call_with(call, "new", 400, hosts).await;
    }
    let reply = Reply::of(tour.household.request(Method::PATCH, "/api/v1/servers/new")).await;
    assert_eq!((reply.status, reply.content_type()), (405, "application/problem+json"));
    assert_eq!(reply.header("allow"), "GET,HEAD,PUT,DELETE");
    let reply = tour.household.get("/api/v1/nothing").await;
    assert_eq!((reply.status, reply.content_type()), (404, "application/problem+json"));
}

/// On TCP every call needs the token; with it, it is the same.
async fn without_the_token(tour: &mut Tour) {
    let address = tour.household.address().await;
    let http = reqwest::Client::new();
    for call in [LIST, SHOW, PUT, DELETE, START, STOP, RESTART, LOGS, DESCRIPTION] {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let method: Method = method.parse().expect("it is a method");
        let url = format!("{address}{}", path.replace("{id}", "new"));
        for shown in [None, Some("Bearer a-token-of-24-characterS"), Some(TOKEN)] {
            let mut request = http.request(method.clone(), &url);
            if let Some(shown) = shown {
                request = request.header(AUTHORIZATION, shown);
            }
            let reply = Reply::of(request).await;
            assert_eq!(reply.status, 401, "{call} {shown:?}: {reply:?}");
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"standpipe\"");
            tour.document.check(call, &reply);
        }
    }
    let list = Reply::of(http.get(format!("{address}/api/v1/servers")).bearer_auth(TOKEN)).await;
    assert_eq!(list.status, 200, "{list:?}");
    let request = http.get(format!("{address}/api/v1/servers")).bearer_auth(TOKEN);
    let elsewhere = Reply::of(request.header(HOST, "evil.example")).await;
    assert_eq!(elsewhere.status, 403, "{elsewhere:?}");
}

/// What is read can, but for secrets, be written again, and is described.
#[tokio::test]
async fn what_is_shown_is_an_entry_again() {
    let household = Household::serve(&json!({}), &json!({}));
    let document = Document::new(household.get("/api/v1/openapi.json").await.json());
    let entry = json!({
        "command": "x", "args": ["a"], "cwd": "/tmp", "lifecycle": "one_shot", "sharing": "session",
        "era": "legacy", "interactive": "never", "start_timeout": "1s", "request_timeout": "2s",
        "request_timeout_max": "3s", "question_timeout": "4s", "idle_timeout": "5s",
        "max_message_bytes": 4096, "input_queue_bytes": "8KiB", "max_instances": 2,
        "side_processes": 1, "probe": { "interval": "never", "timeout": "1s", "failures": 2 },
        "restart": { "cooldown": "1s", "backoff_min": "1s", "backoff_max": "2s", "max_failures": 3,
                     "early_death": "4s", "healthy_after": "5s" },
        "limits": { "memory": "64MiB", "cpu": "1h", "open_files": 64, "processes": "inherited" },
        "env": { "A": "secret" }
    });
    document.validate("the entry", document.schema("ServerEntry"), &entry);
    assert_eq!(household.put("x", &entry).await.status, 201);
    let shown = household.server("x").await["config"].clone();
    assert_eq!(shown["env"]["A"], "[redacted]");
    // Every key that there is was written above, and is shown.
    let keys =
        |entry: &Value| -> Vec<String> { entry.as_object().unwrap().keys().cloned().collect() };
    let mut described = keys(&document.schema("ServerEntry")["properties"]);
    described.sort();
    let mut written = keys(&entry);
    written.sort();
    assert_eq!(described, written);
    // Withheld is withheld, and never taken for a value.
    let reply = household.put("x", &shown).await;
    assert_eq!(reply.status, 422, "{reply:?}");
    assert_eq!(reply.json()["errors"][0]["pointer"], "#/env/A");
    let mut again = shown;
    again["env"]["A"] = json!("secret");
    let reply = household.put("x", &again).await;
    assert_eq!(
        (reply.status, reply.json()["config"]["limits"]["memory"].clone()),
        (200, json!("64MiB"))
    );
    assert_eq!(household.server("x").await["generation"], 0);
}
