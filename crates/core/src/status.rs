//! What anyone may know of a service at a moment.
//!
//! Owns the words that are shown outside: three public states and the phases behind them. Must not
//! know who asks; a status is a snapshot and changes nothing.

use std::sync::Arc;

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
    /// How many processes the service has had.
    pub generation: u64,
    /// The main process, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Processes that run now, side processes and sessions' own included.
    pub instances: usize,
    /// Restarts after an end that nobody asked for.
    pub restarts: u64,
    /// How the last process ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Arc<str>>,
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
            restarts: 0,
            last_exit: None,
        }
    }
}
