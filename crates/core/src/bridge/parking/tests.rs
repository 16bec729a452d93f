//! Parking and finding again, by plain calls.

mod asking;
mod histories;
mod states;
