//! The description of a service as callers write and read it: an entry of `mcpServers`, as JSON.
//!
//! Owns its documentation and how a service is shown. It must not check what was written: the
//! configuration does. It exists so that what is read can, but for secrets, be written again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use standpipe_core::secret::REDACTED;
use standpipe_core::service::{EraChoice, Interactive, Lifecycle, ServiceSpec, Sharing};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};

use crate::config::{Written, format_duration, format_size, redact_args};

/// A service: what runs, and how. The keys are those of an entry under `mcpServers` in a configuration
/// file, with the same defaults; an unknown key is an error. Durations are written `500ms`, `30s`,
/// `1h30m`; sizes `1048576` or `16MiB`. References (`${env:…}`, `${file:…}`) are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "command": "uvx", "args": ["mcp-server-time"], "env": { "TZ": "Europe/Zurich" }, "idle_timeout": "10m"
})))]
pub struct ServerEntry {
    /// The program: a path, or a name to search for in `PATH`.
    #[schema(min_length = 1, example = "uvx")]
    pub command: String,
    /// Its arguments. What looks like a secret is read as `[redacted]`.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables for it. Their values are always read as `[redacted]`.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub env: BTreeMap<String, String>,
    /// Its working directory; Standpipe's own where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    pub cwd: Option<String>,
    /// `persistent`: kept running. `one_shot`: started by a request, stopped when idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = lifecycle)]
    pub lifecycle: Option<Lifecycle>,
    /// `shared`: one process for all clients. `session`: one for each client session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = sharing)]
    pub sharing: Option<Sharing>,
    /// How the process is opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = era)]
    pub era: Option<EraChoice>,
    /// Whether the process may ask its clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = interactive)]
    pub interactive: Option<Interactive>,
    /// From launch to the end of the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = duration)]
    pub start_timeout: Option<String>,
    /// Longest wait for an answer or progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = duration)]
    pub request_timeout: Option<String>,
    /// Longest wait for an answer, whatever progress is reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = duration)]
    pub request_timeout_max: Option<String>,
    /// For a client to answer the process's question.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = duration)]
    pub question_timeout: Option<String>,
    /// Stop a process that nobody used for so long, or `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = patience)]
    pub idle_timeout: Option<String>,
    /// The largest message, either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = size)]
    pub max_message_bytes: Option<Size>,
    /// Messages that may wait for one process.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = size)]
    pub input_queue_bytes: Option<Size>,
    /// Processes at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 100_000)]
    pub max_instances: Option<usize>,
    /// Further processes for calls that may ask questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 100_000)]
    pub side_processes: Option<usize>,
    /// When a process that nobody uses is asked whether it still answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub probe: Option<ProbeEntry>,
    /// When a process that died is started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub restart: Option<RestartEntry>,
    /// What each process may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub limits: Option<LimitsEntry>,
}

/// When a process that nobody uses is asked whether it still answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeEntry {
    /// How often, or `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = patience)]
    pub interval: Option<String>,
    /// For its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = duration)]
    pub timeout: Option<String>,
    /// So many silences in a row end it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 100_000)]
    pub failures: Option<u32>,
}

/// When a process that died is started again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartEntry {
    /// Least time between one restart and the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = duration)]
    pub cooldown: Option<String>,
    /// Delay after the first failed start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = duration)]
    pub backoff_min: Option<String>,
    /// Delay that repeated failures never exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = duration)]
    pub backoff_max: Option<String>,
    /// So many failed starts in a row are a crash loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 100_000)]
    pub max_failures: Option<u32>,
    /// Dying so soon after ready counts as a failed start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = duration)]
    pub early_death: Option<String>,
    /// Running so long forgets earlier failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = duration)]
    pub healthy_after: Option<String>,
}

/// What each process may use of the machine; `inherited` leaves a bound as it was when Standpipe
/// started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsEntry {
    /// Private writable memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = size)]
    pub memory: Option<Size>,
    /// Processor time of its whole life.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = patience)]
    pub cpu: Option<String>,
    /// File descriptors.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = bound)]
    pub open_files: Option<Size>,
    /// Processes and threads of the whole user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = bound)]
    pub processes: Option<Size>,
}

