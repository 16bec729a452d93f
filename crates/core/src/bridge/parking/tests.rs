//! Parking and finding again, by plain calls.

mod asking;
mod states;
