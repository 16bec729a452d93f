//! First requests: any number of them to a service that does not run yet, and to one that cannot.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::http::{initialize, post};
use crate::support::process::Standpipe;
use crate::support::{GENEROUS, alone, in_time, together};

/// Who come at the same time. Half of them do not wait.
const CALLERS: usize = 1000;

/// Says that it was started, waits until it is told to go on, and is then somebody else.
const WAITS: &str = r#"#!/bin/sh
echo $$ >> "$1/started"
until [ -e "$1/go" ]; do sleep 0.1; done
exec "$2"
"#;

/// Says that it was started, and fails.
const FAILS: &str = "#!/bin/sh\necho $$ >> \"$1/started\"\nexit 3\n";

fn script(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("child");
    std::fs::write(&path, text).expect("there is room");
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, all).expect("it is our file");
    path.to_str().expect("paths of builds are text").to_owned()
}

/// How many children were started in this folder.
fn started(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("started")).map_or(0, |text| text.lines().count())
}

/// Room for so many connections from this very process.
fn raise_open_files() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("every process has a limit");
    let wanted = hard.min(4096).max(soft);
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).expect("up to the hard limit is allowed");
    assert!(wanted > CALLERS as u64 + 100, "the limit of open files is too low: {hard}");
}

/// The value of a series, of which there is one with this label.
async fn metric(standpipe: &Standpipe, name: &str, label: &str) -> u64 {
    let text = reqwest::get(standpipe.url("/metrics")).await.expect("metrics are served");
    let text = text.text().await.expect("metrics are text");
    let start = format!("{name}{{");
    let line = text.lines().find(|line| line.starts_with(&start) && line.contains(label));
    let line = line.unwrap_or_else(|| panic!("no {name} with {label} in\n{text}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("it is a number")
}

async fn until_metric(standpipe: &Standpipe, name: &str, label: &str, wanted: u64) {
    let end = Instant::now() + GENEROUS;
    loop {
        let value = metric(standpipe, name, label).await;
        if value == wanted {
            return;
        }
        assert!(Instant::now() < end, "{name} is {value} and not {wanted}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_first_requests_of_which_half_are_given_up_make_one_start() {
    let _turn = alone().await;
    raise_open_files();
    let folder = TempDir::new().expect("there is room for temporary files");
    let child = script(&folder, WAITS);
    let fixture = standpipe_testkit::fixture_path();
    let fixture = fixture.to_str().expect("paths of builds are text");
    let arguments = [&*child, folder.path().to_str().expect("paths are text"), fixture];
    let standpipe = Standpipe::serve(
        &["--start-timeout", "5m"],
        &json!({ "cold": { "command": arguments[0], "args": arguments[1..] } }),
    );
    let url = standpipe.url("/servers/cold/mcp");
    assert_eq!(started(folder.path()), 0, "nobody has asked for it");

    let http = reqwest::Client::new();
    let (mut stay, mut leave) = (JoinSet::new(), JoinSet::new());
    for number in 0..CALLERS {
        let request = post(&http, &url).body(initialize(json!({})).to_string());
        let callers = if number % 2 == 0 { &mut leave } else { &mut stay };
        callers.spawn(async move { request.send().await });
    }
    let in_flight = "standpipe_requests_in_flight";
    until_metric(&standpipe, in_flight, "cold", CALLERS as u64).await;
    leave.shutdown().await;
    until_metric(&standpipe, in_flight, "cold", CALLERS as u64 / 2).await;
    std::fs::write(folder.path().join("go"), "").expect("there is room");

    let mut sessions = std::collections::HashSet::new();
    while let Some(answer) = in_time("the answers", stay.join_next()).await {
        let response = answer.expect("it does not panic").expect("the server is there");
        assert_eq!(response.status(), 200);
        sessions.insert(response.headers()["mcp-session-id"].clone());
        let body = response.text().await.expect("a body");
        assert!(body.contains("protocolVersion"), "{body}");
    }
    assert_eq!(sessions.len(), CALLERS / 2, "each has a session of its own");
    assert_eq!(started(folder.path()), 1, "all of them have made one start");
    assert_eq!(metric(&standpipe, "standpipe_process_starts_total", r#""ready""#).await, 1);
    // Of those who left nothing is left.
    let sessions = "standpipe_sessions";
    until_metric(&standpipe, sessions, r#"transport="streamable_http""#, CALLERS as u64 / 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_makes_so_many_starts_says_so_and_answers_at_once() {
    const STARTS: usize = 4;
    let _turn = together().await;
    let folder = TempDir::new().expect("there is room for temporary files");
    let child = script(&folder, FAILS);
    let standpipe = Standpipe::serve(
        &["--log", "info"],
        &json!({ "broken": {
            "command": child,
            "args": [folder.path()],
            "restart": { "max_failures": STARTS, "backoff_min": "10ms", "backoff_max": "50ms" },
        }}),
    );
    let http = reqwest::Client::new();
    let url = standpipe.url("/servers/broken/mcp");
    let phase = "standpipe_service_phase";
    let mut asked = 0;
    let end = Instant::now() + GENEROUS;
    while metric(&standpipe, phase, r#"phase="crash_loop""#).await == 0 {
        assert!(Instant::now() < end, "it is given up some day");
        let response = post(&http, &url).body(initialize(json!({})).to_string()).send().await;
        assert_eq!(response.expect("the server is there").status(), 503);
        asked += 1;
    }
    assert!(asked > 0);
    for _ in 0..100 {
        let request = post(&http, &url).body(initialize(json!({})).to_string());
        let response = in_time("a refusal", request.send()).await.expect("the server is there");
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "60");
        let answer: Value = response.json().await.expect("JSON-RPC callers get JSON-RPC");
        assert_eq!(answer["id"], 0);
        let message = answer["error"]["message"].as_str().expect("it says why");
        assert!(message.contains("failed too often"), "{message}");
    }
    assert_eq!(started(folder.path()), STARTS, "however many callers come");
    assert_eq!(metric(&standpipe, "standpipe_process_starts_total", r#""died""#).await, 4);
    let ready = reqwest::get(standpipe.url("/readyz")).await.expect("the server is there");
    let ready = ready.text().await.expect("a body");
    assert!(ready.contains("crash_loop"), "{ready}");
    let log = standpipe.log();
    assert_eq!(log.matches("a child was started").count(), STARTS, "each start is logged");
    assert_eq!(log.matches("failed too often and is not started again").count(), 1);
}