/// A number, or a number with a unit, or a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// Of bytes, or of things.
    Number(u64),
    /// With a unit, or a word in place of it.
    Text(String),
}

impl ServerEntry {
    /// What holds for a service, without its secrets. Where the texts are not known from before
    /// references were replaced, anything in them may be secret.
    pub(super) fn shown(spec: &ServiceSpec, written: Option<&Written>) -> Self {
        let timeouts = &spec.timeouts;
        let time = |time: Duration| Some(format_duration(time));
        let never =
            |time: Option<Duration>| Some(time.map_or_else(|| "never".to_owned(), format_duration));
        let bytes = |bytes: usize| Some(Size::Text(format_size(bytes)));
        let restart = &spec.restart;
        let count = |count: Option<u64>| {
            Some(count.map_or_else(|| Size::Text("inherited".to_owned()), Size::Number))
        };
        let memory = spec.resources.memory.map_or_else(
            || "inherited".to_owned(),
            |bytes| format_size(usize::try_from(bytes).unwrap_or(usize::MAX)),
        );
        let cpu = spec.resources.cpu.map_or_else(|| "inherited".to_owned(), format_duration);
        let withheld = || REDACTED.to_owned();
        Self {
            command: written.map_or_else(withheld, |written| written.command.clone()),
            args: written.map_or_else(
                || spec.args.iter().map(|_| withheld()).collect(),
                |written| redact_args(&written.args),
            ),
            env: spec.env.keys().map(|name| (name.clone(), withheld())).collect(),
            cwd: spec
                .cwd
                .as_ref()
                .map(|_| written.and_then(|written| written.cwd.clone()).unwrap_or_else(withheld)),
            lifecycle: Some(spec.lifecycle),
            sharing: Some(spec.sharing),
            era: Some(spec.era),
            interactive: Some(spec.interactive),
            start_timeout: time(timeouts.start),
            request_timeout: time(timeouts.request),
            request_timeout_max: time(timeouts.request_max),
            question_timeout: time(timeouts.question),
            idle_timeout: never(spec.idle_timeout),
            max_message_bytes: bytes(spec.limits.max_message_bytes),
            input_queue_bytes: bytes(spec.limits.input_queue_bytes),
            max_instances: Some(spec.limits.max_instances),
            side_processes: Some(spec.limits.side_processes),
            probe: Some(ProbeEntry {
                interval: never(spec.probe.interval),
                timeout: time(spec.probe.timeout),
                failures: Some(spec.probe.failures),
            }),
            restart: Some(RestartEntry {
                cooldown: time(restart.cooldown),
                backoff_min: time(restart.backoff_min),
                backoff_max: time(restart.backoff_max),
                max_failures: Some(restart.max_failures),
                early_death: time(restart.early_death),
                healthy_after: time(restart.healthy_after),
            }),
            limits: Some(LimitsEntry {
                memory: Some(Size::Text(memory)),
                cpu: Some(cpu),
                open_files: count(spec.resources.open_files),
                processes: count(spec.resources.processes),
            }),
        }
    }
}

fn words(words: &[&str]) -> Schema {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.to_vec())).into()
}

fn lifecycle() -> Schema {
    words(&["persistent", "one_shot"])
}

fn sharing() -> Schema {
    words(&["shared", "session"])
}

fn era() -> Schema {
    words(&["auto", "legacy", "modern"])
}

fn interactive() -> Schema {
    words(&["auto", "never"])
}

fn text(pattern: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .examples([serde_json::Value::from(example)])
}

fn duration() -> Schema {
    text("^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "30s").min_length(Some(2)).into()
}

/// A duration, or the word for none.
fn patience() -> Schema {
    text("^(never|inherited|([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$", "5m")
        .min_length(Some(2))
        .into()
}

fn number(most: f64) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(most))
}

fn size() -> Schema {
    let unit = text("^(inherited|[0-9]+ *(B|KiB|MiB|GiB|kB|MB|GB)?)$", "16MiB");
    AnyOfBuilder::new().item(number(1_099_511_627_776.0)).item(unit).into()
}

fn bound() -> Schema {
    AnyOfBuilder::new().item(number(1_073_741_824.0)).item(text("^inherited$", "inherited")).into()
}
