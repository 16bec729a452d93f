//! The load generator: many sessions on one thread, every answer checked.
//!
//! Owns what is sent, what is measured, and the verdict on each answer. Must not know which server
//! answers. It waits with epoll and reads and writes sockets itself, because at 100,000 requests
//! a second on two cores anything more would be what is measured.

mod cold;
mod connection;
mod drive;
mod fanout;
mod http;
mod idle;
mod plan;
mod process;
mod session;
mod statistics;
mod target;
mod template;

pub use plan::run;
