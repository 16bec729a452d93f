//! The official conformance suite of the Model Context Protocol, run through Standpipe.
//!
//! Owns the running of that suite and the reading of its report. The suite tests an HTTP server;
//! here that server is Standpipe in front of the testkit's stdio fixture, in each sharing mode.
//! Must not know how the other suites are run: their form is ours, this one's is not.

#[cfg(test)]
mod tests;

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::command::{self, End};
use crate::install;
use crate::suites::Built;
use crate::tally::Tally;
use crate::workspace;

/// The revision whose requirements are asked for.
const REVISION: &str = "2025-11-25";

/// How many scenarios that revision requires. Fewer would mean that the suite, or our reading of
/// it, has changed, and that the total says less than it seems to.
const SCENARIOS: usize = 30;

/// How long Standpipe may take to say where it listens.
const START: Duration = Duration::from_secs(30);

/// How long one pass of the suite may take; it takes under a minute.
const LIMIT: Duration = Duration::from_mins(5);

/// How long Standpipe may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// Both ways of sharing a child among clients.
const MODES: &[&str] = &["shared", "session"];

/// One scenario's line in the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scenario {
    name: String,
    passed: u64,
    failed: u64,
}

/// What a line of the suite's report says.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// `✓ NAME: 2 passed, 0 failed`
    Result(Scenario),
    /// `  ✗ NAME (pending)`: it was run, and does not count for this revision.
    NotScored(String),
}

/// The report as far as it has been read.
#[derive(Debug, Default)]
struct Report {
    scenarios: Vec<Scenario>,
    not_scored: Vec<String>,
}

impl Report {
    fn read(&mut self, line: &str) {
        match parse(line) {
            Some(Line::Result(scenario)) => self.scenarios.push(scenario),
            Some(Line::NotScored(name)) => self.not_scored.push(name),
            None => {}
        }
    }

    /// The scenarios that count.
    fn scored(&self) -> impl Iterator<Item = &Scenario> {
        self.scenarios.iter().filter(|scenario| !self.not_scored.contains(&scenario.name))
    }

    /// Counts each scenario that counts, and that there are as many as there must be.
    fn count(&self, mode: &str, tally: &mut Tally) {
        for scenario in self.scored() {
            let Scenario { name, passed, failed } = scenario;
            if *failed == 0 && *passed > 0 {
                println!("ok conformance/{mode}/{name}");
                tally.pass();
            } else {
                println!("not ok conformance/{mode}/{name}: {passed} passed, {failed} failed");
                tally.fail(format!("conformance/{mode}/{name}: {passed} passed, {failed} failed"));
            }
        }
        let found = self.scored().count();
        if found == SCENARIOS {
            tally.pass();
        } else {
            tally.fail(format!(
                "conformance/{mode}: {found} scored scenarios, {SCENARIOS} are required"
            ));
        }
    }
}

/// Runs the suite once for each sharing mode.
pub(crate) fn run(built: &Built, tally: &mut Tally) -> anyhow::Result<()> {
    for mode in MODES {
        println!("\n    conformance {REVISION}, sharing = {mode}");
        let (child, stdout) = start(built, mode)?;
        let outcome = listening(&stdout).and_then(|base| judge(&base, mode, tally));
        // Stopped in any case: the next mode must not find this one's processes.
        let end = command::stop(child, GRACE)?;
        outcome?;
        if end == End::Good {
            tally.pass();
        } else {
            tally.fail(format!("conformance/{mode}: standpipe did not end well: {end:?}"));
        }
    }
    Ok(())
}

fn start(built: &Built, mode: &str) -> anyhow::Result<(Child, Receiver<String>)> {
    let mut command = Command::new(&built.standpipe);
    command
        .args(["run", "--listen", "127.0.0.1:0", "--sharing", mode, "--"])
        .arg(&built.fixture)
        .args(["--era", "legacy"]);
    println!("    {}", command::shown(&command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start standpipe")?;
    let stdout = child.stdout.take().context("standpipe has no stdout")?;
    Ok((child, command::lines_of(stdout)))
}

/// Waits for the one line that says where Standpipe listens.
fn listening(stdout: &Receiver<String>) -> anyhow::Result<String> {
    let line = stdout.recv_timeout(START).context("standpipe did not say where it listens")?;
    match line.strip_prefix("listening on ") {
        Some(base) => Ok(base.trim().to_owned()),
        None => bail!("the first line of standpipe is `{line}`, not `listening on http://ADDR`"),
    }
}

fn judge(base: &str, mode: &str, tally: &mut Tally) -> anyhow::Result<()> {
    let folder = workspace::e2e_dir();
    let results = folder.join("conformance").join(mode);
    let mut command = Command::new(install::node());
    command
        .arg(folder.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"))
        .args(["server", "--url", &format!("{base}/mcp")])
        .args(["--requirements", REVISION, "-o"])
        .arg(results)
        .current_dir(&folder);
    let mut report = Report::default();
    let end = command::watched(&mut command, LIMIT, |line| report.read(line))?;
    let before = tally.failed();
    report.count(mode, tally);
    match end {
        End::Bad(status) if tally.failed() == before => {
            tally.fail(format!("conformance/{mode}: the suite ended with {status}"));
        }
        End::Late => tally.fail(format!("conformance/{mode}: the suite did not end")),
        End::Good | End::Bad(_) => {}
    }
    Ok(())
}

/// Reads one line of the report; free text is `None`.
fn parse(line: &str) -> Option<Line> {
    let unmarked = line.trim_start().strip_prefix(['✓', '✗'])?.trim_start();
    if line.starts_with(' ') {
        let (name, reason) = unmarked.split_once(" (")?;
        return reason.ends_with(')').then(|| Line::NotScored(name.to_owned()));
    }
    let (name, counts) = unmarked.split_once(": ")?;
    let (passed, rest) = counts.split_once(" passed, ")?;
    let (failed, _) = rest.split_once(" failed")?;
    Some(Line::Result(Scenario {
        name: name.to_owned(),
        passed: passed.parse().ok()?,
        failed: failed.parse().ok()?,
    }))
}
