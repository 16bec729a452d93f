//! The load generator's program: one JSON object on stdout, and exit code 1 when anything that
//! came back was wrong or missing.
//!
//! Owns the exit code. Must not know what is measured.
#![expect(clippy::print_stderr, reason = "a person who runs it by hand wants to know why")]

use std::io::{self, Write};
use std::process::ExitCode;

use standpipe_bench::arguments::Arguments;
use standpipe_bench::load;

fn main() -> ExitCode {
    let outcome = load::run(Arguments::of_process()).and_then(|(report, is_good)| {
        writeln!(io::stdout(), "{report}")?;
        Ok(is_good)
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::from(2)
        }
    }
}
