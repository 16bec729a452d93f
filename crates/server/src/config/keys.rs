//! Every key a configuration may contain.
//!
//! Owns the names. It must not know what they mean. It exists so that an unknown key is recognised
//! in one place, and its nearest neighbour found.

/// Tuning of a service. At the top level each is the default of all services.
pub(super) const TUNING: &[&str] = &[
    "era",
    "idle_timeout",
    "input_queue_bytes",
    "interactive",
    "lifecycle",
    "limits",
    "max_instances",
    "max_message_bytes",
    "probe",
    "question_timeout",
    "request_timeout",
    "request_timeout_max",
    "restart",
    "sharing",
    "side_processes",
    "start_timeout",
];

/// Keys of the top level besides [`TUNING`].
pub(super) const TOP: &[&str] = &[
    "allow_host",
    "allow_origin",
    "body_budget_bytes",
    "cache",
    "cgroup",
    "compat",
    "control",
    "listen",
    "log",
    "max_connections",
    "mcpServers",
    "ops",
    "otel",
    "session_idle_timeout",
    "shutdown_timeout",
    "threads",
];

/// Keys of an entry under `mcpServers` besides [`TUNING`].
pub(super) const SERVER: &[&str] = &["args", "command", "cwd", "disabled", "env", "type"];

/// Keys under `ops`.
pub(super) const OPS: &[&str] = &["listen"];

/// Keys under `otel`; those under its `headers` are names of headers.
pub(super) const OTEL: &[&str] =
    &["endpoint", "headers", "sample_ratio", "service_name", "timeout"];

/// Keys under `cache`.
pub(super) const CACHE: &[&str] = &["entries", "ttl"];

/// Keys under `control`.
pub(super) const CONTROL: &[&str] = &["listen", "socket", "token"];

/// Keys under `compat`.
pub(super) const COMPAT: &[&str] = &["origin_api"];

/// Keys under `probe`.
pub(super) const PROBE: &[&str] = &["failures", "interval", "timeout"];

/// Keys under `restart`.
pub(super) const RESTART: &[&str] =
    &["backoff_max", "backoff_min", "cooldown", "early_death", "healthy_after", "max_failures"];

/// Keys under `limits`.
pub(super) const LIMITS: &[&str] = &["cpu", "memory", "open_files", "processes"];

/// Keys that desktop clients write into an entry and that concern only themselves: what may run
/// without asking, how it is displayed. `timeout` is among them because clients disagree about its
/// unit; `request_timeout` is ours.
pub(super) const FOREIGN_SERVER: &[&str] =
    &["alwaysAllow", "autoApprove", "description", "icon", "timeout", "transport", "trust"];

/// Keys of remote servers. Standpipe serves what speaks stdio.
pub(super) const REMOTE_SERVER: &[&str] = &["headers", "httpUrl", "serverUrl", "url"];

/// Keys beside `mcpServers` in the files of desktop clients, which concern only themselves. They
/// are passed over in JSON files, and unknown in TOML ones.
pub(super) const FOREIGN_TOP: &[&str] = &[
    "$schema",
    "globalShortcut",
    "inputs",
    "isDxtAutoUpdatesEnabled",
    "isUsingBuiltInNodeForMcp",
    "locale",
    "preferences",
    "scale",
    "userThemeMode",
];

/// The key a writer most likely meant, if one is near enough.
pub(super) fn nearest<'a>(
    found: &str,
    valid: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    /// Below this similarity a suggestion is more confusing than none.
    const NEAR_ENOUGH: f64 = 0.7;
    let found = found.to_ascii_lowercase();
    valid
        .into_iter()
        .map(|key| (strsim::jaro_winkler(&found, &key.to_ascii_lowercase()), key))
        .filter(|(similarity, _)| *similarity >= NEAR_ENOUGH)
        .max_by(|(one, _), (two, _)| one.total_cmp(two))
        .map(|(_, key)| key)
}
