//! What a service is: [`ServiceSpec`], its limits and its name.
//!
//! Owns the description of one stdio server: how to start it, how to share it, how long to wait
//! for it. It must not know how descriptions are written down (configuration files, flags) nor how
//! processes run. It exists so that everybody between the configuration and the child speaks of
//! the same, already validated values.

mod id;
mod limits;
mod probe;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use id::{MAX_SERVICE_ID_LEN, ServiceId, ServiceIdError, ServiceIdFault};
pub use limits::{Limits, MAX_DURATION, ResourceLimits, RestartSettings, Timeouts};
pub use probe::ProbeSettings;
use serde::{Deserialize, Serialize};
pub use shown::Shown;

use crate::secret::Redacted;

/// How long a one-shot service may be unused before its process is stopped, unless configured.
pub const DEFAULT_ONE_SHOT_IDLE: Duration = Duration::from_mins(5);

/// Everything there is to know about one service.
///
/// Two equal specs describe the same processes: a reload that finds its spec unchanged need not
/// touch a running child. Equality compares the values themselves, secrets included, and costs no
/// more than reading them.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// The name under which the service is reached.
    pub id: ServiceId,
    /// The program to run: a path, or a name to search for in `PATH`.
    pub command: OsString,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Variables set in the child's environment, over the few that are inherited.
    pub env: BTreeMap<String, Redacted<String>>,
    /// The child's working directory; ours when `None`.
    pub cwd: Option<PathBuf>,
    /// What is shown in place of values that must not be.
    pub shown: Shown,
    /// Whether the service is kept running.
    pub lifecycle: Lifecycle,
    /// Who shares a process.
    pub sharing: Sharing,
    /// Which protocol era the child is opened in.
    pub era: EraChoice,
    /// Whether the child may ask its clients questions.
    pub interactive: Interactive,
    /// When a dead child is started again.
    pub restart: RestartSettings,
    /// When a process that nobody uses is asked whether it still answers.
    pub probe: ProbeSettings,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// Stop a process that nobody used for this long; `None` keeps it.
    pub idle_timeout: Option<Duration>,
    /// Bounds on sizes and numbers.
    pub limits: Limits,
    /// What each of its processes may use.
    pub resources: ResourceLimits,
}

impl ServiceSpec {
    /// A spec with every setting at its default; [`validate`](Self::validate) it after changes.
    pub fn new(id: ServiceId, command: impl Into<OsString>) -> Self {
        let lifecycle = Lifecycle::default();
        Self {
            id,
            command: command.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            shown: Shown::default(),
            lifecycle,
            sharing: Sharing::default(),
            era: EraChoice::default(),
            interactive: Interactive::default(),
            restart: RestartSettings::default(),
            probe: ProbeSettings::default(),
            timeouts: Timeouts::default(),
            idle_timeout: lifecycle.default_idle_timeout(),
            limits: Limits::default(),
            resources: ResourceLimits::default(),
        }
    }

    /// Checks everything that could make a start fail or a bound meaningless.
    pub fn validate(&self) -> Result<(), SpecError> {
        self.fault().map_or(Ok(()), |fault| Err(SpecError { id: self.id.clone(), fault }))
    }

    fn fault(&self) -> Option<SpecFault> {
        if self.command.is_empty() {
            return Some(SpecFault::NoCommand);
        }
        if has_nul(&self.command) {
            return Some(SpecFault::NulByte { key: "command" });
        }
        if self.args.iter().any(|arg| has_nul(arg)) {
            return Some(SpecFault::NulByte { key: "args" });
        }
        if self.cwd.as_ref().is_some_and(|cwd| has_nul(cwd.as_os_str())) {
            return Some(SpecFault::NulByte { key: "cwd" });
        }
        if self.cwd.as_ref().is_some_and(|cwd| cwd.as_os_str().is_empty()) {
            return Some(SpecFault::EmptyCwd);
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Some(SpecFault::EnvName { name: name.clone() });
            }
            if value.expose().contains('\0') {
                return Some(SpecFault::EnvValue { name: name.clone() });
            }
        }
        if let Some(fault) = probe::fault(&self.probe) {
            return Some(fault);
        }
        limits::fault(&self.restart, &self.timeouts, self.idle_timeout, &self.limits)
            .or_else(|| self.resources.fault())
    }
}

