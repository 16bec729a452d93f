//! Streamable HTTP: HTTP into messages and back, for one connection end.
//!
//! [`StreamTransport`] serves the one MCP endpoint of a service, to clients of the revisions
//! 2025-03-26, 2025-06-18, 2025-11-25 and 2026-07-28. It knows nothing of processes and configuration: with
//! each request it is given a [`Route`], the way in to the service that the request is for.
//!
//! The era of a request is decided once, by its headers in `headers` or by its body; each era has a
//! module of its own.

mod body;
mod call;
mod event_body;
mod events;
mod headers;
mod legacy;
mod listening;
mod log;
mod modern;
mod patience;
mod refusal;
mod response;
mod session;
mod sessions;
mod transport;
mod usage;

pub use response::StreamBody;
pub use transport::{Route, StreamSettings, StreamTransport};
