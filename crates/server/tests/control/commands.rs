//! `standpipe servers`, as it is typed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::household::{Household, TOKEN, chatty, fixture, hopeless};
use crate::support::process::binary;

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn run(mut line: Command) -> Said {
    // Nothing that lies around here may matter.
    for name in ["STANDPIPE_CONTROL_SOCKET", "STANDPIPE_CONTROL_URL", "STANDPIPE_CONTROL_TOKEN"] {
        if !line.get_envs().any(|(set, _)| set == name) {
            line.env_remove(name);
        }
    }
    line.stdin(Stdio::null());
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(move || line.output())
        .await
        .expect("the waiting thread does not panic")
        .expect("the binary under test can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

impl Household {
    /// What a command prints that succeeds.
    async fn ok(&self, args: &[&str]) -> String {
        let said = run(self.servers(args)).await;
        assert_eq!(said.code, Some(0), "{args:?}: {}", said.err);
        said.out
    }

    /// What one complains of that ends with this code.
    async fn fails(&self, code: i32, args: &[&str]) -> String {
        let said = run(self.servers(args)).await;
        assert_eq!(said.code, Some(code), "{args:?}: {} {}", said.out, said.err);
        assert!(said.out.is_empty(), "{}", said.out);
        said.err
    }
}

#[tokio::test]
async fn services_are_added_looked_at_and_removed() {
    let household = Household::serve(&json!({ "old": hopeless() }), &json!({}));
    let fixture = standpipe_testkit::fixture_path();
    let fixture = fixture.to_str().unwrap();
    let added = household
        .ok(&[
            "add",
            "new",
            "--env",
            "KEY=s3cret",
            "--cwd",
            ".",
            "--",
            fixture,
            "--instructions",
            "${env:X}",
        ])
        .await;
    assert_eq!(added, "new: served at /servers/new/mcp\n");
    let list = household.ok(&["ls"]).await;
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..3], ["ID", "STATE", "PHASE"]);
    assert_eq!(rows[1][..3], ["new", "pending", "idle"]);
    assert_eq!(rows[2][..3], ["old", "pending", "idle"]);
    let shown = household.ok(&["show", "new"]).await;
    assert!(shown.contains("\"KEY\": \"[redacted]\""), "{shown}");
    let shown: Value =
        serde_json::from_str(&household.ok(&["show", "new", "--json"]).await).unwrap();
    assert_eq!(shown["config"]["args"][1], "${env:X}", "the shell's words are meant as they are");
    let here = std::env::current_dir().unwrap();
    assert_eq!(shown["config"]["cwd"], here.to_str().unwrap());
    assert!(household.ok(&["start", "new"]).await.starts_with("new: "));
    household.until_phase("new", "ready").await;
    assert_eq!(
        household.ok(&["stop", "new", "old"]).await,
        "new: pending (idle)\nold: pending (idle)\n"
    );
    let json: Value = serde_json::from_str(&household.ok(&["ls", "--json"]).await).unwrap();
    assert_eq!(json["servers"][0]["id"], "new");
    assert_eq!(household.ok(&["rm", "new"]).await, "new: removed\n");
    let err = household.fails(1, &["rm", "new"]).await;
    assert!(err.contains("no service `new`"), "{err}");
}

