//! The numbers of a service: time limits, sizes, restart settings, what its processes may use, and
//! the defaults of all these.
//!
//! Owns defaults and what makes a set of numbers consistent. It must not know how they are
//! written in a configuration or what acts on them. It exists so that a default is stated once.

use std::time::Duration;

use super::SpecFault;

/// The longest time any setting accepts. Ten years is "never" to a person, and far from where
/// adding to a clock reading overflows.
pub const MAX_DURATION: Duration = Duration::from_hours(24 * 365 * 10);

/// Sizes above this cannot be meant; it also keeps arithmetic on them safe.
const MAX_BYTES: u64 = 1 << 40;

const MIB: usize = 1024 * 1024;

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timeouts {
    /// From the launch of a child to the end of its handshake.
    pub start: Duration,
    /// From a request to its answer; progress starts it anew.
    pub request: Duration,
    /// From a request to its answer, whatever progress is reported.
    pub request_max: Duration,
    /// How long a client may take to answer a child's question.
    pub question: Duration,
    /// A legacy session without an open stream ends after this much silence.
    pub session_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            start: Duration::from_mins(1),
            request: Duration::from_mins(5),
            request_max: Duration::from_hours(1),
            question: Duration::from_mins(5),
            session_idle: Duration::from_mins(30),
        }
    }
}

/// When a dead child is started again; `crate::policy` acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RestartSettings {
    /// Least time between one restart and the next.
    pub cooldown: Duration,
    /// Delay after the first failed start.
    pub backoff_min: Duration,
    /// Delay that repeated failures never exceed.
    pub backoff_max: Duration,
    /// So many failed starts in a row are a crash loop.
    pub max_failures: u32,
    /// A child that dies this soon after `ready` counts as a failed start.
    pub early_death: Duration,
    /// So long a healthy run forgets earlier failures.
    pub healthy_after: Duration,
}

impl Default for RestartSettings {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(30),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            max_failures: 5,
            early_death: Duration::from_secs(30),
            healthy_after: Duration::from_mins(5),
        }
    }
}

/// Bounds on sizes and numbers of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Largest JSON-RPC message in either direction, in bytes. The default leaves room for an
    /// envelope around a payload of 16 MiB.
    pub max_message_bytes: usize,
    /// Processes of the service at most, side processes not counted.
    pub max_instances: usize,
    /// Side processes at most, for calls that may ask questions.
    pub side_processes: usize,
    /// Bytes that may wait for one child's stdin. One client holds at most a quarter of it, or
    /// one message when that is more.
    pub input_queue_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 17 * MIB,
            max_instances: 64,
            side_processes: 8,
            input_queue_bytes: 64 * MIB,
        }
    }
}

/// What each process of a service may use of the machine. `None` leaves a bound as it was when
/// Standpipe started.
///
/// The kernel counts by process: a descendant of the child has the same bounds, and an account of
/// its own. Only `processes` is counted over all processes of the user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ResourceLimits {
    /// Private writable memory, in bytes: heap, anonymous mappings and data segments.
    pub memory: Option<u64>,
    /// Processor time of the process's whole life, rounded up to seconds.
    pub cpu: Option<Duration>,
    /// Open file descriptors.
    pub open_files: Option<u64>,
    /// Processes and threads that the user may have when this one starts another.
    pub processes: Option<u64>,
}

impl ResourceLimits {
    /// Below this no program so much as starts: it is a slip of the unit.
    const MIN_MEMORY: u64 = 1024 * 1024;
    /// The kernel counts no finer.
    const MIN_CPU: Duration = Duration::from_secs(1);
    /// The three standard streams, and a few for loading the program.
    const MIN_OPEN_FILES: u64 = 8;

    /// The first bound with which nothing can run.
    pub(super) fn fault(&self) -> Option<SpecFault> {
        let least = [
            ("limits.memory", self.memory, Self::MIN_MEMORY, "bytes"),
            ("limits.cpu", self.cpu.map(|cpu| cpu.as_secs()), Self::MIN_CPU.as_secs(), "second"),
            ("limits.open_files", self.open_files, Self::MIN_OPEN_FILES, "descriptors"),
            ("limits.processes", self.processes, 1, "process"),
        ];
        for (key, value, min, unit) in least {
            if value.is_some_and(|value| value < min) {
                return Some(SpecFault::TooSmall { key, min, unit });
            }
        }
        if self.cpu.is_some_and(|cpu| cpu > MAX_DURATION) {
            let max = MAX_DURATION.as_secs();
            return Some(SpecFault::TooLarge { key: "limits.cpu", max, unit: "seconds" });
        }
        None
    }
}

/// The first inconsistency among the numbers of a service.
pub(super) fn fault(
    restart: &RestartSettings,
    timeouts: &Timeouts,
    idle_timeout: Option<Duration>,
    limits: &Limits,
) -> Option<SpecFault> {
    let durations = [
        ("start_timeout", timeouts.start),
        ("request_timeout", timeouts.request),
        ("request_timeout_max", timeouts.request_max),
        ("question_timeout", timeouts.question),
        ("session_idle_timeout", timeouts.session_idle),
        ("idle_timeout", idle_timeout.unwrap_or(MAX_DURATION)),
        ("restart.backoff_min", restart.backoff_min),
        ("restart.backoff_max", restart.backoff_max),
        ("restart.healthy_after", restart.healthy_after),
    ];
    for (key, value) in durations {
        if value.is_zero() {
            return Some(SpecFault::Zero { key });
        }
    }
    let may_be_zero =
        [("restart.cooldown", restart.cooldown), ("restart.early_death", restart.early_death)];
    for (key, value) in durations.into_iter().chain(may_be_zero) {
        if value > MAX_DURATION {
            return Some(SpecFault::TooLarge { key, max: MAX_DURATION.as_secs(), unit: "seconds" });
        }
    }
    let sizes = [
        ("max_message_bytes", limits.max_message_bytes),
        ("input_queue_bytes", limits.input_queue_bytes),
    ];
    for (key, value) in sizes {
        if value == 0 {
            return Some(SpecFault::Zero { key });
        }
        if value as u64 > MAX_BYTES {
            return Some(SpecFault::TooLarge { key, max: MAX_BYTES, unit: "bytes" });
        }
    }
    if limits.max_instances == 0 {
        return Some(SpecFault::Zero { key: "max_instances" });
    }
    if restart.max_failures == 0 {
        return Some(SpecFault::Zero { key: "restart.max_failures" });
    }
    let order = |lesser, greater| Some(SpecFault::Order { lesser, greater });
    if timeouts.request > timeouts.request_max {
        return order("request_timeout", "request_timeout_max");
    }
    if restart.backoff_min > restart.backoff_max {
        return order("restart.backoff_min", "restart.backoff_max");
    }
    if limits.max_message_bytes > limits.input_queue_bytes {
        return order("max_message_bytes", "input_queue_bytes");
    }
    None
}
