//! The supervisor, its instances and the lives of their children, played in paused time in one
//! thread with children that are no processes.
//!
//! Tables for each rule, and random histories for what must hold in all of them. Nothing here waits
//! for a clock: time passes at once whenever everybody has nothing to do but to wait.

mod caller;
mod fake;
mod histories;
mod idleness;
mod probes;
mod restarts;
mod starts;
mod world;