#[tokio::test]
async fn an_entry_is_taken_from_a_file_and_its_mistakes_are_listed() {
    let household = Household::serve(&json!({}), &json!({}));
    let file = household.folder.path().join("entry.json");
    std::fs::write(&file, fixture(&json!({ "sharing": "session" })).to_string()).unwrap();
    household.ok(&["add", "x", "--entry", file.to_str().unwrap()]).await;
    assert_eq!(household.server("x").await["config"]["sharing"], "session");
    std::fs::write(&file, r#"{"comand":"x","restart":{"cool":1}}"#).unwrap();
    let err = household.fails(64, &["add", "y", "--entry", file.to_str().unwrap()]).await;
    assert!(err.contains("`comand`: unknown key; did you mean `command`?"), "{err}");
    assert!(err.contains("`restart.cool`"), "{err}");
    std::fs::write(&file, "{").unwrap();
    let err = household.fails(64, &["add", "y", "--entry", file.to_str().unwrap()]).await;
    assert!(err.contains("not valid JSON"), "{err}");
    let mut line = household.servers(&["add", "z", "--entry", "-"]);
    let mut child = line.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(fixture(&json!({})).to_string().as_bytes()).unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert!(ended.success());
    household.server("z").await;
}

#[tokio::test]
async fn a_crash_loop_is_left_by_a_restart_and_nothing_else() {
    let household = Household::serve(&json!({ "bad": hopeless() }), &json!({}));
    household.ok(&["start", "bad"]).await;
    household.until_phase("bad", "crash_loop").await;
    let err = household.fails(1, &["start", "bad"]).await;
    assert!(err.contains("crash loop") && err.contains("restart"), "{err}");
    let shown = household.ok(&["show", "bad"]).await;
    assert!(shown.contains("error (crash_loop): exited with status 3"), "{shown}");
    assert!(shown.contains("no hope"), "{shown}");
    household.ok(&["restart", "bad"]).await;
    household.until_phase("bad", "crash_loop").await;
    assert_eq!(household.server("bad").await["generation"], 2);
}

#[tokio::test]
async fn logs_are_printed_and_followed() {
    let household = Household::serve(&json!({ "x": chatty("one\\ntwo\\n") }), &json!({}));
    household.ok(&["start", "x"]).await;
    household.until_phase("x", "ready").await;
    let lines = household.ok(&["logs", "x", "-n", "1"]).await;
    assert!(lines.ends_with(" [1] two\n"), "{lines}");
    let mut line = household.servers(&["logs", "x", "--follow", "--json"]);
    let mut child = line.stdout(Stdio::piped()).spawn().unwrap();
    let out = child.stdout.take().unwrap();
    let (send, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            send.send((line["generation"].as_u64(), line["text"].clone())).unwrap();
        }
    });
    let mut next = async || crate::support::in_time("a line", lines.recv()).await;
    assert_eq!(next().await, Some((Some(1), json!("one"))));
    assert_eq!(next().await, Some((Some(1), json!("two"))));
    household.ok(&["restart", "x"]).await;
    assert_eq!(next().await, Some((Some(2), json!("one"))));
    assert_eq!(next().await, Some((Some(2), json!("two"))));
    household.ok(&["rm", "x"]).await;
    assert_eq!(next().await, None);
    reader.join().unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert!(ended.success());
}

#[tokio::test]
async fn over_tcp_it_takes_the_token() {
    let more = json!({ "control": { "listen": "127.0.0.1:0", "token": TOKEN } });
    let household = Household::serve(&json!({ "x": fixture(&json!({})) }), &more);
    let address = household.address().await;
    let line = |args: &[&str]| {
        let mut line = Command::new(binary());
        line.args(["servers", "ls", "--json"]).args(args);
        line
    };
    for said in [run(line(&["--url", &address, "--token", TOKEN])).await, {
        let mut line = line(&[]);
        line.env("STANDPIPE_CONTROL_URL", &address).env("STANDPIPE_CONTROL_TOKEN", TOKEN);
        run(line).await
    }] {
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.out.contains("\"x\""), "{}", said.out);
    }
    let wrong = run(line(&["--url", &address, "--token", "another-token-here"])).await;
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("token"), "{}", wrong.err);
    let cases: &[(&[&str], &str)] = &[
        (&["--url", &address], "--token"),
        (&["--url", "https://127.0.0.1:1", "--token", TOKEN], "http://"),
        (&["--url", &address, "--token", TOKEN, "--socket", "/x"], "one of them"),
    ];
    for (args, expected) in cases {
        let said = run(line(args)).await;
        assert_eq!(said.code, Some(64), "{args:?}: {}", said.err);
        assert!(said.err.contains(expected), "{}", said.err);
    }
}

#[tokio::test]
async fn without_a_standpipe_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.sock");
    let lines: [&[&str]; 2] = [&["--socket", missing.to_str().unwrap()], &[]];
    for args in lines {
        let mut line = Command::new(binary());
        line.args(["servers", "ls"]).args(args).env("XDG_RUNTIME_DIR", folder.path());
        let said = run(line).await;
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(said.err.contains("is `standpipe serve` running"), "{}", said.err);
    }
    let mut line = Command::new(binary());
    line.args(["servers", "show", "a/b", "--socket", "/x"]);
    let said = run(line).await;
    assert_eq!(said.code, Some(64), "{}", said.err);
}
