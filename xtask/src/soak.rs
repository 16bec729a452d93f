//! The soak: many services, many clients, and processes that are killed all the time.
//!
//! Owns how the driver is run, for how long, and the reading of its checks. Must not know what it
//! does: that is in `crates/server/examples/soak`.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::command::{self, End};
use crate::install::promtool;
use crate::suites::{self, Built};
use crate::tally::Tally;
use crate::workspace;

/// How long services are disturbed where nobody says otherwise.
const LENGTH: Duration = Duration::from_mins(1);

/// What the driver may take beyond that: the warm-up, and twice the wait until all is at rest.
const AROUND: Duration = Duration::from_mins(8);

/// Builds what is needed and runs the soak with the arguments of `cargo xtask soak`.
pub(crate) fn task(arguments: &[String], tally: &mut Tally) -> anyhow::Result<()> {
    let length = length(arguments)?;
    promtool::fetch()?;
    let Some(built) = suites::build(tally)? else {
        return Ok(());
    };
    run(&built, arguments, length, tally)
}

/// Runs the soak as it is run for every change.
pub(crate) fn suite(built: &Built, tally: &mut Tally) -> anyhow::Result<()> {
    run(built, &[], LENGTH, tally)
}

fn run(
    built: &Built,
    arguments: &[String],
    length: Duration,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut command = Command::new(&built.soak);
    command
        .args(arguments)
        .current_dir(workspace::root())
        .env("STANDPIPE_BIN", &built.standpipe)
        .env("FIXTURE_BIN", &built.fixture)
        .env("PROMTOOL", promtool::program());
    let before = tally.failed();
    let limit = length.saturating_add(AROUND);
    let end = command::watched(&mut command, limit, |line| suites::count("soak", line, tally))?;
    match end {
        End::Bad(status) if tally.failed() == before => tally.fail(format!("soak: {status}")),
        End::Good | End::Bad(_) => {}
        End::Late => tally.fail(format!("soak: not done after {} s", limit.as_secs())),
    }
    Ok(())
}

/// How long the driver will be at it. The driver reads the rest of the arguments itself.
fn length(arguments: &[String]) -> anyhow::Result<Duration> {
    let mut length = LENGTH;
    for pair in arguments.chunks(2) {
        let [name, value] = pair else {
            bail!("{} needs a value", pair.join(" "));
        };
        let number = || value.parse::<u64>().with_context(|| format!("{name} {value}"));
        match name.as_str() {
            "--seconds" => length = Duration::from_secs(number()?),
            "--minutes" => length = Duration::from_secs(number()?.saturating_mul(60)),
            "--seed" => {}
            _ => bail!("there is no option {name}; there are --seconds, --minutes and --seed"),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests;
