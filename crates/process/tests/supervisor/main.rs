//! Services with real children, asked the way the transports ask them: through the gate, the
//! sessions and the inboxes. Each test ends by looking for processes that were left.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod describing;
mod dying;
mod principals;
mod probing;
mod roots;
mod sessions;
mod sides;
mod starting;
mod stopping;
mod world;
