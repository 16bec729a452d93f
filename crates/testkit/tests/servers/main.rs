//! The two servers on stdio, and the library's view of their processes.

mod driver;
mod fixture;
mod modern;
mod modern_rounds;
mod nasty;
mod questions;
mod watching;
