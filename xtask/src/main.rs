//! The project's own tasks, run as `cargo xtask TASK`.
//!
//! Owns what a person or a continuous-integration machine types to check the whole repository.
//! It must not know how Standpipe works inside: it starts programs and reads what they print.
//! It is plain Rust, so that a fresh machine needs no task runner.
#![expect(clippy::print_stdout, reason = "a task reports to the person who ran it")]

mod bench;
mod checks;
mod command;
mod conformance;
mod install;
mod instructions;
mod soak;
mod suites;
mod tally;
mod tidy;
mod workspace;

use std::process::ExitCode;

use tally::Tally;

const USAGE: &str = "\
cargo xtask TASK

  test            the quick gate: formatting, tidy, clippy, every test of the workspace
  ci              all of `test`, then documentation, release build and the end-to-end suites
  tidy            the rules of this repository that no compiler checks
  install         fetch what the end-to-end suites need into target/e2e
  e2e [SUITE...]  run the end-to-end suites, or only those named
  soak [--minutes N | --seconds N] [--seed S]
                  clients of every kind while processes are killed, and the figures of it
  bench [--scenario NAME...] [--rounds N] [--seconds S] [--quick] [--peers] [--standpipe PATH]
                  Standpipe beside a bare server and the least a proxy can do; bench/results
  instructions [--record]
                  count what the hot path does for one message, compare it with what was
                  recorded (fails from 5 % on), or record it";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let mut tally = Tally::default();
    let outcome = match task.as_deref() {
        Some("test") if rest.is_empty() => checks::quick(&mut tally),
        Some("ci") if rest.is_empty() => checks::all(&mut tally),
        Some("tidy") if rest.is_empty() => tidy::run(&mut tally),
        Some("install") if rest.is_empty() => install::run().map(|()| tally.pass()),
        Some("e2e") => suites::run(&rest, &mut tally),
        Some("bench") => bench::task(&rest, &mut tally),
        Some("instructions") => instructions::task(&rest, &mut tally),
        Some("soak") => soak::task(&rest, &mut tally),
        _ => {
            println!("{USAGE}\n\nsuites: {}", suites::names().join(", "));
            return ExitCode::from(64);
        }
    };
    // The total comes last whatever happens: machines read it.
    if let Err(error) = outcome {
        tally.fail(format!("{error:#}"));
    }
    tally.report();
    if tally.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
