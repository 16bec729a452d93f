//! The benchmark: Standpipe beside two references, in one run on one machine.
//!
//! Owns its order: what is built, how rounds are interleaved, where results go. Must not know how a
//! server answers. Figures of different runs or machines cannot be compared, so every figure that
//! counts is a ratio to another one of the same round.

mod contender;
mod goal;
mod machine;

mod metrics;
mod options;
mod peers;
mod processes;
mod report;
mod scenario;
mod table;
mod work;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::bail;

use self::metrics::Measured;
use self::options::Options;
use self::scenario::{Scenario, Side};
use crate::command;
use crate::tally::Tally;
use crate::workspace;

/// The programs that take part.
pub(crate) struct Programs {
    standpipe: PathBuf,
    bare: PathBuf,
    floor: PathBuf,
    echo: PathBuf,
    load: PathBuf,
}

/// One scenario, with what was found of each side in each round.
struct Outcome {
    scenario: Scenario,
    measured: Vec<Measured>,
}

/// Builds what is needed and measures with the arguments of `cargo xtask bench`.
pub(crate) fn task(arguments: &[String], tally: &mut Tally) -> anyhow::Result<()> {
    let options = Options::read(arguments)?;
    let Some(programs) = build(&options, tally)? else {
        return Ok(());
    };
    let peers = if options.peers { peers::install()? } else { Vec::new() };
    let scenarios = scenario::all(&peers, options.quick);
    let unknown = options.scenarios.iter().find(|name| !scenarios.iter().any(|s| s.is(name)));
    if let Some(unknown) = unknown {
        let names: Vec<&str> = scenarios.iter().map(|scenario| scenario.name).collect();
        bail!("there is no scenario {unknown}; there are: {}", names.join(", "));
    }
    let mut outcomes = Vec::new();
    for scenario in scenarios {
        if options.wants(scenario.name) {
            outcomes.push(measure(scenario, &programs, &options, tally));
        }
    }
    report::write(&outcomes, &peers, &options)
}

/// Measures all sides of a scenario, round by round.
fn measure(
    scenario: Scenario,
    programs: &Programs,
    options: &Options,
    tally: &mut Tally,
) -> Outcome {
    println!("\n==> {}: {}", scenario.name, scenario.title);
    let mut measured = vec![Measured::default(); scenario.sides.len()];
    for round in 1..=options.rounds {
        for number in order(scenario.sides.len()) {
            let side = &scenario.sides[number];
            // A peer that answers wrongly does so again, and some take a minute for it.
            if side.is_peer() && measured[number].failure.is_some() {
                measured[number].rounds.push(metrics::Metrics::new());
                continue;
            }
            match work::run(side, programs, options) {
                Ok(metrics) => {
                    println!("    {round} {:16} {}", side.name, metrics::line(&metrics));
                    measured[number].rounds.push(metrics);
                    if !side.is_peer() {
                        tally.pass();
                    }
                }
                Err(error) => failed(&scenario, side, &error, &mut measured[number], tally),
            }
        }
    }
    Outcome { scenario, measured }
}

/// Peers may answer wrongly; that is their result. Anything else that does fails the task.
fn failed(
    scenario: &Scenario,
    side: &Side,
    error: &anyhow::Error,
    measured: &mut Measured,
    tally: &mut Tally,
) {
    println!("    {:18} FAILED: {error:#}", side.name);
    measured.rounds.push(metrics::Metrics::new());
    measured.failure.get_or_insert_with(|| format!("{error:#}"));
    if !side.is_peer() {
        tally.fail(format!("bench {}, {}: {error:#}", scenario.name, side.name));
    }
}

/// The numbers below `count`, in an order that is another one each time.
fn order(count: usize) -> Vec<usize> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    shuffled(count, now)
}

fn shuffled(count: usize, seed: Duration) -> Vec<usize> {
    let mut state = u64::from(seed.subsec_nanos()) | 1;
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        // Xorshift: more than enough for an order.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let other = usize::try_from(state % (last as u64 + 1)).unwrap_or_default();
        order.swap(last, other);
    }
    order
}

/// The release builds; `None` when one failed, which is counted.
fn build(options: &Options, tally: &mut Tally) -> anyhow::Result<Option<Programs>> {
    let before = tally.failed();
    // Apart, as in the end-to-end suites: built together, the product could get features that only
    // the load generator asks for.
    let mut packages = vec!["--package=standpipe-bench"];
    if options.standpipe.is_none() {
        packages.push("--package=standpipe");
    }
    for package in packages {
        command::step(
            "release build",
            workspace::cargo().args(["build", "--release", "--locked", package, "--bins"]),
            tally,
        );
    }
    if tally.failed() > before {
        return Ok(None);
    }
    let folder = workspace::target_dir()?.join("release");
    let standpipe = options.standpipe.clone().unwrap_or_else(|| folder.join("standpipe"));
    Ok(Some(Programs {
        standpipe,
        bare: folder.join("bench-bare"),
        floor: folder.join("bench-floor"),
        echo: folder.join("bench-echo"),
        load: folder.join("bench-load"),
    }))
}

#[cfg(test)]
mod tests;
