//! How many instructions each operation takes, as it was recorded.
//!
//! Owns the file, the tolerance, and the verdict on a new figure. Must not know how instructions are
//! counted. It exists so that a change that costs is a line in a commit.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use crate::workspace;

/// How far from its baseline a figure may be, in thousandths. Runs of one build differ by less than
/// one; another C library or another processor's way to copy and search memory makes up the rest.
const TOLERANCE: u64 = 50;

/// Instructions for one message, by the operation's name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// All that was recorded: for each architecture its own figures.
pub(crate) type Recorded = BTreeMap<String, Counts>;

/// What a new figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As before.
    Same,
    /// More than it may be.
    More,
    /// So much less that the baseline guards nothing any more.
    Less,
    /// There was none before.
    New,
}

/// Judges a new figure.
pub(crate) fn verdict(counted: u64, recorded: Option<u64>) -> Verdict {
    match recorded {
        None => Verdict::New,
        Some(recorded) if counted * 1000 > recorded * (1000 + TOLERANCE) => Verdict::More,
        Some(recorded) if counted * 1000 < recorded * (1000 - TOLERANCE) => Verdict::Less,
        Some(_) => Verdict::Same,
    }
}

/// The change in words: `+1.3 %`.
pub(crate) fn change(counted: u64, recorded: Option<u64>) -> String {
    let Some(recorded) = recorded.filter(|recorded| *recorded > 0) else {
        return "new".to_owned();
    };
    let part = (counted.abs_diff(recorded) * 1000 + recorded / 2) / recorded;
    let sign = if counted < recorded && part > 0 { '-' } else { '+' };
    format!("{sign}{}.{} %", part / 10, part % 10)
}

/// Reads the file.
pub(crate) fn read() -> anyhow::Result<Recorded> {
    let path = path();
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no baseline", path.display()))
}

/// Writes the file.
pub(crate) fn write(recorded: &Recorded) -> anyhow::Result<()> {
    let path = path();
    let text = serde_json::to_string_pretty(recorded)? + "\n";
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn path() -> PathBuf {
    workspace::root().join("xtask").join("instructions.json")
}
