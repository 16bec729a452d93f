//! The words of the trade and the logic of Standpipe that needs no I/O.
//!
//! No sockets, no processes, no spawned tasks: everything in here can be tested with plain calls,
//! property tests and a fuzzer.

pub mod policy;
pub mod secret;
pub mod service;
