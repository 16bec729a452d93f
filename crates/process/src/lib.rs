//! Owns the child processes of Standpipe: starting, watching, speaking to, stopping and restarting
//! them. It knows nothing of HTTP.

mod cache;
mod cgroup;
mod codec;
mod descendants;
mod exit;
mod group;
mod guard;
mod instance;
mod journal;
mod launch;
mod life;
mod limits;
mod marker;
mod published;
mod registry;
mod service;
mod spawner;
mod stderr;
mod supervisor;
mod terminate;
mod usage;
pub mod watchdog;

pub use cache::{CacheSettings, ConfigSource};
pub use cgroup::{ControlGroupChoice, ControlGroupError, ControlGroupStep, ControlGroups};
pub use codec::{Line, LineCodec};
pub use exit::Exit;
pub use guard::ProcessGuard;
pub use journal::{Lines, LogFollower, LogLine};
pub use launch::{
    INHERITED, INHERITED_PREFIXES, LaunchError, LaunchFault, LaunchSpec, Launched, launch,
    launch_in,
};
pub use limits::{Exceeded, raise_own_open_files};
pub use marker::{InstanceMarker, MARKER_VARIABLE, RunId};
pub use registry::{Registry, Replacement};
pub use service::Service;
pub use stderr::{StderrTail, drain};
pub use terminate::{StopLadder, StopStep, Termination};
pub use usage::{Usage, usage};
