//! What anyone may know of a service at a moment.
//!
//! Owns the words that are shown outside: three public states and the phases behind them. Must not
//! know who asks; a status is a snapshot and changes nothing.

mod enforcement;
mod moment;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use enforcement::{Enforcement, LimitsInForce};
pub use moment::Moment;
use serde::Serialize;

/// The public state of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not serving now; it is started when it is asked for, or is being started.
    Pending,
    /// Serving.
    Ready,
    /// Not serving, and something is wrong.
    Error,
}

/// Where a service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No process, and none wanted yet.
    Idle,
    /// A process is being started.
    Starting,
    /// A process serves.
    Ready,
    /// Open calls may end, new ones are refused.
    Draining,
    /// Ended for good.
    Stopped,
    /// Waiting before the next start.
    Backoff,
    /// Given up until somebody intervenes.
    CrashLoop,
}

impl Phase {
    /// The public state that the phase shows as.
    pub fn state(self) -> State {
        match self {
            Self::Idle | Self::Starting | Self::Draining | Self::Stopped => State::Pending,
            Self::Ready => State::Ready,
            Self::Backoff | Self::CrashLoop => State::Error,
        }
    }
}

/// A snapshot of a service.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceStatus {
    /// The public state.
    pub state: State,
    /// The detail behind it.
    pub phase: Phase,
    /// What is wrong, when something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Arc<str>>,
    /// How many processes the service has had under its name; a replaced service's count goes on.
    pub generation: u64,
    /// The main process, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Processes that run now, side processes and sessions' own included.
    pub instances: usize,
    /// Sessions that the processes know.
    pub sessions: usize,
    /// Calls of clients that wait for their answer.
    pub calls_in_flight: usize,
    /// When a client last sent something or was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accessed: Option<Moment>,
    /// Probes in a row that the service has failed; where it has several processes, the most of any.
    pub probe_failures: u32,
    /// Restarts after an end that nobody asked for.
    pub restarts: u64,
    /// What keeps the limits of the process that was started last.
    #[serde(skip_serializing_if = "LimitsInForce::is_empty")]
    pub limits: LimitsInForce,
    /// How the last process ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<LastExit>,
}

impl Default for ServiceStatus {
    fn default() -> Self {
        Self {
            state: State::Pending,
            phase: Phase::Idle,
            message: None,
            generation: 0,
            pid: None,
            instances: 0,
            sessions: 0,
            calls_in_flight: 0,
            last_accessed: None,
            probe_failures: 0,
            restarts: 0,
            limits: LimitsInForce::default(),
            last_exit: None,
        }
    }
}

/// How a process ended, or could not begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastExit {
    /// In words.
    pub reason: Arc<str>,
    /// Its exit status, when it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// The signal that ended it, when one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// When this was learnt.
    pub at: Moment,
    /// The last lines it wrote to its stderr, oldest first. They are never serialised, since a
    /// server may well print a secret: who may read them has to be asked where they are shown.
    #[serde(skip)]
    pub stderr: Vec<Arc<str>>,
}
