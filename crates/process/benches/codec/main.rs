//! Cutting what a child writes into lines: what the hot path does before a message is read.
//!
//! `cargo bench --bench codec [-- NAME]` tells times, `cargo xtask instructions` instructions.

mod lines;
#[path = "../../../core/benches/hot_path/operation.rs"]
mod operation;

use std::process::ExitCode;

use divan::counter::{BytesCount, ItemsCount};
use operation::Operation;

fn main() -> ExitCode {
    operation::main(OPERATIONS, divan::main)
}

#[divan::bench(args = OPERATIONS)]
fn codec(bencher: divan::Bencher<'_, '_>, operation: &Operation) {
    let run = (operation.prepare)();
    bencher
        .counter(BytesCount::new(operation.bytes))
        .counter(ItemsCount::new(operation.messages))
        .bench_local(run);
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "cut lines, 160 B",
        runs: 25,
        messages: 400,
        bytes: 400 * 160,
        prepare: || lines::cut(160, 400),
    },
    Operation {
        name: "cut lines, 64 KiB",
        runs: 25,
        messages: 8,
        bytes: 8 * (64 << 10),
        prepare: || lines::cut(64 << 10, 8),
    },
    Operation {
        name: "cut lines, 1 MiB",
        runs: 10,
        messages: 1,
        bytes: 1 << 20,
        prepare: || lines::cut(1 << 20, 1),
    },
];
