//! What keeps the limits of a service, before and after they are described anew.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::household::{Household, fixture, pid, until_dead};

#[tokio::test]
async fn the_status_follows_what_is_described() {
    let limits = json!({ "open_files": 99, "memory": "4GiB" });
    let limited = fixture(&json!({ "limits": limits }));
    let home = Household::serve(&[], &json!({ "a": limited }));
    home.connect("a").await;
    let status = home.status("a").await;
    assert_eq!(status["limits"]["open_files"], "rlimit", "{status}");
    assert!(status["limits"]["memory"].is_string(), "{status}");
    home.describe(&json!({ "a": fixture(&json!({})) }));
    home.reload("applied").await;
    home.connect("a").await;
    let status = home.status("a").await;
    assert!(status.get("limits").is_none(), "{status}");
}

/// A group below our own one, where we may make one.
struct Group(PathBuf);

impl Group {
    fn make() -> Option<Self> {
        let own = std::fs::read_to_string("/proc/self/cgroup").expect("there is a /proc");
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("there is a /proc");
        let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
        let mount = Path::new(mount.split(' ').nth(1)?);
        let path = mount.join(own).join(format!("standpipe-reload-{}", std::process::id()));
        std::fs::create_dir(&path).ok().map(|()| Self(path))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Left behind where something is in it, which the test has complained about.
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn a_child_is_in_a_group_that_was_named() {
    let Some(group) = Group::make() else {
        eprintln!("not run: no control group of version 2 can be made here");
        return;
    };
    let home = Household::serve(&[], &json!({}));
    let text = json!({
        "cgroup": group.0,
        "mcpServers": { "a": { "command": standpipe_testkit::fixture_path() } },
    });
    home.scribble(&text.to_string());
    home.reload("applied").await;
    home.until_logged("\"key\":\"cgroup\"").await;
    // It takes a restart, which another Standpipe stands for.
    let home = Household::serve_text(&text.to_string());
    let process = pid(&home.connect("a").await).await;
    let groups = std::fs::read_to_string(format!("/proc/{process}/cgroup")).expect("it is alive");
    let name = group.0.file_name().and_then(|name| name.to_str()).expect("it is text");
    assert!(groups.contains(&format!("{name}/standpipe.child.")), "{groups}");
    home.describe(&json!({}));
    home.reload("applied").await;
    until_dead(process).await;
    drop(home);
    std::fs::remove_dir(&group.0).expect("nothing is left in it");
}
