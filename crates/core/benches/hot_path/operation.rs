//! One operation of the hot path, and the two ways in which it is measured.
//!
//! Owns the table's form, the warm-up, and the one function whose instructions are counted. Must not
//! know what an operation does. It exists so that times (`cargo bench`) and instructions
//! (`cargo xtask instructions`) are of the same work; other crates' benchmarks take this file in by
//! its path.

use std::fmt;
use std::process::ExitCode;

/// The argument that says: not times, but what is to be counted.
const INSTRUCTIONS: &str = "instructions";

/// Something that is done for each message.
pub(crate) struct Operation {
    /// What it is called in tables and in the baseline.
    pub(crate) name: &'static str,
    /// How often it is run where its instructions are counted: so often that what happens only now
    /// and then, and what depends on chance, is spread thin.
    pub(crate) runs: u64,
    /// How many messages one run moves.
    pub(crate) messages: u64,
    /// How many bytes they have in all; 0 where that says nothing.
    pub(crate) bytes: usize,
    /// Prepares it.
    pub(crate) prepare: fn() -> Box<dyn FnMut()>,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Does what the command line asks: `instructions` lists the operations, each with the number of
/// messages it moves, `instructions NAME` runs one; everything else is left to `times`.
pub(crate) fn main(operations: &[Operation], times: fn()) -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(INSTRUCTIONS) {
        times();
        return ExitCode::SUCCESS;
    }
    let Some(name) = arguments.next() else {
        list(operations);
        return ExitCode::SUCCESS;
    };
    let Some(operation) = operations.iter().find(|operation| operation.name == name) else {
        return ExitCode::FAILURE;
    };
    let mut run = (operation.prepare)();
    for _ in 0..operation.runs.div_ceil(10) {
        run();
    }
    counted_operation(&mut *run, operation.runs);
    ExitCode::SUCCESS
}

/// Instructions are counted from here on until it returns; it is found by its name.
#[inline(never)]
fn counted_operation(run: &mut dyn FnMut(), runs: u64) {
    for _ in 0..runs {
        run();
    }
}

#[expect(clippy::print_stdout, reason = "the list is read by the program that counts")]
fn list(operations: &[Operation]) {
    for operation in operations {
        println!("{} {}", operation.runs * operation.messages, operation.name);
    }
}
