//! Children that misbehave, one way each, beside a healthy one which must not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use crate::support::http::{Client, text_of};
use crate::support::process::Standpipe;
use crate::support::{in_time, together};

/// Short enough to see a start or a call time out, long enough for a busy machine.
const FLAGS: &[&str] = &["--start-timeout", "20s", "--request-timeout", "20s"];

/// A table of nasty services, named after their faults, and a healthy one.
pub(crate) fn services(faults: &[&str]) -> Value {
    let nasty = standpipe_testkit::nasty_path();
    let mut table = Map::new();
    for fault in faults {
        let arguments: Vec<&str> = fault.split(' ').collect();
        table.insert(service(fault), json!({ "command": nasty, "args": arguments }));
    }
    table.insert("healthy".to_owned(), json!({ "command": standpipe_testkit::fixture_path() }));
    Value::Object(table)
}

/// The service of a fault: its command line, as an id.
pub(crate) fn service(fault: &str) -> String {
    fault.replace(" --", ".").replace(' ', ".")
}

pub(crate) fn url(standpipe: &Standpipe, fault: &str) -> String {
    standpipe.url(&format!("/servers/{}/mcp", service(fault)))
}

/// Starts every fault beside a healthy service, runs `scenario` for each at the same time, and checks that
/// the healthy service answered throughout, in one process.
async fn beside_a_healthy_one<S, F>(faults: &[&'static str], scenario: S)
where
    S: Fn(String, &'static str) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let _turn = together().await;
    let standpipe = Standpipe::serve(FLAGS, &services(faults));
    let healthy = Client::connect(&url(&standpipe, "healthy")).await;
    let before = healthy.tool(1, "pid", json!({})).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watch = tokio::spawn({
        let (healthy, stop) = (healthy.clone(), Arc::clone(&stop));
        async move {
            let mut answered = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(healthy.text(2, "echo", json!({})).await, "{}");
                answered += 1;
            }
            answered
        }
    });
    let mut scenarios = JoinSet::new();
    for &fault in faults {
        scenarios.spawn(scenario(url(&standpipe, fault), fault));
    }
    scenarios.join_all().await;
    stop.store(true, Ordering::Relaxed);
    let answered = in_time("the healthy service", watch).await.expect("it answered every call");
    assert!(answered > 0);
    let after = healthy.tool(3, "pid", json!({})).await;
    assert_eq!(before["result"], after["result"], "the healthy child was replaced");
}

fn assert_error(fault: &str, answer: &Value) {
    assert!(answer["error"]["code"].is_i64(), "{fault}: {answer}");
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "{fault}: {answer}");
}

/// Faults that a client must not notice at all.
#[tokio::test]
async fn what_clients_do_not_notice() {
    let faults = [
        "grandchild",
        "grandchild --setsid",
        "ignore-eof",
        "ignore-term",
        "banner",
        "long-line",
        "stderr-flood",
        "answer-twice",
        "notification-flood",
        "wrong-json",
        "slow-start --ms 1500",
        "die-on-discover",
        "die-mid-call",
    ];
    beside_a_healthy_one(&faults, |url, fault| async move {
        let client = Client::connect(&url).await;
        for id in 1..=5 {
            let answer = client.tool(id, "hello", json!({})).await;
            assert_eq!(text_of(&answer), "hello", "{fault}");
        }
        let tools = client.request(6, "tools/list", json!({})).await;
        assert!(tools["result"]["tools"].is_array(), "{fault}: {tools}");
    })
    .await;
}

/// Children that cannot be started: whoever asks is told, each time, and nobody hangs.
#[tokio::test]
async fn what_never_comes_up() {
    let faults =
        ["exit-at-once --code 3", "die-in-handshake", "never-read", "no-initialize-answer"];
    beside_a_healthy_one(&faults, |url, fault| async move {
        for _ in 0..2 {
            let Err((status, answer)) = Client::try_connect(&url).await else {
                panic!("{fault}: it cannot have started");
            };
            assert!((500..600).contains(&status), "{fault}: {status} {answer}");
            assert_eq!(answer["id"], 0, "{fault}: {answer}");
            assert_error(fault, &answer);
        }
    })
    .await;
}

/// Children that come up and then fail their clients: every call ends with an error.
#[tokio::test]
async fn what_fails_after_the_handshake() {
    let faults = ["never-read --after", "die-in-handshake --after", "close-stdout"];
    beside_a_healthy_one(&faults, |url, fault| async move {
        // Whether the handshake gets through is a race with the child's death.
        let client = match Client::try_connect(&url).await {
            Ok(client) => client,
            Err((status, answer)) => {
                assert!(status >= 500, "{fault}: {status}");
                return assert_error(fault, &answer);
            }
        };
        // Much more than the pipe holds, so that writing to the child blocks as well.
        let large = "x".repeat(300_000);
        let mut calls = JoinSet::new();
        for id in 1..=6 {
            let (client, large) = (client.clone(), large.clone());
            calls.spawn(async move { client.tool(id, "hello", json!({ "large": large })).await });
        }
        for answer in calls.join_all().await {
            assert_error(fault, &answer);
        }
    })
    .await;
}

#[tokio::test]
async fn a_line_over_the_limit_is_an_error_for_its_call_alone() {
    beside_a_healthy_one(&["long-line"], |url, fault| async move {
        let client = Client::connect(&url).await;
        let answer = client.tool(1, "long_answer", json!({ "bytes": 20 << 20 })).await;
        assert_error(fault, &answer);
        assert_eq!(client.text(2, "hello", json!({})).await, "hello");
        let written = client.text(3, "long_noise", json!({ "bytes": 20 << 20 })).await;
        assert_eq!(written, "written");
        assert_eq!(client.text(4, "hello", json!({})).await, "hello");
    })
    .await;
}

#[tokio::test]
async fn fifty_megabytes_of_stderr_block_nothing() {
    beside_a_healthy_one(&["stderr-flood"], |url, _| async move {
        let client = Client::connect(&url).await;
        let answer = client.text(1, "stderr", json!({ "bytes": 50 << 20 })).await;
        assert_eq!(answer, "written");
    })
    .await;
}

#[tokio::test]
async fn a_death_in_a_call_is_told_and_the_next_call_works() {
    beside_a_healthy_one(&["die-mid-call"], |url, fault| async move {
        let client = Client::connect(&url).await;
        let mut hanging = JoinSet::new();
        for id in 10..14 {
            let client = client.clone();
            hanging.spawn(async move { client.tool(id, "hang", json!({})).await });
        }
        // A call that arrives after the death hangs in the next child until its time is over: an error too.
        assert_error(fault, &client.tool(1, "die", json!({})).await);
        for answer in hanging.join_all().await {
            assert_error(fault, &answer);
        }
        assert_eq!(client.text(2, "hello", json!({})).await, "hello");
    })
    .await;
}
