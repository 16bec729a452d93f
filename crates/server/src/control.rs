//! The control plane: services described, started, stopped and looked at while Standpipe runs.
//!
//! Owns `/api/v1`, the Unix socket and the TCP address where it is served, who may use it, and the
//! client of it behind `standpipe servers`. It must not know how MCP is served, and is never served
//! beside it. It exists because whoever registers a command can run anything: so it is a door of its
//! own, closed unless somebody opened it.

mod api;
pub mod client;
pub mod commands;

mod configured;
mod describe;
mod door;
mod entry;
mod error;
mod logs;
mod origin;
mod problem;
mod request;
mod servers;
mod socket;
mod token;
mod view;

pub use api::{ControlApi, Plane};
pub use configured::Configured;
pub(crate) use door::Endings;
pub use door::{Doors, OpenError, open};
pub use entry::{LimitsEntry, ProbeEntry, RestartEntry, ServerEntry, Size};
pub use error::ControlError;
pub use problem::{Problem, ProblemError};
pub use socket::{SocketError, SocketFault};
pub use view::{EnforcementView, LimitsView, SourceView, StateView};
pub use view::{
    LastExitView, LogLineView, LogPage, Paths, PhaseView, Server, ServerList, ServerSummary,
};
