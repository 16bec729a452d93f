//! The rules of this repository that no compiler checks.
//!
//! Owns the list of rules and their report. Each rule is a pure function from what is in the
//! repository to findings, so that each is tested on small made-up inputs. Must not know how the
//! findings are counted elsewhere.

mod dependencies;
mod documents;
mod edges;
mod manifests;
mod scrub;
mod sources;

use std::collections::BTreeSet;

use anyhow::Context;
use serde_json::Value;

use crate::tally::Tally;
use crate::workspace::{self, File};

/// Files whose text the white-space rule reads.
const TEXT: &[&str] = &[".rs", ".toml", ".md", ".py", ".js", ".mjs", ".sh", ".yml", ".yaml"];

/// One place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The rule's short name.
    pub(crate) rule: &'static str,
    /// The file, with a line where one is known, or the crate.
    pub(crate) place: String,
    /// What is wrong there, and what to do.
    pub(crate) says: String,
}

impl Finding {
    pub(crate) fn new(
        rule: &'static str,
        place: impl Into<String>,
        says: impl Into<String>,
    ) -> Self {
        Self { rule, place: place.into(), says: says.into() }
    }
}

/// One crate of the workspace and what its manifest asks for directly.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The package name.
    pub(crate) name: String,
    /// Its direct dependencies.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependency tables.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    /// The package name of what is depended on.
    pub(crate) name: String,
    /// It stands under `[dev-dependencies]`.
    pub(crate) dev: bool,
}

/// Checks every rule and counts each as one check.
pub(crate) fn run(tally: &mut Tally) -> anyhow::Result<()> {
    println!("\n==> tidy");
    let members = members(&workspace::metadata()?)?;
    let files = workspace::files(TEXT)?;
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let paths = all_paths()?;

    let rules: [(&str, Vec<Finding>); 6] = [
        ("edges between crates", edges::check(&members)),
        ("who may use which dependency", dependencies::check(&members)),
        ("manifests", manifests::check(&files)),
        ("sources", sources::check(&files)),
        ("crates named in the documents", documents::mentions(&files, &names)),
        ("links in the documents", documents::links(&files, &paths)),
    ];
    for (name, findings) in rules {
        if findings.is_empty() {
            println!("    ok   {name}");
            tally.pass();
            continue;
        }
        println!("    FAIL {name}");
        for Finding { rule, place, says } in &findings {
            println!("         {place}: {says} [{rule}]");
        }
        tally.fail(format!("tidy, {name}: {} findings", findings.len()));
    }
    for file in &files {
        if sources::is_long(file) {
            let File { path, text } = file;
            println!(
                "    note {path} has {} lines; {} is where to think of parting it",
                text.lines().count(),
                sources::LONG
            );
        }
    }
    Ok(())
}

/// Every file and folder of the repository, for checking links.
fn all_paths() -> anyhow::Result<BTreeSet<String>> {
    let mut paths = BTreeSet::from([String::new()]);
    // Links lead to text files only; a wider list would have to read pictures as text.
    let endings = [TEXT, &["LICENSE-MIT", "LICENSE-APACHE", ".json", "run"]].concat();
    for file in workspace::files(&endings)? {
        let mut path = file.path.as_str();
        paths.insert(path.to_owned());
        while let Some((folder, _)) = path.rsplit_once('/') {
            paths.insert(folder.to_owned());
            path = folder;
        }
    }
    Ok(paths)
}

fn members(metadata: &Value) -> anyhow::Result<Vec<Member>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().context("a package has no name")?;
            let dependencies = package["dependencies"]
                .as_array()
                .context("a package lists no dependencies")?
                .iter()
                .filter_map(|dependency| {
                    Some(Dependency {
                        name: dependency["name"].as_str()?.to_owned(),
                        dev: dependency["kind"] == "dev",
                    })
                })
                .collect();
            Ok(Member { name: name.to_owned(), dependencies })
        })
        .collect()
}
