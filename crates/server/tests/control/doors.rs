//! Where the control plane can be reached, and by whom.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use standpipe_testkit::is_alive;
use tempfile::TempDir;

use crate::household::{Household, Reply, TOKEN, fixture, line, through};
use crate::support::process::{Standpipe, binary, is_clean, send};
use crate::support::until;

fn scratch() -> TempDir {
    TempDir::with_prefix("standpipe-doors-").expect("there is room")
}

/// `standpipe serve` without a word about the control plane, where this is the user's own folder.
fn by_default(folder: &Path) -> Standpipe {
    let config = json!({ "mcpServers": { "x": fixture(&json!({})) } });
    Standpipe::start(line(folder, &config).env("XDG_RUNTIME_DIR", folder))
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o7777
}

async fn lists(socket: &Path) -> Value {
    let request = through(socket).get("http://localhost/api/v1/servers");
    let reply = Reply::of(request).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// Runs a command line to its end, which is to come by itself.
fn output(line: &mut Command) -> Output {
    let folder = scratch();
    line.env("XDG_RUNTIME_DIR", folder.path()).stdin(Stdio::null());
    line.output().expect("it can be started")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn serve_has_a_socket_of_its_user_alone_that_goes_with_it() {
    let folder = scratch();
    let mut standpipe = by_default(folder.path());
    let socket = folder.path().join("standpipe/control.sock");
    until("the socket", async || socket.exists()).await;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    assert_eq!(lists(&socket).await["servers"][0]["id"], "x");
    standpipe.signal(Signal::SIGTERM);
    assert!(is_clean(standpipe.wait()));
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_second_one_neither_fails_nor_takes_the_socket_of_the_first() {
    let folder = scratch();
    let socket = folder.path().join("standpipe/control.sock");
    let first = by_default(folder.path());
    until("the socket", async || socket.exists()).await;
    let mut second = by_default(folder.path());
    until("a warning", async || second.log().contains("another process listens there")).await;
    let of_first = Reply::of(through(&socket).get("http://localhost/api/v1/servers")).await;
    assert_eq!(of_first.status, 200);
    second.signal(Signal::SIGTERM);
    assert!(is_clean(second.wait()));
    lists(&socket).await;
    // One who is killed leaves it behind, and the next one takes it.
    let inner = first.inner();
    send(first.outer(), Signal::SIGKILL);
    until("the end of the first", async || !is_alive(inner)).await;
    assert!(socket.exists());
    let third = by_default(folder.path());
    lists(&socket).await;
    drop(third);
    assert!(!socket.exists());
    drop(first);
}

#[test]
fn a_socket_that_was_named_has_to_be_made() {
    let household = Household::serve(&json!({}), &json!({}));
    let folder = scratch();
    fs::write(folder.path().join("file"), "").unwrap();
    let cases = [
        (household.socket.clone(), "another process listens there"),
        (folder.path().join("file"), "no socket"),
        (folder.path().join("file/below.sock"), "its folder cannot be made"),
        (folder.path().join("x".repeat(200)), "longer than the system allows"),
    ];
    for (path, expected) in cases {
        let config = json!({ "control": { "socket": path }, "mcpServers": {} });
        let output = output(&mut line(folder.path(), &config));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(64), "{path:?}: {said}");
        assert!(said.contains(expected) && said.contains("control socket"), "{said}");
        assert!(output.stdout.is_empty(), "nothing was served");
    }
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"");
}

#[tokio::test]
async fn a_usual_socket_that_cannot_be_made_is_missed_and_no_more() {
    let folder = scratch();
    let config = json!({ "mcpServers": {} });
    let mut start = line(folder.path(), &config);
    let standpipe = Standpipe::start(start.env("XDG_RUNTIME_DIR", "/dev/null/nowhere"));
    until("a warning", async || standpipe.log().contains("there is no control socket")).await;
    let reply = Reply::of(reqwest::Client::new().get(standpipe.url("/healthz"))).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn run_has_none_unless_it_is_said() {
    let folder = scratch();
    let fixture = standpipe_testkit::fixture_path();
    let socket = folder.path().join("run.sock");
    for said in [false, true] {
        let mut line = Command::new(binary());
        line.args(["run", "--listen", "127.0.0.1:0", "--id", "x"]);
        line.env("XDG_RUNTIME_DIR", folder.path());
        if said {
            line.env("STANDPIPE_CONTROL__SOCKET", &socket);
        }
        let standpipe =
            Standpipe::start(line.arg("--").arg(&fixture).args(["--instructions", "i"]));
        let http = reqwest::Client::new();
        // It serves, so everything that is to be open is.
        assert_eq!(Reply::of(http.get(standpipe.url("/healthz"))).await.status, 200);
        assert!(!folder.path().join("standpipe").exists());
        assert_eq!(socket.exists(), said);
        if said {
            let url = "http://localhost/api/v1/servers/x";
            let shown = Reply::of(through(&socket).get(url)).await.json();
            assert_eq!(shown["config"]["args"], json!(["--instructions", "i"]));
        }
    }
}

#[test]
fn tcp_without_a_whole_key_is_refused() {
    let folder = scratch();
    let cases = [
        (json!({ "listen": "127.0.0.1:0" }), "control.token"),
        (json!({ "listen": "127.0.0.1:0", "token": "too-short" }), "16 bytes"),
        (json!({ "listen": "127.0.0.1:18085", "token": TOKEN }), "one of its own"),
        (json!({ "listen": "0.0.0.0:0", "token": TOKEN }), "allow_host"),
    ];
    for (control, expected) in cases {
        let config = json!({ "listen": "127.0.0.1:18085", "control": control, "mcpServers": {} });
        let mut line = Command::new(binary());
        let file = folder.path().join("config.json");
        fs::write(&file, config.to_string()).unwrap();
        let output = output(line.args(["serve", "--config"]).arg(&file));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains(TOKEN), "{said}");
    }
}

#[tokio::test]
async fn connections_are_bounded_and_the_next_one_is_told_so() {
    use tokio::io::AsyncReadExt as _;
    let household = Household::serve(&json!({}), &json!({}));
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(tokio::net::UnixStream::connect(&household.socket).await.unwrap());
    }
    let mut refused = tokio::net::UnixStream::connect(&household.socket).await.unwrap();
    let mut answer = String::new();
    let reading = refused.read_to_string(&mut answer);
    crate::support::in_time("a refusal", reading).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("urn:standpipe:problem:connections"), "{answer}");
    drop(open);
    until("room", async || {
        let request = household.request(reqwest::Method::GET, "/api/v1/servers");
        request.send().await.is_ok_and(|reply| reply.status() == 200)
    })
    .await;
}
