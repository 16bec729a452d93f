//! The end-to-end suites: what they are, and what they are given.
//!
//! Owns the table of suites and their environment. A suite is a program that prints `ok NAME` or
//! `not ok NAME: why` for each check, beside any free text, and exits with 0 or 1. Must not know
//! what a suite checks.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use crate::command::{self, End};
use crate::conformance;
use crate::install;
use crate::soak;
use crate::tally::{self, Tally, Verdict};
use crate::workspace;

/// How long one suite may take before it is killed.
const LIMIT: Duration = Duration::from_mins(10);

/// How a suite is run.
#[derive(Clone, Copy)]
enum Run {
    /// `e2e/run.py NAME`, by the Python on the `PATH`.
    Script,
    /// The official conformance suite, which has a form of its own.
    Conformance,
    /// The driver that kills processes under load.
    Soak,
}

/// One suite.
struct Suite {
    name: &'static str,
    run: Run,
}

const SUITES: &[Suite] = &[
    Suite { name: "conformance", run: Run::Conformance },
    Suite { name: "differential", run: Run::Script },
    Suite { name: "interactive", run: Run::Script },
    Suite { name: "crossed", run: Run::Script },
    Suite { name: "compatibility", run: Run::Script },
    Suite { name: "control", run: Run::Script },
    Suite { name: "soak", run: Run::Soak },
];

/// The programs under test.
pub(crate) struct Built {
    /// The product.
    pub(crate) standpipe: PathBuf,
    /// The well-behaved server of the testkit.
    pub(crate) fixture: PathBuf,
    /// The badly behaved one.
    pub(crate) nasty: PathBuf,
    /// The driver that speaks with the Rust SDK, as the scripts drive the others.
    pub(crate) rmcp_driver: PathBuf,
    /// The driver that soaks.
    pub(crate) soak: PathBuf,
}

/// The suites by name, in the order in which they run.
pub(crate) fn names() -> Vec<&'static str> {
    SUITES.iter().map(|suite| suite.name).collect()
}

/// Builds the product as it is shipped and runs the named suites, or all of them.
pub(crate) fn run(wanted: &[String], tally: &mut Tally) -> anyhow::Result<()> {
    let chosen = choose(wanted)?;
    if !wanted.is_empty() {
        install::run()?;
    }
    let Some(built) = build(tally)? else {
        return Ok(());
    };
    for suite in chosen {
        println!("\n==> suite {}", suite.name);
        let before = tally.counted();
        let result = match suite.run {
            Run::Script => script(suite.name, &built, tally),
            Run::Conformance => conformance::run(&built, tally),
            Run::Soak => soak::suite(&built, tally),
        };
        if let Err(error) = result {
            println!("    FAILED: {error:#}");
            tally.fail(format!("suite {}: {error:#}", suite.name));
        } else if tally.counted() == before {
            tally.fail(format!("suite {}: it checked nothing", suite.name));
        }
    }
    Ok(())
}

fn choose(wanted: &[String]) -> anyhow::Result<Vec<&'static Suite>> {
    if let Some(unknown) = wanted.iter().find(|name| !names().contains(&name.as_str())) {
        bail!("there is no suite {unknown}; there are: {}", names().join(", "));
    }
    Ok(SUITES
        .iter()
        .filter(|suite| wanted.is_empty() || wanted.iter().any(|name| name == suite.name))
        .collect())
}

/// The builds the suites need; `None` when one failed, which is counted.
pub(crate) fn build(tally: &mut Tally) -> anyhow::Result<Option<Built>> {
    let before = tally.failed();
    command::step(
        "release build",
        workspace::cargo().args([
            "build",
            "--release",
            "--locked",
            "--package=standpipe",
            "--bins",
        ]),
        tally,
    );
    // Apart, and not optimised: with it in one build the product would get the features that only
    // tests ask for, and the tests have just built all of it.
    command::step(
        "drivers and servers",
        workspace::cargo().args([
            "build",
            "--locked",
            "--package=standpipe",
            "--example=rmcp_driver",
            "--example=soak",
            "--package=standpipe-testkit",
            "--bin=standpipe-fixture",
            "--bin=standpipe-nasty",
        ]),
        tally,
    );
    if tally.failed() > before {
        return Ok(None);
    }
    let target = workspace::target_dir()?;
    let folder = target.join("debug");
    let drivers = folder.join("examples");
    Ok(Some(Built {
        standpipe: target.join("release").join("standpipe"),
        fixture: folder.join("standpipe-fixture"),
        nasty: folder.join("standpipe-nasty"),
        rmcp_driver: drivers.join("rmcp_driver"),
        soak: drivers.join("soak"),
    }))
}

fn script(name: &str, built: &Built, tally: &mut Tally) -> anyhow::Result<()> {
    let mut command = Command::new("python3");
    command
        .arg(workspace::root().join("e2e").join("run.py"))
        .arg(name)
        .current_dir(workspace::root())
        .env("STANDPIPE_BIN", &built.standpipe)
        .env("FIXTURE_BIN", &built.fixture)
        .env("NASTY_BIN", &built.nasty)
        .env("RMCP_DRIVER", &built.rmcp_driver)
        .env("NODE24", install::node())
        .env("E2E_DIR", workspace::e2e_dir())
        .env("PY1", install::programs("py1").join("python"))
        .env("PY2", install::programs("py2").join("python"))
        .env("PYAPI", install::programs("pyapi").join("python"))
        .env("PYSRV", install::programs("pysrv"))
        .env("PYTHONUNBUFFERED", "1");
    let before = tally.failed();
    let end = command::watched(&mut command, LIMIT, |line| count(name, line, tally))?;
    match end {
        End::Bad(status) if tally.failed() == before => {
            tally.fail(format!("suite {name}: {status}"));
        }
        End::Good | End::Bad(_) => {}
        End::Late => {
            tally.fail(format!("suite {name}: not done after {} minutes", LIMIT.as_secs() / 60));
        }
    }
    Ok(())
}

/// Counts one line of a suite.
pub(crate) fn count(suite: &str, line: &str, tally: &mut Tally) {
    match tally::suite_line(line) {
        Some(Verdict::Ok(_)) => tally.pass(),
        Some(Verdict::NotOk(what)) => tally.fail(format!("{suite}: {what}")),
        None => {}
    }
}
