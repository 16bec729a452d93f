//! The guard on the hot path: how many instructions each of its operations takes.
//!
//! Owns the comparison with what was recorded, and its report. Must not know what the operations do:
//! they are in the benchmarks of `crates/core` and `crates/process`. Instructions are counted and not
//! time, because they are the same on a busy machine: a change that costs a twentieth is seen.
//!
//! They are not the same everywhere. The C library and `memchr` have several ways to copy and to
//! search memory and choose by the processor; under valgrind that is an emulated one without AVX-512,
//! so that processors with AVX2 give the same figures. Another release of the C library may not.

mod baseline;
mod program;
#[cfg(test)]
mod tests;

use std::env::consts::ARCH;

use anyhow::bail;
use baseline::{Counts, Recorded, Verdict};

use crate::install::valgrind::Valgrind;
use crate::tally::Tally;

/// How the baseline is made anew.
const RECORD: &str = "cargo xtask instructions --record";

/// Counts, and compares with the baseline or makes it anew.
pub(crate) fn task(arguments: &[String], tally: &mut Tally) -> anyhow::Result<()> {
    match arguments {
        [] => guard(tally),
        [record] if record == "--record" => {
            let counts = counts()?;
            let mut recorded = baseline::read().unwrap_or_default();
            print(&counts, recorded.get(ARCH));
            recorded.insert(ARCH.to_owned(), counts);
            baseline::write(&recorded)?;
            println!("    recorded");
            tally.pass();
            Ok(())
        }
        _ => bail!("there is no option {}; there is --record", arguments.join(" ")),
    }
}

/// Counts, and compares with the baseline.
pub(crate) fn guard(tally: &mut Tally) -> anyhow::Result<()> {
    let recorded = baseline::read()?;
    let counts = counts()?;
    print(&counts, recorded.get(ARCH));
    judge(&counts, &recorded, ARCH, tally);
    Ok(())
}

fn counts() -> anyhow::Result<Counts> {
    println!("\n==> instructions");
    let valgrind = Valgrind::find()?;
    let mut counts = Counts::new();
    for benchmark in program::build()? {
        for operation in program::operations(&benchmark)? {
            let count = program::count(&valgrind, &benchmark, &operation)?;
            counts.insert(operation.name, count);
        }
    }
    Ok(counts)
}

fn print(counts: &Counts, recorded: Option<&Counts>) {
    let width = counts.keys().map(String::len).max().unwrap_or_default();
    println!("    {:width$} {:>12} {:>12} {:>9}", "for one message", "now", "recorded", "change");
    for (name, &count) in counts {
        let before = recorded.and_then(|recorded| recorded.get(name)).copied();
        let change = baseline::change(count, before);
        let before = before.map_or_else(|| "-".to_owned(), |before| before.to_string());
        println!("    {name:width$} {count:>12} {before:>12} {change:>9}");
    }
}

/// Counts each operation as one check.
fn judge(counts: &Counts, recorded: &Recorded, architecture: &str, tally: &mut Tally) {
    let Some(recorded) = recorded.get(architecture) else {
        println!("    nothing is recorded for {architecture}; `{RECORD}` does it");
        return tally.fail(format!("instructions: no baseline for {architecture}"));
    };
    for (name, &count) in counts {
        let before = recorded.get(name).copied();
        let change = baseline::change(count, before);
        match baseline::verdict(count, before) {
            Verdict::Same => tally.pass(),
            Verdict::Less => {
                println!("    {name}: {change}; `{RECORD}` keeps it so");
                tally.pass();
            }
            Verdict::More => tally.fail(format!("instructions, {name}: {change}")),
            Verdict::New => tally.fail(format!("instructions, {name}: not recorded; `{RECORD}`")),
        }
    }
    for name in recorded.keys().filter(|name| !counts.contains_key(*name)) {
        tally.fail(format!("instructions, {name}: recorded, and not there any more; `{RECORD}`"));
    }
}
