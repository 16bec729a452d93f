//! Clients of 2026-07-28 before children of either era.

mod asking;
mod client;
mod crowd;
mod listening;
mod plain;
