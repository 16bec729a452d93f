//! What every crate's manifest must say.
//!
//! Owns the rule that versions and lints are chosen once, in the root manifest. Must not know of
//! layers. Read as text: cargo's metadata no longer tells where a version came from.

#[cfg(test)]
mod tests;

use super::Finding;
use crate::workspace::File;

const RULE: &str = "manifests";

/// Finds crates that choose a version of their own or go without the shared lints.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| is_member(&file.path)).flat_map(check_one).collect()
}

fn is_member(path: &str) -> bool {
    matches!(path, "xtask/Cargo.toml" | "bench/Cargo.toml")
        || (path.starts_with("crates/") && path.ends_with("/Cargo.toml"))
}

fn check_one(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut section = "";
    let mut has_lints = false;
    for (number, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
            continue;
        }
        has_lints |= section == "[lints]" && line == "workspace = true";
        let names_package = section.ends_with("dependencies]") && line.contains('=');
        let shared = line.contains(".workspace = true") || line.contains("workspace = true,");
        if names_package && !line.starts_with('#') && !shared {
            findings.push(Finding::new(
                RULE,
                format!("{}:{}", file.path, number + 1),
                "a dependency's version belongs to [workspace.dependencies]",
            ));
        }
    }
    if !has_lints {
        findings.push(Finding::new(RULE, &file.path, "has no `[lints] workspace = true`"));
    }
    findings
}
