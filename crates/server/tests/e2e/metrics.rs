//! Metrics that tell an operator of trouble move when there is some, and by as much as there is.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::http::{Client, post, request};
use crate::support::process::{Standpipe, send};
use crate::support::{GENEROUS, in_time, together};

/// The sum over those series of a family whose labels hold all of these.
async fn metric(standpipe: &Standpipe, family: &str, labels: &[&str]) -> f64 {
    let response = in_time("/metrics", reqwest::get(standpipe.url("/metrics"))).await;
    let text = response.expect("the server is there").text().await.expect("a body");
    let mut series = text.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("standpipe_")?.rsplit_once(' ')?;
        let (name, own) = name.split_once('{').unwrap_or((name, ""));
        let is_it = name == family && labels.iter().all(|label| own.contains(label));
        is_it.then(|| value.parse::<f64>().expect("a value is a number"))
    });
    let first = series.next().unwrap_or_else(|| panic!("there is no {family} with {labels:?}"));
    first + series.sum::<f64>()
}

/// Waits until a sum is at least this.
async fn at_least(standpipe: &Standpipe, family: &str, labels: &[&str], least: f64) -> f64 {
    let reached = tokio::time::timeout(GENEROUS, async {
        loop {
            let sum = metric(standpipe, family, labels).await;
            if sum >= least {
                return sum;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    reached.await.unwrap_or_else(|_| panic!("{family} with {labels:?} does not reach {least}"))
}

fn is(sum: f64, number: u32) -> bool {
    (sum - f64::from(number)).abs() < 0.5
}

fn fixture(more: Value) -> Value {
    let mut service = json!({
        "command": standpipe_testkit::fixture_path(),
        "restart": { "cooldown": "0s", "early_death": "0s" },
    });
    let Value::Object(more) = more else { panic!("{more} is no table") };
    service.as_object_mut().expect("a table").extend(more);
    service
}

#[tokio::test]
async fn each_death_is_one_restart_and_one_exit_with_its_reason() {
    let _turn = together().await;
    let services = json!({ "mortal": fixture(json!({})), "other": fixture(json!({})) });
    let standpipe = Standpipe::serve(&[], &services);
    let mortal = "service=\"mortal\"";
    let families = ["service_restarts_total", "process_exits_total", "process_starts_total"];
    for family in families {
        assert!(is(metric(&standpipe, family, &[mortal]).await, 0), "{family} begins at 0");
    }
    let client = Client::connect(&standpipe.url("/servers/mortal/mcp")).await;
    for (deaths, (crash, reason)) in (1..).zip([
        (json!({ "signal": 9 }), "reason=\"signal\""),
        (json!({ "code": 3 }), "reason=\"failure\""),
    ]) {
        client.tool(deaths, "crash", crash).await;
        assert_eq!(client.text(9, "echo", json!({})).await, "{}");
        let restarts = metric(&standpipe, "service_restarts_total", &[mortal]).await;
        assert!(is(restarts, deaths), "{restarts} restarts after {deaths} deaths");
        assert!(is(metric(&standpipe, "process_exits_total", &[mortal, reason]).await, 1));
        let ready = [mortal, "outcome=\"ready\""];
        assert!(is(metric(&standpipe, "process_starts_total", &ready).await, deaths + 1));
    }
    let other = ["service=\"other\""];
    assert!(is(metric(&standpipe, "service_restarts_total", &other).await, 0));
}

#[tokio::test]
async fn a_process_that_has_fallen_silent_fails_its_probes_and_is_replaced() {
    let _turn = together().await;
    let often = json!({ "interval": "100ms", "timeout": "1s", "failures": 2 });
    let services = json!({ "silent": fixture(json!({ "probe": often })) });
    let standpipe = Standpipe::serve(&[], &services);
    let silent = "service=\"silent\"";
    let client = Client::connect(&standpipe.url("/servers/silent/mcp")).await;
    assert!(is(metric(&standpipe, "service_restarts_total", &[silent]).await, 0));
    let pid = client.tool(1, "pid", json!({})).await["result"]["structuredContent"]["pid"].clone();
    let number = pid.as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a process id");
    send(number, Signal::SIGSTOP);
    at_least(&standpipe, "probe_failures_total", &[silent], 2.0).await;
    at_least(&standpipe, "service_restarts_total", &[silent], 1.0).await;
    let unresponsive = [silent, "reason=\"unresponsive\""];
    at_least(&standpipe, "process_exits_total", &unresponsive, 1.0).await;
    let next = client.tool(2, "pid", json!({})).await["result"]["structuredContent"]["pid"].clone();
    assert!(next.is_i64() && next != pid, "{next} after {pid}");
}

#[tokio::test]
async fn a_service_that_was_stopped_is_found_in_the_cache_and_an_unknown_one_is_not() {
    let _turn = together().await;
    let services = json!({ "idler": fixture(json!({ "idle_timeout": "200ms" })) });
    let standpipe = Standpipe::serve(&[], &services);
    let client = Client::connect(&standpipe.url("/servers/idler/mcp")).await;
    let idle = ["service=\"idler\"", "reason=\"idle\""];
    at_least(&standpipe, "process_exits_total", &idle, 1.0).await;
    let hits = metric(&standpipe, "config_cache_hits_total", &[]).await;
    let misses = metric(&standpipe, "config_cache_misses_total", &[]).await;

    assert_eq!(client.text(1, "echo", json!({})).await, "{}");
    assert!(metric(&standpipe, "config_cache_hits_total", &[]).await > hits);
    assert!((metric(&standpipe, "config_cache_misses_total", &[]).await - misses).abs() < 0.5);

    let http = reqwest::Client::new();
    let stranger = post(&http, &standpipe.url("/servers/stranger/mcp"))
        .body(request(1, "ping", json!({})).to_string());
    let refused = in_time("a refusal", stranger.send()).await.expect("the server is there");
    assert_eq!(refused.status(), 404);
    let now = metric(&standpipe, "config_cache_misses_total", &[]).await;
    assert!(is(now - misses, 1), "{now} misses after {misses}");
}

#[tokio::test]
async fn a_recent_verdict_answers_the_next_question_for_health() {
    let _turn = together().await;
    let standpipe = Standpipe::serve(&[], &json!({ "asked": fixture(json!({})) }));
    let _client = Client::connect(&standpipe.url("/servers/asked/mcp")).await;
    let asked = ["service=\"asked\""];
    assert!(is(metric(&standpipe, "health_cache_hits_total", &asked).await, 0));
    let reached = tokio::time::timeout(GENEROUS, async {
        while metric(&standpipe, "health_cache_hits_total", &asked).await < 1.0 {
            let ready = in_time("/readyz", reqwest::get(standpipe.url("/readyz"))).await;
            assert_eq!(ready.expect("the server is there").status(), 200);
        }
    });
    reached.await.expect("one of two questions at once is answered from the cache");
}
