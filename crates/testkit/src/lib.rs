//! Real children for tests: two stdio MCP servers and the means to watch processes.
//!
//! The crate is a development dependency only. It shares no code with the crates it tests: the
//! servers read and write JSON-RPC with a few lines of their own, so that a mistake in the product
//! cannot hide behind the same mistake here.
//!
//! * `standpipe-fixture` is a well-behaved MCP server which offers everything the official
//!   conformance suite asks of a server, and tools for our own tests (`--help` lists its options).
//! * `standpipe-nasty` is a collection of children that misbehave, one way each.
//! * The library finds both binaries ([`fixture_path`], [`nasty_path`]), looks at processes
//!   ([`processes_marked`], [`processes_in_group`]) and waits for conditions ([`wait_until`]).

mod grandchild;
mod locate;
mod processes;
mod waiting;
pub mod wire;

pub use grandchild::{Grandchild, become_grandchild_if_asked, ignore_polite_signals};
pub use locate::{fixture_path, nasty_path};
pub use processes::{
    Process, children_of, is_alive, process, processes_in_group, processes_marked,
};
pub use waiting::{TimedOut, wait_until};
