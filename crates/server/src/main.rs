//! The `standpipe` binary.

use std::process::ExitCode;

// A plain function, no runtime around it: the watchdog forks, and that needs a single thread.
fn main() -> ExitCode {
    standpipe::commands::main()
}
