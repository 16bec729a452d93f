//! What every source file must and must not contain.
//!
//! Owns the rules on single files. Must not know how crates depend on each other. Clippy has no
//! lint for these.

#[cfg(test)]
mod tests;

use super::Finding;
use super::scrub::code_only;
use crate::workspace::File;

/// From this length on a file is named in the report.
pub(crate) const LONG: usize = 400;

/// Beyond this length a file is an error.
const TOO_LONG: usize = 500;

/// Code that may stand nowhere, with the reason.
const NOWHERE: &[(&str, &str)] = &[
    ("#[ignore", "a test runs or is deleted"),
    ("todo!(", "no stubs"),
    ("unimplemented!(", "no stubs"),
    ("#[allow(", "use #[expect(…, reason = \"…\")]"),
    ("#![allow(", "use #![expect(…, reason = \"…\")]"),
];

/// Code that may stand in one crate's sources only.
const ONLY_IN: &[(&str, &str)] = &[
    ("tokio::process", "crates/process/"),
    ("process_wrap", "crates/process/"),
    ("fork(", "crates/process/"),
];

/// Module names that say nothing of what the module owns.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "types", "manager", "misc"];

/// The file that holds the one table of services; awaiting there could hold a shard's lock.
const REGISTRY: &str = "crates/process/src/registry.rs";

/// Checks every rule on every file.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        white_space(file, &mut findings);
        if !file.is("rs") {
            continue;
        }
        let code = code_only(&file.text);
        length(file, &mut findings);
        content(&file.path, &code, &mut findings);
        if is_source(&file.path) {
            opening(file, &mut findings);
            place(&file.path, &code, &mut findings);
        }
        if file.path.ends_with("/src/lib.rs") {
            crate_root(&file.path, &code, &mut findings);
        }
    }
    findings
}

/// The file is long enough to be named, yet not an error.
pub(crate) fn is_long(file: &File) -> bool {
    file.is("rs") && (LONG + 1..=TOO_LONG).contains(&file.text.lines().count())
}

fn white_space(file: &File, findings: &mut Vec<Finding>) {
    for (number, line) in file.text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            findings.push(Finding::new(
                "white-space",
                at(&file.path, number),
                "ends in white space",
            ));
        }
    }
}

fn length(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > TOO_LONG {
        findings.push(Finding::new(
            "length",
            &file.path,
            format!("has {lines} lines, {TOO_LONG} are allowed; part it"),
        ));
    }
}

fn opening(file: &File, findings: &mut Vec<Finding>) {
    if !file.text.starts_with("//! ") {
        findings.push(Finding::new(
            "opening",
            &file.path,
            "does not open with `//!`: what it owns, what it must not know, why it exists",
        ));
    }
}

fn content(path: &str, code: &str, findings: &mut Vec<Finding>) {
    for (number, line) in code.lines().enumerate() {
        for (word, why) in NOWHERE {
            if line.contains(word) {
                findings.push(Finding::new(
                    "forbidden",
                    at(path, number),
                    format!("`{word}`: {why}"),
                ));
            }
        }
        if path == REGISTRY && line.contains(".await") {
            findings.push(Finding::new(
                "registry",
                at(path, number),
                "nothing may be awaited in the file that owns the table of services",
            ));
        }
    }
}

/// Rules for product code: tests of their own folder may start programs as they like.
fn place(path: &str, code: &str, findings: &mut Vec<Finding>) {
    for (number, line) in code.lines().enumerate() {
        for (word, folder) in ONLY_IN {
            if has_word(line, word) && !path.starts_with(folder) {
                findings.push(Finding::new(
                    "place",
                    at(path, number),
                    format!("`{word}` belongs to {folder}"),
                ));
            }
        }
    }
    let name = path.trim_end_matches(".rs").rsplit('/').next();
    if name.is_some_and(|name| EMPTY_NAMES.contains(&name)) {
        findings.push(Finding::new("name", path, "the name does not say what the module owns"));
    }
}

/// A crate's root holds documentation, modules and what they show, nothing else.
fn crate_root(path: &str, code: &str, findings: &mut Vec<Finding>) {
    for (number, line) in code.lines().enumerate() {
        let words = line.trim_start().trim_start_matches("pub ");
        let defines = ["fn ", "struct ", "enum ", "trait ", "impl ", "impl<", "const ", "static "]
            .iter()
            .any(|word| words.starts_with(word));
        if defines {
            findings.push(Finding::new(
                "crate-root",
                at(path, number),
                "lib.rs holds documentation, `mod` and `pub use` only",
            ));
        }
    }
}

/// `word` stands in `line` and is not the end of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        !line[..start].ends_with(|char: char| char.is_alphanumeric() || char == '_')
    })
}

/// The file is compiled into a crate, rather than a test beside it.
fn is_source(path: &str) -> bool {
    ["xtask/src/", "bench/src/"].iter().any(|folder| path.starts_with(folder))
        || (path.starts_with("crates/") && path.contains("/src/"))
}

fn at(path: &str, number: usize) -> String {
    format!("{path}:{}", number + 1)
}
