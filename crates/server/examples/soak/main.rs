//! A soak: many services, many clients of every kind, and processes that are killed all the time.
//!
//! Shows that nothing is lost, nothing is crossed, nothing is left behind, and prints the figures. It
//! starts the Standpipe that `STANDPIPE_BIN` names and sees of it what anybody sees from outside. Its
//! choices come from a seed, which is printed. It is an example of this package so that it builds with
//! the tests and is no part of the product; `cargo xtask soak` runs it.
//!
//! Like every end-to-end suite it prints `ok NAME` or `not ok NAME: why` for each check.
#![expect(clippy::print_stdout, reason = "a report is for the person who asked for it")]

mod calls;
mod census;
mod chaos;
mod clients;
mod dice;
mod events;
mod ledger;
mod many;
mod modern;
mod options;
mod product;
mod report;
mod sse;
mod stream;
mod targets;
mod verdict;
mod watch;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chaos::Chaos;
use clients::World;
use ledger::Ledger;
use options::Options;
use product::{Product, Programs};
use report::Report;
use targets::Targets;

/// How long clients come before anything is measured: whatever is allocated once is allocated then.
const WARM_UP: Duration = Duration::from_secs(6);

/// For so long before its end, half of the time at most, nobody leaves a session or a process behind,
/// so that their ends need not be waited for.
const CAREFUL: Duration = Duration::from_secs(30);

/// The number of the first client after the warm-up.
const FIRST_CLIENT: u64 = 1000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let options =
        match options::parse(std::env::args().skip(1), u64::from(since_epoch.subsec_nanos())) {
            Ok(Some(options)) => options,
            Ok(None) => {
                print!("{}", options::HELP);
                return ExitCode::SUCCESS;
            }
            Err(error) => {
                println!("not ok soak: {error}");
                return ExitCode::from(64);
            }
        };
    let mut report = Report::default();
    match Programs::of_environment() {
        Ok(programs) => {
            if let Err(error) = soak(&options, &programs, &mut report).await {
                report.check("soak", Err(error));
            }
            report.check("200 services, none started", many::run(&programs).await);
        }
        Err(error) => report.check("soak", Err(error)),
    }
    report.exit_code()
}

async fn soak(options: &Options, programs: &Programs, report: &mut Report) -> Result<(), String> {
    let Options { length, seed } = *options;
    println!("soak of {} s, --seed {seed}", length.as_secs());
    let targets = Targets::new();
    let started =
        Product::start(programs, |folder| targets.configuration(&programs.fixture, folder));
    let mut product = started.map_err(|error| error.to_string())?;
    let pids = product.pids();
    let world = Arc::new(World::new(product.url(""), targets, Ledger::default(), seed));
    let http = reqwest::Client::new();

    world.visit(0, WARM_UP).await;
    world.everybody_answers().await?;
    let before = watch::rest(&world, &http, pids, None).await?;

    world.open();
    let samples = Arc::new(Mutex::new(Vec::new()));
    let watching = tokio::spawn(watch::watch(Arc::clone(&world), pids, Arc::clone(&samples)));
    let chaos = Chaos::new(Arc::clone(&world), &product, programs.fixture.clone())?;
    let raging = tokio::spawn(chaos.rage());
    world.set_careless(true);
    let carefully = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            tokio::time::sleep(length.saturating_sub(CAREFUL.min(length / 2))).await;
            world.set_careless(false);
        })
    };
    world.visit(FIRST_CLIENT, length).await;
    carefully.abort();
    let raged = raging.await.map_err(|error| error.to_string())?;
    raged.map_err(|error| format!("the configuration could not be changed: {error}"))?;
    watching.abort();

    let answering = world.everybody_answers().await;
    let at_end = watch::rest(&world, &http, pids, Some(before)).await;
    let scrape = watch::scrape(&http, &world.base).await.map_err(|fault| fault.seen)?;
    let stopped = product.stop().map_err(|error| error.to_string());
    let left = census::marked(pids);

    let samples = std::mem::take(&mut *samples.lock().unwrap_or_else(PoisonError::into_inner));
    Report::figures(&world.ledger.entries(), &scrape, &before, at_end.as_ref().ok(), &samples);
    report.promises(&world.ledger.entries());
    report.promtool(&scrape);
    report.check("every service answers after it all", answering);
    report.check("descriptors, threads and sessions are back to the start", at_end.map(drop));
    report.check(
        "it ends in order",
        match stopped {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(error),
        },
    );
    let left: Vec<_> = left.iter().map(|left| (left.process.pid, &left.marker)).collect();
    report.check(
        "no process is left",
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) },
    );
    if report.has_failures() {
        product.keep_files();
        println!("its log and configuration are in {}", product.folder().display());
    }
    Ok(())
}
