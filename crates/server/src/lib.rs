//! Standpipe's server: configuration, command line, HTTP edge, and how the parts are put together.
//!
//! The binary's `main` is one call into this library, so that tests can reach what it is made of.

pub mod accept;
pub mod app;
pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
pub mod demo;
pub mod edge;
pub mod error;
mod lingering;
mod ops;
pub mod reload;
pub mod reply;
pub mod routes;
pub mod runtimes;
pub mod serve;
pub mod shutdown;
pub mod telemetry;
