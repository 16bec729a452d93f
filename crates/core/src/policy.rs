//! When to start again, how long to wait, when to stop: decisions without a clock of their own.
//!
//! Owns the rules for restarts, back-off and idleness. It must not know processes, timers or
//! random numbers: the time and the random fraction come in as arguments. It exists so that every
//! rule is tested with plain calls and read in one place.

mod idle;
mod restart;
#[cfg(test)]
mod tests;

pub use idle::{Activity, IdlePolicy, IdleVerdict};
pub use restart::{Decision, Ending, RestartPolicy};
