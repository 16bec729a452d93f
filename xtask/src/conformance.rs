//! The official conformance suite of the Model Context Protocol, run through Standpipe.
//!
//! Owns the running of that suite: for each revision, before children of each era, in each sharing
//! mode. The suite tests an HTTP server; here that server is Standpipe in front of the testkit's
//! stdio fixture. Must not know how the other suites are run: their form is ours, this one's is not.

mod exceptions;
mod report;
mod warming;

use std::fmt;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};

use crate::command::{self, End};
use crate::install;
use crate::suites::Built;
use crate::tally::Tally;
use crate::workspace;
use exceptions::Exception;
use report::Report;

/// How long Standpipe may take to say where it listens.
const START: Duration = Duration::from_secs(30);

/// How long one pass of the suite may take; alone on a machine it takes under half a minute.
const LIMIT: Duration = Duration::from_mins(5);

/// How long Standpipe may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// Passes at the same time. They are mostly waiting, but some scenarios give a stream only half a
/// second, so more would make the verdict depend on the machine.
const WORKERS: usize = 2;

/// A revision, and how many scenarios it requires. Fewer would mean that the suite, or our reading
/// of it, has changed, and that the total says less than it seems to.
struct Revision {
    name: &'static str,
    scenarios: usize,
}

const REVISIONS: &[Revision] = &[
    Revision { name: "2025-11-25", scenarios: 30 },
    Revision { name: "2026-07-28", scenarios: 37 },
];

/// The eras of the fixture, as its command line names them.
const CHILDREN: &[&str] = &["legacy", "modern", "either"];

/// Both ways of sharing a child among clients.
const MODES: &[&str] = &["shared", "session"];

/// One pass: a revision, before one child, in one sharing mode.
#[derive(Clone, Copy)]
struct Pass {
    revision: &'static Revision,
    child: &'static str,
    mode: &'static str,
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conformance/{}/{}/{}", self.revision.name, self.child, self.mode)
    }
}

impl Pass {
    /// What this pass cannot show, and why.
    fn exceptions(self) -> impl Iterator<Item = &'static Exception> {
        exceptions::ALL.iter().filter(move |exception| {
            exception.revision == self.revision.name && exception.child == self.child
        })
    }
}

/// What came of one pass.
struct Outcome {
    report: Report,
    suite: End,
    standpipe: End,
    seconds: u64,
}

/// Runs every pass, a few at a time, and counts them in a fixed order.
pub(crate) fn run(built: &Built, tally: &mut Tally) -> anyhow::Result<()> {
    let passes = passes();
    let waiting = Mutex::new(passes.iter().enumerate());
    let finished: Mutex<Vec<_>> = Mutex::new(passes.iter().map(|_| None).collect());
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(passes.len()) {
            scope.spawn(|| {
                loop {
                    // Bound first: the lock would be held during the pass otherwise.
                    let next = waiting.lock().expect("no worker panics holding it").next();
                    let Some((index, pass)) = next else { return };
                    let outcome = judge(built, *pass);
                    println!("    {pass}: {}", summary(&outcome));
                    finished.lock().expect("no worker panics holding it")[index] = Some(outcome);
                }
            });
        }
    });
    let finished = finished.into_inner().expect("no worker panicked");
    for (pass, outcome) in passes.into_iter().zip(finished) {
        let outcome = outcome.with_context(|| format!("{pass} was not run"))?;
        match outcome {
            Ok(outcome) => count(pass, &outcome, tally),
            Err(error) => tally.fail(format!("{pass}: {error:#}")),
        }
    }
    Ok(())
}

fn passes() -> Vec<Pass> {
    let mut passes = Vec::new();
    for child in CHILDREN {
        for revision in REVISIONS {
            passes.extend(MODES.iter().map(|mode| Pass { revision, child, mode }));
        }
    }
    passes
}

fn count(pass: Pass, outcome: &Outcome, tally: &mut Tally) {
    let before = tally.failed();
    let exceptions: Vec<&Exception> = pass.exceptions().collect();
    outcome.report.count(&pass.to_string(), pass.revision.scenarios, &exceptions, tally);
    match &outcome.suite {
        // It ends badly for the scenarios that are expected to fail, as well.
        End::Bad(status) if tally.failed() == before && exceptions.is_empty() => {
            tally.fail(format!("{pass}: the suite ended with {status}"));
        }
        End::Late => tally.fail(format!("{pass}: the suite did not end")),
        End::Good | End::Bad(_) => {}
    }
    if outcome.standpipe == End::Good {
        tally.pass();
    } else {
        tally.fail(format!("{pass}: standpipe did not end well: {:?}", outcome.standpipe));
    }
}

fn summary(outcome: &anyhow::Result<Outcome>) -> String {
    match outcome {
        Ok(Outcome { report, seconds, .. }) => {
            let (passed, scored) = report.numbers();
            format!("{passed} of {scored} in {seconds} s")
        }
        Err(error) => format!("{error:#}"),
    }
}

/// Runs one pass and reads its report.
fn judge(built: &Built, pass: Pass) -> anyhow::Result<Outcome> {
    let start = SystemTime::now();
    let (child, stdout) = start_standpipe(built, pass)?;
    let suite = listening(&stdout).and_then(|base| run_suite(&base, pass));
    // Stopped in any case: nothing of one pass may be left for the next.
    let standpipe = command::stop(child, GRACE)?;
    let (report, suite) = suite?;
    let seconds = start.elapsed().unwrap_or_default().as_secs();
    Ok(Outcome { report, suite, standpipe, seconds })
}

fn start_standpipe(built: &Built, pass: Pass) -> anyhow::Result<(Child, Receiver<String>)> {
    let mut command = Command::new(&built.standpipe);
    command
        .args(["run", "--listen", "127.0.0.1:0", "--log", "warn", "--sharing", pass.mode, "--"])
        .arg(&built.fixture)
        .args(["--era", pass.child]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command::shown(&command)))?;
    let stdout = child.stdout.take().context("standpipe has no stdout")?;
    Ok((child, command::lines_of(stdout)))
}

/// Waits for the one line that says where Standpipe listens.
fn listening(stdout: &Receiver<String>) -> anyhow::Result<String> {
    let line = stdout.recv_timeout(START).context("standpipe did not say where it listens")?;
    match line.strip_prefix("listening on http://") {
        Some(address) => Ok(address.trim().to_owned()),
        None => bail!("the first line of standpipe is `{line}`, not `listening on http://ADDR`"),
    }
}

fn run_suite(address: &str, pass: Pass) -> anyhow::Result<(Report, End)> {
    // The suite gives some streams half a second, which is about answers and not about starts.
    warming::start_child(address).context("the child could not be started beforehand")?;
    let folder = workspace::e2e_dir();
    let results = folder.join(pass.to_string());
    let mut command = Command::new(install::node());
    command
        .arg(folder.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"))
        .args(["server", "--url", &format!("http://{address}/mcp")])
        .args(["--requirements", pass.revision.name, "-o"])
        .arg(results)
        .stderr(Stdio::null())
        .current_dir(&folder);
    let mut report = Report::default();
    let end = command::followed(&mut command, LIMIT, |line| report.read(line))?;
    Ok((report, end))
}
