//! HTTP+SSE (2024-11-05): HTTP into messages and back, for one connection end.
//!
//! A client opens an event stream with GET, learns from its first event where to POST, and gets
//! every answer, question and notification on that stream. The stream is the session: its end
//! cancels what the client had open. [`SseTransport`] serves both requests; it is given a [`Route`]
//! to the service with each of them and knows nothing of processes, configuration or routing.

mod body;
mod calls;
mod connection;
mod dispatch;
mod events;
mod handshake;
mod headers;
mod refusal;
mod response;
#[cfg(test)]
mod tests;
mod transport;

pub use response::SseBody;
pub use transport::{Route, SseSettings, SseTransport};
