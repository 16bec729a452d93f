//! The two servers on stdio, and the library's view of their processes.

mod driver;
mod fixture;
mod nasty;
mod questions;
mod watching;
