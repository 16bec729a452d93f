//! How services are shown to callers.
//!
//! Owns the shape of what is read. It must not change anything. It exists because the words of the
//! core are not an interface: what is promised outside is written down here.

use serde::{Deserialize, Serialize};
use standpipe_core::service::ServiceId;
use standpipe_core::status::{Enforcement, LastExit, LimitsInForce, Phase, ServiceStatus, State};
use standpipe_process::{ConfigSource, LogLine, Service};
use utoipa::ToSchema;

use super::entry::ServerEntry;

/// Every service.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ServerList {
    /// In the order of their names.
    pub servers: Vec<ServerSummary>,
}

/// A service and how it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ServerSummary {
    /// Its name.
    #[schema(example = "clock")]
    pub id: String,
    /// Who described it.
    pub source: SourceView,
    /// Whether it serves.
    pub state: StateView,
    /// The detail behind that.
    pub phase: PhaseView,
    /// What is wrong, where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
    /// How many processes it has had.
    pub generation: u64,
    /// Its main process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pid: Option<u32>,
    /// Processes that run now.
    pub instances: usize,
    /// Sessions that the processes know.
    pub sessions: usize,
    /// Calls that wait for their answer.
    pub calls_in_flight: usize,
    /// When a client last sent something or was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub last_accessed: Option<String>,
    /// Probes in a row that it has failed.
    pub probe_failures: u32,
    /// Restarts after an end that nobody asked for.
    pub restarts: u64,
    /// What keeps the limits of the process that was started last, where it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub limits: Option<LimitsView>,
    /// How the last process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_exit: Option<LastExitView>,
}

/// A service, how it is, and what holds for it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// How it is.
    #[serde(flatten)]
    pub summary: ServerSummary,
    /// What holds for it, defaults included and secrets redacted.
    pub config: ServerEntry,
    /// Where it is served on the main address.
    pub paths: Paths,
}

/// Where a service is served on the main address.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Paths {
    /// Streamable HTTP.
    #[schema(example = "/servers/clock/mcp")]
    pub streamable_http: String,
    /// HTTP+SSE.
    #[schema(example = "/servers/clock/sse")]
    pub sse: String,
}

/// Who described a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceView {
    /// A configuration file, or the command line.
    File,
    /// The control plane.
    ControlPlane,
    /// A request.
    Request,
}

/// Whether a service serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateView {
    /// Not now; the next request starts it, or it is being started.
    Pending,
    /// It does.
    Ready,
    /// It does not, and something is wrong.
    Error,
}

/// Where a service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseView {
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

/// What keeps each limit of a process.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LimitsView {
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub memory: Option<EnforcementView>,
    /// Processor time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cpu: Option<EnforcementView>,
    /// File descriptors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub open_files: Option<EnforcementView>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub processes: Option<EnforcementView>,
}

/// What keeps a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnforcementView {
    /// A resource limit of the process, which each of its descendants has for itself.
    Rlimit,
    /// A control group, which holds the process and all its descendants together.
    Cgroup,
}

/// How a process ended, or could not begin.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LastExitView {
    /// In words.
    #[schema(example = "exited with status 1")]
    pub reason: String,
    /// Its exit status, where it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status: Option<i32>,
    /// The signal that ended it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub signal: Option<i32>,
    /// When this was learnt.
    #[schema(format = DateTime)]
    pub at: String,
    /// The last lines it wrote to its stderr.
    pub stderr: Vec<String>,
}

/// The last lines that a service's processes wrote to their stderr.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// The service.
    pub id: String,
    /// Oldest first.
    pub lines: Vec<LogLineView>,
}

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogLineView {
    /// Counted from 1 over all lines of the service.
    pub number: u64,
    /// Which of the service's processes wrote it, counted as `generation` of the service counts them.
    pub generation: u64,
    /// When it was read.
    #[schema(format = DateTime)]
    pub at: String,
    /// What was written, at most 4 KiB of it.
    pub text: String,
}

impl ServerSummary {
    pub(super) fn of(service: &Service) -> Self {
        Self::with(service.id(), service.source(), service.status())
    }

    fn with(id: &ServiceId, source: ConfigSource, status: ServiceStatus) -> Self {
        Self {
            id: id.to_string(),
            source: source.into(),
            state: status.state.into(),
            phase: status.phase.into(),
            message: status.message.map(|message| message.to_string()),
            generation: status.generation,
            pid: status.pid,
            instances: status.instances,
            sessions: status.sessions,
            calls_in_flight: status.calls_in_flight,
            last_accessed: status.last_accessed.map(|at| at.to_string()),
            probe_failures: status.probe_failures,
            restarts: status.restarts,
            limits: (!status.limits.is_empty()).then(|| status.limits.into()),
            last_exit: status.last_exit.map(LastExitView::from),
        }
    }
}

impl Paths {
    pub(super) fn of(id: &ServiceId) -> Self {
        Self { streamable_http: format!("/servers/{id}/mcp"), sse: format!("/servers/{id}/sse") }
    }
}

impl From<LimitsInForce> for LimitsView {
    fn from(limits: LimitsInForce) -> Self {
        let LimitsInForce { memory, cpu, open_files, processes } = limits;
        let view = |kept: Option<Enforcement>| kept.map(EnforcementView::from);
        Self {
            memory: view(memory),
            cpu: view(cpu),
            open_files: view(open_files),
            processes: view(processes),
        }
    }
}

impl From<Enforcement> for EnforcementView {
    fn from(enforcement: Enforcement) -> Self {
        match enforcement {
            Enforcement::Rlimit => Self::Rlimit,
            Enforcement::Cgroup => Self::Cgroup,
        }
    }
}

impl From<LastExit> for LastExitView {
    fn from(exit: LastExit) -> Self {
        Self {
            reason: exit.reason.to_string(),
            status: exit.status,
            signal: exit.signal,
            at: exit.at.to_string(),
            stderr: exit.stderr.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<LogLine> for LogLineView {
    fn from(line: LogLine) -> Self {
        Self {
            number: line.number,
            generation: line.generation,
            at: line.at.to_string(),
            text: line.text.to_string(),
        }
    }
}

impl From<ConfigSource> for SourceView {
    fn from(source: ConfigSource) -> Self {
        match source {
            ConfigSource::File => Self::File,
            ConfigSource::ControlPlane => Self::ControlPlane,
            ConfigSource::Request => Self::Request,
        }
    }
}

impl From<State> for StateView {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Ready => Self::Ready,
            State::Error => Self::Error,
        }
    }
}

impl From<Phase> for PhaseView {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Idle => Self::Idle,
            Phase::Starting => Self::Starting,
            Phase::Ready => Self::Ready,
            Phase::Draining => Self::Draining,
            Phase::Stopped => Self::Stopped,
            Phase::Backoff => Self::Backoff,
            Phase::CrashLoop => Self::CrashLoop,
        }
    }
}
