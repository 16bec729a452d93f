//! The words of the trade and the logic of Standpipe that needs no I/O.
//!
//! No sockets, no processes, no spawned tasks: everything in here can be tested with plain calls,
//! property tests and a fuzzer.

pub mod bridge;
pub mod budget;
pub mod connection;
pub mod fault;
pub mod id;
pub mod learnt;
pub mod message;
pub mod mux;
pub mod policy;
pub mod protocol;
pub mod secret;
pub mod service;
pub mod status;
pub mod trace;
