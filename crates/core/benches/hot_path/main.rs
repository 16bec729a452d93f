//! What the hot path does for one message, without pipes and without HTTP: reading and writing
//! envelopes, and the whole way from a client to a child and back.
//!
//! `cargo bench --bench hot_path [-- NAME]` tells times, `cargo xtask instructions` instructions.

mod conversation;
mod messages;
mod operation;
mod round_trip;
mod texts;

use std::process::ExitCode;

use divan::counter::{BytesCount, ItemsCount};
use operation::Operation;

fn main() -> ExitCode {
    operation::main(OPERATIONS, divan::main)
}

#[divan::bench(args = OPERATIONS)]
fn hot_path(bencher: divan::Bencher<'_, '_>, operation: &Operation) {
    let bencher = bencher.counter(ItemsCount::new(operation.messages));
    let bencher = match operation.bytes {
        0 => bencher,
        bytes => bencher.counter(BytesCount::new(bytes)),
    };
    bencher.bench_local((operation.prepare)());
}

/// Runs where a message is so short that nothing but instructions counts.
const SHORT: u64 = 2000;
/// Runs where a message has 64 KiB.
const LONG: u64 = 100;
/// Runs where a message has 1 MiB.
const HUGE: u64 = 10;

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "read request, 160 B",
        runs: SHORT,
        messages: 1,
        bytes: texts::SHORT,
        prepare: || messages::read_request(texts::SHORT),
    },
    Operation {
        name: "read request, 64 KiB",
        runs: LONG,
        messages: 1,
        bytes: texts::LONG,
        prepare: || messages::read_request(texts::LONG),
    },
    Operation {
        name: "read request, 1 MiB",
        runs: HUGE,
        messages: 1,
        bytes: texts::HUGE,
        prepare: || messages::read_request(texts::HUGE),
    },
    Operation {
        name: "read answer, 160 B",
        runs: SHORT,
        messages: 1,
        bytes: texts::SHORT,
        prepare: || messages::read_answer(texts::SHORT),
    },
    Operation {
        name: "read answer, 64 KiB",
        runs: LONG,
        messages: 1,
        bytes: texts::LONG,
        prepare: || messages::read_answer(texts::LONG),
    },
    Operation {
        name: "read answer, 1 MiB",
        runs: HUGE,
        messages: 1,
        bytes: texts::HUGE,
        prepare: || messages::read_answer(texts::HUGE),
    },
    Operation {
        name: "write request, 160 B",
        runs: SHORT,
        messages: 1,
        bytes: texts::SHORT,
        prepare: || messages::write_request(texts::SHORT),
    },
    Operation {
        name: "write request, 1 MiB",
        runs: SHORT,
        messages: 1,
        bytes: texts::HUGE,
        prepare: || messages::write_request(texts::HUGE),
    },
    Operation {
        name: "write answer, 160 B",
        runs: SHORT,
        messages: 1,
        bytes: texts::SHORT,
        prepare: || messages::write_answer(texts::SHORT),
    },
    Operation {
        name: "write answer, 1 MiB",
        runs: SHORT,
        messages: 1,
        bytes: texts::HUGE,
        prepare: || messages::write_answer(texts::HUGE),
    },
    Operation {
        name: "splice progress token, 160 B",
        runs: SHORT,
        messages: 1,
        bytes: texts::SHORT,
        prepare: || messages::splice_token(texts::SHORT),
    },
    Operation {
        name: "round trip, legacy to legacy",
        runs: SHORT,
        messages: 1,
        bytes: 0,
        prepare: round_trip::legacy_to_legacy,
    },
    Operation {
        name: "round trip, modern to modern",
        runs: SHORT,
        messages: 1,
        bytes: 0,
        prepare: round_trip::modern_to_modern,
    },
    Operation {
        name: "round trip, modern to legacy",
        runs: SHORT,
        messages: 1,
        bytes: 0,
        prepare: round_trip::modern_to_legacy,
    },
    Operation {
        name: "round trip, legacy to modern",
        runs: SHORT,
        messages: 1,
        bytes: 0,
        prepare: round_trip::legacy_to_modern,
    },
    Operation {
        name: "round trip, 32 legacy clients",
        runs: SHORT / 10,
        messages: round_trip::CROWD,
        bytes: 0,
        prepare: round_trip::crowd,
    },
];
