//! `standpipe-nasty`: children that misbehave, one way each.
//!
//! Apart from its one fault each is a small MCP server of the legacy era with the tools `hello`,
//! `hang` and `pid`, where the fault leaves room for that; `--help` lists the faults. They exist
//! because a supervisor meets all of them in published servers sooner or later.

mod fault;
mod noise;
mod options;
mod server;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    standpipe_testkit::become_grandchild_if_asked();
    match options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => server::run(&options),
        Ok(None) => {
            // Nobody is left to tell when even stdout fails.
            let _ = std::io::stdout().write_all(options::HELP.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "standpipe-nasty: {error}");
            ExitCode::from(64)
        }
    }
}
