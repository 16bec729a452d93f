//! Whether the documents speak of what is there.
//!
//! Owns the rules on Markdown files: every crate is named where a reader looks for it, and every
//! link inside the repository leads somewhere. Must not know what the documents say.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::Finding;
use crate::workspace::File;

/// The documents that must name every crate.
const MAPS: &[&str] = &["README.md", "ARCHITECTURE.md"];

/// Finds crates that a map does not name, and maps that are missing.
pub(crate) fn mentions(files: &[File], crates: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for map in MAPS {
        let Some(file) = files.iter().find(|file| file.path == *map) else {
            findings.push(Finding::new("mentions", *map, "is missing"));
            continue;
        };
        for name in crates {
            if !file.text.contains(&format!("`{name}`")) {
                findings.push(Finding::new("mentions", *map, format!("does not name `{name}`")));
            }
        }
    }
    findings
}

/// Finds links that lead to a file which is not in the repository.
pub(crate) fn links(files: &[File], paths: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is("md")) {
        let mut in_code = false;
        for (number, line) in file.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            }
            if in_code {
                continue;
            }
            for target in targets(line) {
                if !leads_somewhere(&file.path, target, paths) {
                    findings.push(Finding::new(
                        "links",
                        format!("{}:{}", file.path, number + 1),
                        format!("`{target}` is not in the repository"),
                    ));
                }
            }
        }
    }
    findings
}

/// The targets of `[text](target)` in one line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

fn leads_somewhere(from: &str, target: &str, paths: &BTreeSet<String>) -> bool {
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
    let path = target.split('#').next().unwrap_or_default();
    if is_elsewhere || path.is_empty() {
        return true;
    }
    let mut parts: Vec<&str> = match (target.strip_prefix('/'), from.rsplit_once('/')) {
        (None, Some((folder, _))) => folder.split('/').collect(),
        _ => Vec::new(),
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return false;
                }
            }
            _ => parts.push(part),
        }
    }
    paths.contains(&parts.join("/"))
}
