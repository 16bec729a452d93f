//! The logs of a service, as they come.

use nix::sys::signal::Signal;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::household::{Household, chatty, fixture};
use crate::support::in_time;
use crate::support::process::is_clean;

/// One who follows, event by event.
struct Follower {
    response: Response,
    text: String,
}

impl Follower {
    async fn new(household: &Household, id: &str, lines: u32) -> Self {
        let path = format!("/api/v1/servers/{id}/logs?follow=true&lines={lines}");
        let response = in_time("a stream", household.request(Method::GET, &path).send()).await;
        let response = response.expect("it answers");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { response, text: String::new() }
    }

    /// The name and the data of the next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.clone().split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim().to_owned())
                };
                let found = field("event:").zip(field("data:"));
                rest.clone_into(&mut self.text);
                match found {
                    Some((name, data)) => {
                        return Some((name, serde_json::from_str(&data).expect("data is JSON")));
                    }
                    None => continue, // A comment.
                }
            }
            let part = in_time("an event", self.response.chunk()).await.expect("it can be read")?;
            self.text.push_str(std::str::from_utf8(&part).expect("it is text"));
        }
    }

    async fn line(&mut self) -> (u64, String) {
        let (name, data) = self.next().await.expect("there is a line");
        assert_eq!(name, "line", "{data}");
        let generation = data["generation"].as_u64().expect("it is a number");
        (generation, data["text"].as_str().expect("it is text").to_owned())
    }
}

#[tokio::test]
async fn lines_are_followed_across_processes_and_descriptions() {
    let household = Household::serve(&json!({ "x": chatty("one\\ntwo\\n") }), &json!({}));
    let mut early = Follower::new(&household, "x", 10).await;
    household.post("/api/v1/servers/x/start").await;
    assert_eq!(early.line().await, (1, "one".to_owned()));
    assert_eq!(early.line().await, (1, "two".to_owned()));
    let mut late = Follower::new(&household, "x", 1).await;
    assert_eq!(late.line().await, (1, "two".to_owned()));
    household.post("/api/v1/servers/x/restart").await;
    for follower in [&mut early, &mut late] {
        assert_eq!(follower.line().await, (2, "one".to_owned()));
        assert_eq!(follower.line().await, (2, "two".to_owned()));
    }
    household.until_phase("x", "ready").await;
    assert_eq!(household.put("x", &chatty("three\\n")).await.status, 200);
    household.post("/api/v1/servers/x/start").await;
    for follower in [&mut early, &mut late] {
        assert_eq!(follower.line().await, (3, "three".to_owned()));
    }
    let page = household.get("/api/v1/servers/x/logs?lines=3").await.json();
    let texts: Vec<_> =
        page["lines"].as_array().unwrap().iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    household.delete("/api/v1/servers/x").await;
    for mut follower in [early, late] {
        let end = follower.next().await.expect("it is told why");
        assert_eq!(end, ("end".to_owned(), json!({ "reason": "removed" })));
        assert_eq!(follower.next().await, None);
    }
}

#[tokio::test]
async fn a_shutdown_ends_the_streams_and_is_not_held_up_by_them() {
    let mut household = Household::serve(&json!({ "x": fixture(&json!({})) }), &json!({}));
    let mut follower = Follower::new(&household, "x", 0).await;
    household.standpipe.signal(Signal::SIGTERM);
    let end = follower.next().await.expect("it is told why");
    assert_eq!(end, ("end".to_owned(), json!({ "reason": "shutdown" })));
    assert_eq!(follower.next().await, None);
    assert!(is_clean(household.standpipe.wait()));
}

#[tokio::test]
async fn followers_are_bounded_and_leave_their_place() {
    let household = Household::serve(&json!({ "x": fixture(&json!({})) }), &json!({}));
    let path = "/api/v1/servers/x/logs?follow=true";
    let mut followers = Vec::new();
    let refused = loop {
        assert!(followers.len() <= 64, "they are bounded");
        let reply =
            in_time("an answer", household.request(Method::GET, path).send()).await.unwrap();
        if reply.status() != 200 {
            break reply;
        }
        followers.push(reply);
    };
    assert_eq!((refused.status().as_u16(), followers.len()), (503, 32));
    assert!(refused.headers().contains_key("retry-after"));
    assert!(refused.text().await.unwrap().contains("urn:standpipe:problem:followers"));
    // Others are not held up by them.
    assert_eq!(household.get("/api/v1/servers").await.status, 200);
    followers.pop();
    crate::support::until("a place", async || {
        let reply =
            in_time("an answer", household.request(Method::GET, path).send()).await.unwrap();
        reply.status() == 200
    })
    .await;
}
