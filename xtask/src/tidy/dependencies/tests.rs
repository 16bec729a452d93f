//! Packages in their layer, and packages out of it.

use super::super::{Dependency, Member};
use super::check;

fn findings(member: &str, dependency: &str) -> usize {
    check(&[Member {
        name: member.to_owned(),
        dependencies: vec![Dependency { name: dependency.to_owned(), dev: false }],
    }])
    .len()
}

#[test]
fn packages_in_their_own_layer_are_allowed() {
    for (member, dependency) in [
        ("standpipe", "axum"),
        ("standpipe", "clap_complete"),
        ("standpipe", "anyhow"),
        ("xtask", "anyhow"),
        ("standpipe-transport-sse", "http"),
        ("standpipe-process", "process-wrap"),
        ("standpipe-metrics", "prometheus"),
        ("standpipe-core", "httparse"),
    ] {
        assert_eq!(findings(member, dependency), 0, "{member} {dependency}");
    }
}

#[test]
fn packages_of_another_layer_are_found() {
    for (member, dependency) in [
        ("standpipe-core", "http"),
        ("standpipe-core", "http-body-util"),
        ("standpipe-process", "axum"),
        ("standpipe-metrics", "hyper-util"),
        ("standpipe-process", "prometheus"),
        ("standpipe", "process-wrap"),
        ("standpipe-core", "anyhow"),
        ("standpipe-transport-stream", "figment"),
        ("standpipe-testkit", "clap"),
        ("standpipe-metrics", "opentelemetry-otlp"),
    ] {
        assert_eq!(findings(member, dependency), 1, "{member} {dependency}");
    }
}
