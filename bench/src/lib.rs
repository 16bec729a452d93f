//! What the programs of the benchmark share.
//!
//! Owns a scanner for JSON-RPC messages, the accept loop of the two reference servers, the reading
//! of command lines, and the load generator's parts. Must not know Standpipe: it depends on none of
//! our crates, so that a mistake of theirs shows here instead of being repeated.

pub mod arguments;
// It waits with epoll and reads `/proc`.
#[cfg(target_os = "linux")]
pub mod load;
pub mod opening;
pub mod reply;
pub mod scan;
pub mod serve;
