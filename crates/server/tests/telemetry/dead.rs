//! A collector that takes connections and never answers, and one that is not there.

use std::net::TcpListener;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::http::Client;
use crate::support::process::is_clean;
use crate::support::{counted, fixture_with, in_time};

/// More spans than fit into one batch are made by so many calls.
const CALLS: u64 = 150;

#[tokio::test]
async fn a_deaf_collector_slows_neither_calls_nor_the_end() {
    // The kernel takes the connection, and nobody reads it.
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let endpoint = format!("http://{}", deaf.local_addr().expect("it is bound"));
    // Whoever waited for the collector would wait far longer than a test.
    let variables = [("STANDPIPE_OTEL__ENDPOINT", &*endpoint), ("STANDPIPE_OTEL__TIMEOUT", "30m")];
    let mut standpipe = fixture_with(&variables, &[]);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let mut calls = JoinSet::new();
    for id in 0..CALLS {
        let client = client.clone();
        calls.spawn(async move { client.text(id, "echo", json!({ "id": id })).await });
    }
    assert_eq!(calls.join_all().await.len() as u64, CALLS);
    standpipe.signal(Signal::SIGTERM);
    assert!(is_clean(standpipe.wait()), "{}", standpipe.log());
    assert!(standpipe.log().contains("the last traces were not exported"), "{}", standpipe.log());
}

#[tokio::test]
async fn a_missing_collector_is_complained_of_once_and_not_traced() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let endpoint = format!("http://{}", closed.local_addr().expect("it is bound"));
    drop(closed);
    let mut standpipe = fixture_with(&[("STANDPIPE_OTEL__ENDPOINT", &endpoint)], &[]);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    for id in 0..3 {
        client.text(id, "echo", json!({})).await;
    }
    // The queue lingers for a second before it tries.
    let lost = || counted(&standpipe, "dropped");
    in_time("lost spans in the metrics", async {
        while lost().await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    standpipe.signal(Signal::SIGTERM);
    assert!(is_clean(standpipe.wait()), "{}", standpipe.log());
    let log = standpipe.log();
    assert_eq!(log.matches("traces could not be exported").count(), 1, "{log}");
}
