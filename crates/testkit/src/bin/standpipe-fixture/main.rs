//! `standpipe-fixture`: an MCP server on stdio with something to show for every part of the
//! protocol.
//!
//! It offers what the official conformance suite asks of a server, and tools with which our own
//! tests look behind a proxy: what really arrived, how often, who was asked. Its answers are the
//! same bytes in every run. Each call has a thread, so answers come out of order.

mod asking;
mod call;
mod legacy;
mod modern;
mod offer;
mod options;
mod prompts;
mod resources;
mod server;
mod session;
mod tools;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    standpipe_testkit::become_grandchild_if_asked();
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            // Nobody is left to tell when even stdout fails.
            let _ = std::io::stdout().write_all(options::HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "standpipe-fixture: {error}");
            return ExitCode::from(64);
        }
    };
    server::serve(options, &mut std::io::stdin().lock());
    ExitCode::SUCCESS
}
