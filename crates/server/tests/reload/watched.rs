//! `--watch`: a change is noticed without anybody's word.

use std::fs;

use serde_json::json;

use crate::household::{Household, fixture, pid, until_dead};

#[tokio::test]
async fn files_that_are_written_or_replaced_are_read_again() {
    let entry = || fixture(&json!({ "env": { "SECRET": "${file:HERE/secret}" } }));
    let home = Household::serve(&["--watch"], &json!({ "kept": fixture(&json!({})) }));
    let kept = home.connect("kept").await;
    let process = pid(&kept).await;

    // A mistake first: what is missing comes later.
    home.describe_by_rename(&json!({ "kept": fixture(&json!({})), "new": entry() }));
    home.until_reloaded("rejected", 1).await;
    let secret = home.folder.path().join("secret");
    fs::write(&secret, "one\n").unwrap();
    home.until_reloaded("applied", 1).await;
    let new = home.connect("new").await;
    assert_eq!(new.text(1, "env", json!({ "name": "SECRET" })).await, "one");
    let new_pid = pid(&new).await;

    // Only the file that is referred to, and by another one in its place.
    let other = home.folder.path().join("other");
    fs::write(&other, "two\n").unwrap();
    fs::rename(&other, &secret).unwrap();
    home.until_reloaded("applied", 2).await;
    until_dead(new_pid).await;
    let new = home.connect("new").await;
    assert_eq!(new.text(1, "env", json!({ "name": "SECRET" })).await, "two");

    // In place.
    home.describe(&json!({ "kept": fixture(&json!({})) }));
    home.until_reloaded("applied", 3).await;
    assert_eq!(home.refusal("new").await, 404);

    // SIGHUP means the same as ever.
    home.reload("unchanged").await;
    assert_eq!(pid(&kept).await, process);
    assert_eq!(home.reloads("rejected").await, 1);
}

#[tokio::test]
async fn without_it_nothing_is_read_before_it_is_asked_for() {
    let home = Household::serve(&[], &json!({ "a": fixture(&json!({})) }));
    home.describe(&json!({ "b": fixture(&json!({})) }));
    home.connect("a").await;
    assert_eq!(home.refusal("b").await, 404);
    home.reload("applied").await;
    home.connect("b").await;
    assert_eq!(home.refusal("a").await, 404);
    assert_eq!(home.reloads("applied").await, 1);
}
