//! Between the eras: what a message of one has to become for the other.
//!
//! Owns the rules that need no table of open calls of a child, as pure functions and as tables that
//! are moved by plain calls. Must not know of HTTP or of pipes.

pub(crate) mod filter;
pub(crate) mod legacy_client;
pub(crate) mod modern_client;
pub mod parking;
pub(crate) mod refused;
#[cfg(test)]
mod tests;
