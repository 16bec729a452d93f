//! The load generator's program: one JSON object on stdout, and exit code 1 when anything that
//! came back was wrong or missing.
//!
//! Owns the exit code. Must not know what is measured.
#![expect(clippy::print_stderr, reason = "a person who runs it by hand wants to know why")]

use std::io::{self, Write};
use std::process::ExitCode;

use standpipe_bench::arguments::Arguments;
#[cfg(target_os = "linux")]
use standpipe_bench::load::run;

fn main() -> ExitCode {
    let outcome = run(Arguments::of_process()).and_then(|(report, is_good)| {
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

#[cfg(not(target_os = "linux"))]
fn run(_: Arguments) -> io::Result<(String, bool)> {
    Err(io::Error::other("load is made on Linux only"))
}
