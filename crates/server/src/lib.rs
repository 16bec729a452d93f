//! Standpipe's server: configuration, command line, HTTP edge, and how the parts are put together.
//!
//! The binary's `main` is a few lines over this library, so that tests can reach what it is made
//! of.

pub mod config;