impl fmt::Debug for ServiceSpec {
    // Arguments may carry expanded secrets, so only their number is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSpec")
            .field("id", &self.id)
            .field("command", &self.command_shown())
            .field("args", &format_args!("{} arguments", self.args.len()))
            .field("env", &self.env)
            .field("cwd", &self.cwd_shown())
            .field("lifecycle", &self.lifecycle)
            .field("sharing", &self.sharing)
            .field("era", &self.era)
            .field("interactive", &self.interactive)
            .field("restart", &self.restart)
            .field("probe", &self.probe)
            .field("timeouts", &self.timeouts)
            .field("idle_timeout", &self.idle_timeout)
            .field("limits", &self.limits)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}

/// Whether a service is kept running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// Kept up: started again when it dies, never stopped for being idle unless configured.
    #[default]
    Persistent,
    /// Started by a request, stopped when idle, never started again by itself.
    OneShot,
}

impl Lifecycle {
    /// The idle timeout of a service that configures none.
    pub const fn default_idle_timeout(self) -> Option<Duration> {
        match self {
            Self::Persistent => None,
            Self::OneShot => Some(DEFAULT_ONE_SHOT_IDLE),
        }
    }
}

/// Who shares a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// One main process for all clients.
    #[default]
    Shared,
    /// One process per legacy session, and per principal for modern requests.
    Session,
}

/// Which protocol era a child is opened in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraChoice {
    /// Found out by asking the child.
    #[default]
    Auto,
    /// Always by `initialize` (2025-11-25 and older).
    Legacy,
    /// Always by `server/discover` (2026-07-28 and newer).
    Modern,
}

/// Whether a child may ask its clients questions (sampling, elicitation, roots).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interactive {
    /// Offered, with side processes where sharing would make the addressee ambiguous.
    #[default]
    Auto,
    /// No client capabilities are offered to the child, and there are no side processes.
    Never,
}

/// A spec that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("service `{id}`: {fault}")]
pub struct SpecError {
    /// The service.
    pub id: ServiceId,
    /// What is wrong with it.
    #[source]
    pub fault: SpecFault,
}

/// What is wrong with a [`ServiceSpec`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecFault {
    /// There is nothing to run.
    #[error("`command` is empty")]
    NoCommand,
    /// The operating system cannot pass a NUL byte on.
    #[error("`{key}` contains a NUL byte")]
    NulByte {
        /// The setting.
        key: &'static str,
    },
    /// An empty path is not "here".
    #[error("`cwd` is empty; leave it out to use the current directory")]
    EmptyCwd,
    /// A variable name that no environment can hold.
    #[error("`env` has the name {name:?}; a name must not be empty or contain `=` or NUL")]
    EnvName {
        /// The name.
        name: String,
    },
    /// A variable value that no environment can hold; the value itself may be secret.
    #[error("`env.{name}` contains a NUL byte")]
    EnvValue {
        /// The variable.
        name: String,
    },
    /// A bound of nothing lets nothing through.
    #[error("`{key}` must be greater than zero")]
    Zero {
        /// The setting.
        key: &'static str,
    },
    /// A bound with which nothing can run.
    #[error("`{key}` must be at least {min} {unit}")]
    TooSmall {
        /// The setting.
        key: &'static str,
        /// The smallest value accepted.
        min: u64,
        /// What `min` counts.
        unit: &'static str,
    },
    /// A value beyond what makes sense, and beyond what clock arithmetic is safe for.
    #[error("`{key}` must be at most {max} {unit}")]
    TooLarge {
        /// The setting.
        key: &'static str,
        /// The largest value accepted.
        max: u64,
        /// What `max` counts.
        unit: &'static str,
    },
    /// Two settings that contradict each other.
    #[error("`{lesser}` must not be greater than `{greater}`")]
    Order {
        /// The setting that has to be the smaller one.
        lesser: &'static str,
        /// The setting that has to be the greater one.
        greater: &'static str,
    },
}

fn has_nul(text: &OsStr) -> bool {
    text.as_encoded_bytes().contains(&0)
}
