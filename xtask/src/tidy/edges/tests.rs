//! Arrows that are allowed, and arrows that are not.

use super::super::{Dependency, Member};
use super::{ARROWS, check};

fn workspace_with(from: &str, to: &str, dev: bool) -> Vec<Member> {
    ARROWS
        .iter()
        .map(|(name, _)| Member {
            name: (*name).to_owned(),
            dependencies: if *name == from {
                vec![Dependency { name: to.to_owned(), dev }]
            } else {
                Vec::new()
            },
        })
        .collect()
}

#[test]
fn arrows_that_go_down_are_allowed() {
    for (from, to) in [
        ("standpipe-metrics", "standpipe-core"),
        ("standpipe-process", "standpipe-metrics"),
        ("standpipe-transport-sse", "standpipe-core"),
        ("standpipe-transport-stream", "standpipe-metrics"),
        ("standpipe", "standpipe-process"),
        ("standpipe", "serde"),
    ] {
        let members = workspace_with(from, to, false);
        assert_eq!(check(&members), [], "{from} -> {to}");
    }
}

#[test]
fn arrows_that_go_up_or_across_are_found() {
    for (from, to) in [
        ("standpipe-core", "standpipe-metrics"),
        ("standpipe-process", "standpipe-transport-stream"),
        ("standpipe-transport-sse", "standpipe-transport-stream"),
        ("standpipe-transport-stream", "standpipe-process"),
        ("standpipe-process", "standpipe"),
        ("standpipe-testkit", "standpipe-core"),
        ("xtask", "standpipe-core"),
    ] {
        let findings = check(&workspace_with(from, to, false));
        assert_eq!(findings.len(), 1, "{from} -> {to}");
        assert!(findings[0].says.contains(to), "{from} -> {to}");
    }
}

#[test]
fn the_testkit_is_for_tests_only() {
    let for_tests = workspace_with("standpipe-process", "standpipe-testkit", true);
    assert_eq!(check(&for_tests), []);
    let in_the_product = workspace_with("standpipe-process", "standpipe-testkit", false);
    assert_eq!(check(&in_the_product).len(), 1);
    let in_xtask = workspace_with("xtask", "standpipe-testkit", true);
    assert_eq!(check(&in_xtask).len(), 1);
}

#[test]
fn a_development_dependency_may_not_go_up_either() {
    let members = workspace_with("standpipe-core", "standpipe", true);
    assert_eq!(check(&members).len(), 1);
}

#[test]
fn a_crate_without_a_place_is_found() {
    let members = [Member { name: "standpipe-new".to_owned(), dependencies: Vec::new() }];
    assert_eq!(check(&members).len(), 1);
}
