//! What a log line says of the request that it belongs to.

use serde_json::{Value, json};
use standpipe_testkit::wait_until;

use crate::support::events::Events;
use crate::support::http::{Client, initialize};
use crate::support::process::Standpipe;
use crate::support::{GENEROUS, fixture_with, in_time};

/// The lines of a log that is written for machines.
fn parsed(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The span of the request that a line belongs to, of the first line with this text.
fn request_in(log: &str, message: &str) -> Option<Value> {
    let line = parsed(log).into_iter().find(|line| line["message"] == message)?;
    let spans = line["spans"].as_array().cloned().unwrap_or_default();
    let request = spans.into_iter().find(|span| span["name"] == "request");
    Some(request.unwrap_or_else(|| panic!("no request in {line}")))
}

/// The same of a line that has been written by now.
fn request_of(standpipe: &Standpipe, message: &str) -> Value {
    wait_until(GENEROUS, || request_in(&standpipe.log(), message))
        .unwrap_or_else(|_| panic!("no line says {message:?} in {}", standpipe.log()))
}

// On two threads: a wait for the log must not keep a connection from being closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_names_request_service_and_session_and_never_the_whole_session() {
    let log = "warn,standpipe_transport_stream=debug,standpipe_transport_sse=debug";
    let standpipe = fixture_with(&[], &["--log", log]);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let opened = request_of(&standpipe, "session opened");
    assert_eq!(
        (&opened["service"], &opened["session"]),
        (&json!("tools"), &json!(client.id()[..8]))
    );

    let response = client
        .builder(reqwest::Method::POST)
        .header("x-request-id", "req-7")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .body(initialize(json!({})).to_string())
        .send()
        .await
        .expect("the server is there");
    assert_eq!(response.status(), 400);
    let refused = request_of(&standpipe, "request refused");
    assert_eq!((&refused["request_id"], &refused["service"]), (&json!("req-7"), &json!("tools")));
    assert_eq!(refused["session"], client.id()[..8]);

    let stream =
        reqwest::Client::new().get(standpipe.url("/sse")).header("accept", "text/event-stream");
    let mut events = Events::new(stream.send().await.expect("the server is there"));
    let endpoint = in_time("the endpoint", events.next()).await.expect("the stream is open").data;
    let session = endpoint.split_once('=').expect("it names the session").1.to_owned();
    let opened = request_of(&standpipe, "event stream opened");
    assert_eq!(opened["session"], session[..8]);

    drop(events);
    assert_eq!(request_of(&standpipe, "event stream ended")["session"], session[..8]);

    let log = standpipe.log();
    for id in [client.id(), &session] {
        assert!(!log.contains(id), "a session's id is a credential: {log}");
    }
}
