//! Services that were put in through the control plane go before files.

use std::process::Command;

use serde_json::{Value, json};
use standpipe_testkit::fixture_path;

use crate::household::{Household, fixture, pid};
use crate::support::process::binary;

#[tokio::test]
async fn a_reload_leaves_alone_what_the_control_plane_has_described() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let by_file = |version: &str| fixture(&json!({ "env": { "VERSION": version } }));
    // With one beside it, so that there is something to apply.
    let text = |at_stake: &Value, beside: &str| {
        let mut servers = json!({ "beside": by_file(beside) });
        if !at_stake.is_null() {
            servers["a"] = at_stake.clone();
        }
        json!({ "control": { "socket": socket }, "mcpServers": servers }).to_string()
    };
    let home = Household::serve_text(&text(&by_file("file 1"), "1"));
    let added = Command::new(binary())
        .args(["servers", "--socket"])
        .arg(&socket)
        .args(["add", "a", "--env", "VERSION=by hand", "--"])
        .arg(fixture_path())
        .output()
        .expect("it runs");
    assert!(added.status.success(), "{added:?}");
    let client = home.connect("a").await;
    let process = pid(&client).await;

    // Described otherwise, and then not at all: in neither case it is the file's to change.
    for (round, at_stake) in [by_file("file 2"), Value::Null].iter().enumerate() {
        home.scribble(&text(at_stake, &format!("again {round}")));
        home.reload("applied").await;
        assert_eq!(pid(&client).await, process, "{at_stake}");
        assert_eq!(client.text(1, "env", json!({ "name": "VERSION" })).await, "by hand");
    }
    home.until_logged("described through the control plane").await;
}
