//! Which foreign package may be used by which of our crates.
//!
//! Owns the table of packages that belong to one layer. Must not know of edges between our own
//! crates. Without it the first convenient import would carry HTTP into the core.

#[cfg(test)]
mod tests;

use super::{Finding, Member};

const RULE: &str = "dependencies";

/// Which crates a rule speaks of.
#[derive(Clone, Copy)]
enum Where {
    /// Only these may use the package.
    OnlyIn(&'static [&'static str]),
    /// These may not, others may.
    NotIn(&'static [&'static str]),
}

/// A package name; `*` at the end stands for any ending.
const RULES: &[(&str, Where)] = &[
    ("axum*", NO_HTTP),
    ("http", NO_HTTP),
    ("http-*", NO_HTTP),
    ("hyper*", NO_HTTP),
    ("tower-http", NO_HTTP),
    ("process-wrap", Where::OnlyIn(&["standpipe-process"])),
    ("prometheus*", Where::OnlyIn(&["standpipe-metrics"])),
    ("figment*", SERVER),
    ("clap*", SERVER),
    ("opentelemetry*", SERVER),
    ("tracing-opentelemetry", SERVER),
    ("anyhow", Where::OnlyIn(&["standpipe", "xtask"])),
];

const NO_HTTP: Where = Where::NotIn(&["standpipe-core", "standpipe-process", "standpipe-metrics"]);
const SERVER: Where = Where::OnlyIn(&["standpipe"]);

/// Finds every dependency that belongs to another layer. Development dependencies count too:
/// a test that needs HTTP belongs to a layer that has it.
pub(crate) fn check(members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        for dependency in &member.dependencies {
            let broken = RULES.iter().any(|(pattern, place)| {
                is_match(pattern, &dependency.name) && !is_allowed(*place, &member.name)
            });
            if broken {
                findings.push(Finding::new(
                    RULE,
                    &member.name,
                    format!("must not depend on {}", dependency.name),
                ));
            }
        }
    }
    findings
}

fn is_match(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

fn is_allowed(place: Where, member: &str) -> bool {
    match place {
        Where::OnlyIn(members) => members.contains(&member),
        Where::NotIn(members) => !members.contains(&member),
    }
}
