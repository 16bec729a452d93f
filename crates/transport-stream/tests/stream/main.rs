//! The transport against a fake child: requests in, messages at the boundary, responses out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there and then")]

mod batches;
mod bounds;
mod checks;
mod endings;
mod listening;
mod modern;
mod modern_checks;
mod modern_parked;
mod modern_rounds;
mod modern_streams;
mod modern_tools;
mod questions;
mod resuming;
mod sessions;
mod sockets;
mod support;
