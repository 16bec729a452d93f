//! Which of our crates may depend on which.
//!
//! Owns the table of arrows. Must not know of foreign packages. The layers are what keeps the
//! process half and the transport half apart, so an arrow too many is an error, not a style.

#[cfg(test)]
mod tests;

use super::{Finding, Member};

const RULE: &str = "edges";

/// The crate for tests. Any crate but itself may use it, as a development dependency only.
const TESTKIT: &str = "standpipe-testkit";

/// What each crate may depend on. A crate that is not listed may depend on none of the others.
const ARROWS: &[(&str, &[&str])] = &[
    ("standpipe-core", &[]),
    ("standpipe-metrics", &["standpipe-core"]),
    ("standpipe-process", &["standpipe-core", "standpipe-metrics"]),
    ("standpipe-transport-sse", &["standpipe-core", "standpipe-metrics"]),
    ("standpipe-transport-stream", &["standpipe-core", "standpipe-metrics"]),
    (
        "standpipe",
        &[
            "standpipe-core",
            "standpipe-metrics",
            "standpipe-process",
            "standpipe-transport-sse",
            "standpipe-transport-stream",
        ],
    ),
    (TESTKIT, &[]),
    // Measures the others from outside, and must not share their mistakes.
    ("standpipe-bench", &[]),
    ("xtask", &[]),
];

/// Finds every edge that is not in the table, and every crate the table does not know.
pub(crate) fn check(members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == member.name) else {
            findings.push(Finding::new(
                RULE,
                &member.name,
                "is not in the table of layers; decide its place in xtask/src/tidy/edges.rs",
            ));
            continue;
        };
        for dependency in &member.dependencies {
            let to = dependency.name.as_str();
            let ours = members.iter().any(|other| other.name == to);
            let for_tests =
                to == TESTKIT && dependency.dev && member.name != TESTKIT && member.name != "xtask";
            if ours && !for_tests && !allowed.contains(&to) {
                findings.push(Finding::new(RULE, &member.name, format!("must not depend on {to}")));
            }
        }
    }
    findings
}
