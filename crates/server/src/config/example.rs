//! The commented example that `config example` prints.
//!
//! Owns its text. It must not be read by the program itself. It exists as a start for people; a
//! test reads it, so that it cannot go stale.

/// A configuration with every key, its default and what it is for.
pub const EXAMPLE: &str = include_str!("example.toml");
