//! The programs together: each reference server under each kind of load that it can answer.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const ECHO: &str = env!("CARGO_BIN_EXE_bench-echo");
const LOAD: &str = env!("CARGO_BIN_EXE_bench-load");
const BARE: &str = env!("CARGO_BIN_EXE_bench-bare");
const FLOOR: &str = env!("CARGO_BIN_EXE_bench-floor");

/// A reference server; its child ends with it.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child =
            Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url }
    }

    /// Loads it and expects that every answer was right.
    fn load(&self, path: &str, arguments: &str) {
        let output = Command::new(LOAD)
            .args(["--url", &format!("{}{path}", self.url)])
            .args(["--pid", &self.child.id().to_string()])
            .args(arguments.split_whitespace())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{path} {arguments}: {printed} {complaint}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn bare_answers_every_kind_of_call() {
    let bare = Server::start(BARE, &[]);
    for load in [
        "--sessions 3 --requests 100",
        "--sessions 3 --requests 100 --answer stream",
        "--sessions 2 --requests 10 --tool blob --bytes 1000000",
        "--sessions 3 --requests 100 --transport modern",
        "--sessions 3 --requests 100 --transport modern --answer stream",
        "--idle 10 --get-stream",
    ] {
        bare.load("/mcp", load);
    }
}

#[test]
fn floor_gives_every_caller_its_own_answer() {
    let floor = Server::start(FLOOR, &["--threads", "2", "--", ECHO]);
    for load in [
        "--sessions 8 --requests 1000",
        "--sessions 8 --requests 1000 --answer stream",
        "--sessions 3 --requests 20 --bytes 1000000",
        "--sessions 3 --requests 20 --bytes 100000 --answer stream",
        "--sessions 2 --requests 10 --tool blob --bytes 1000000",
    ] {
        floor.load("/mcp", load);
    }
    floor.load("/sse", "--sessions 8 --requests 1000 --transport sse");
    floor.load("/sse", "--sessions 8 --requests 1000 --transport sse --answer stream");
    floor.load("/sse", "--sessions 2 --requests 20 --transport sse --bytes 1000000");
}

#[test]
fn floor_opens_a_modern_child_as_such() {
    let floor = Server::start(FLOOR, &["--modern", "--", ECHO, "--era", "modern"]);
    floor.load("/mcp", "--sessions 8 --requests 1000 --transport modern");
}

#[test]
fn a_wrong_answer_is_noticed() {
    let child = format!("{ECHO} | sed --unbuffered 's/\"00001-/\"00002-/'");
    let floor = Server::start(FLOOR, &["--", "sh", "-c", &child]);
    let output = Command::new(LOAD)
        .args(["--url", &format!("{}/mcp", floor.url), "--sessions", "2", "--requests", "100"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["wrong"], 1, "{report}");
}
