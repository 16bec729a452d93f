//! Manifests that follow the root, and manifests that do not.

use super::check;
use crate::workspace::File;

fn findings(path: &str, text: &str) -> Vec<String> {
    let file = File { path: path.to_owned(), text: text.to_owned() };
    check(&[file]).into_iter().map(|found| found.place).collect()
}

const GOOD: &str = "\
[package]
name = \"a\"

[dependencies]
# Why it is here.
bytes.workspace = true
tokio = { workspace = true, features = [\"rt\"] }

[lints]
workspace = true
";

#[test]
fn a_manifest_that_follows_the_root_is_clean() {
    assert_eq!(findings("crates/a/Cargo.toml", GOOD), [""; 0]);
}

#[test]
fn a_version_of_its_own_is_found_in_every_table() {
    for line in ["bytes = \"1\"", "tokio = { version = \"1\" }"] {
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let text = format!("[lints]\nworkspace = true\n[{table}]\n{line}\n");
            assert_eq!(
                findings("crates/a/Cargo.toml", &text),
                ["crates/a/Cargo.toml:4"],
                "{table}: {line}"
            );
        }
    }
}

#[test]
fn a_crate_without_the_shared_lints_is_found() {
    let text = GOOD.replace("[lints]\nworkspace = true\n", "");
    assert_eq!(findings("xtask/Cargo.toml", &text), ["xtask/Cargo.toml"]);
}

#[test]
fn manifests_outside_the_workspace_are_left_alone() {
    assert_eq!(findings("Cargo.toml", "[dependencies]\na = \"1\"\n"), [""; 0]);
}
