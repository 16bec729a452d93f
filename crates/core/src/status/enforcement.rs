//! By which means the limits of a service's processes are kept.
//!
//! Owns the words for it. Must not know how either means works: what is here was found out by
//! whoever started the process.

use serde::Serialize;

/// What keeps a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// A resource limit of the process, which each of its descendants has for itself.
    Rlimit,
    /// A control group, which holds the process and all its descendants together.
    Cgroup,
}

/// Each configured limit, and what keeps it. `None` where nothing is limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LimitsInForce {
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Enforcement>,
    /// Processor time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Enforcement>,
    /// Open files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<Enforcement>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<Enforcement>,
}

impl LimitsInForce {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
