//! The benchmarks as programs whose instructions are counted.
//!
//! Owns how they are built, what they can do, and how callgrind is told to count one operation. Must
//! not know which figure is a good one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::command;
use crate::install::valgrind::Valgrind;
use crate::workspace;

/// The crates with such a benchmark, and its name.
const BENCHMARKS: &[(&str, &str)] =
    &[("standpipe-core", "hot_path"), ("standpipe-process", "codec")];

/// The argument by which a benchmark is told that instructions are counted.
const INSTRUCTIONS: &str = "instructions";

/// The function in `crates/core/benches/hot_path/operation.rs` whose instructions count. Whatever
/// stands around the name is the compiler's.
const COUNTED: &str = "*counted_operation*";

/// What the C library is told, so that figures do not hang on it more than they must. Without `ERMS`
/// it copies with vectors: `rep movsb` counts as an instruction for each byte, beside which nothing
/// else would be seen. With a larger cache its `malloc` does not come to look for room in an order
/// that depends on the seeds of hash tables.
const TUNABLES: &str = "glibc.cpu.hwcaps=-ERMS:glibc.malloc.tcache_count=127";

/// One operation of a benchmark.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// What it is called.
    pub(super) name: String,
    /// How many messages it moves when its instructions are counted.
    pub(super) messages: u64,
}

/// Builds the benchmarks as the product is built.
pub(super) fn build() -> anyhow::Result<Vec<PathBuf>> {
    let mut build = workspace::cargo();
    build.args(["bench", "--no-run", "--locked", "--message-format=json-render-diagnostics"]);
    for (package, bench) in BENCHMARKS {
        build.arg(format!("--package={package}")).arg(format!("--bench={bench}"));
    }
    println!("    {}", command::shown(&build));
    let found = executables(&command::output(&mut build)?);
    if found.len() != BENCHMARKS.len() {
        bail!("cargo built {} benchmarks, not {}", found.len(), BENCHMARKS.len());
    }
    Ok(found)
}

/// What a benchmark can do.
pub(super) fn operations(benchmark: &Path) -> anyhow::Result<Vec<Operation>> {
    let list = command::output(Command::new(benchmark).arg(INSTRUCTIONS))?;
    list.lines()
        .map(|line| operation(line).with_context(|| format!("`{line}` is no operation")))
        .collect()
}

/// How many instructions one message takes. The profile is kept, for `callgrind_annotate`.
pub(super) fn count(
    valgrind: &Valgrind,
    benchmark: &Path,
    operation: &Operation,
) -> anyhow::Result<u64> {
    let Operation { name, messages } = operation;
    let folder = workspace::target_dir()?.join("instructions");
    fs::create_dir_all(&folder)?;
    let profile = folder.join(format!("{}.out", file_name(name)));
    let mut run = valgrind.command();
    run.args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(benchmark)
        .args([INSTRUCTIONS, name])
        .env("GLIBC_TUNABLES", TUNABLES);
    command::output(&mut run)?;
    let text = fs::read_to_string(&profile)
        .with_context(|| format!("callgrind has left no {}", profile.display()))?;
    match total(&text) {
        None => bail!("{} has no total", profile.display()),
        Some(0) => bail!("callgrind has not found {COUNTED}"),
        Some(total) => Ok(total.div_ceil(*messages)),
    }
}

/// The benchmarks among what cargo says that it has built.
pub(super) fn executables(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["kind"][0] == "bench")
        .filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .collect()
}

/// Reads `MESSAGES NAME`.
pub(super) fn operation(line: &str) -> Option<Operation> {
    let (messages, name) = line.split_once(' ')?;
    let messages = messages.parse().ok().filter(|messages| *messages > 0)?;
    Some(Operation { name: name.to_owned(), messages })
}

/// Reads the line `totals: INSTRUCTIONS` of a profile.
pub(super) fn total(profile: &str) -> Option<u64> {
    let totals = profile.lines().find_map(|line| line.strip_prefix("totals:"))?;
    totals.split_whitespace().next()?.parse().ok()
}

fn file_name(name: &str) -> String {
    let plain = |char: char| if char.is_alphanumeric() { char } else { '_' };
    name.chars().map(plain).collect()
}
