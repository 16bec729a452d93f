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

/// Words of other programs for what is called otherwise here. Of several the first that may stand there
/// counts.
const SYNONYMS: &[(&str, &str)] = &[
    ("address", "listen"),
    ("arguments", "args"),
    ("argv", "args"),
    ("bind", "listen"),
    ("cmd", "command"),
    ("dir", "cwd"),
    ("directory", "cwd"),
    ("enabled", "disabled"),
    ("environment", "env"),
    ("executable", "command"),
    ("host", "listen"),
    ("host", "allow_host"),
    ("hosts", "allow_host"),
    ("log_level", "log"),
    ("origin", "allow_origin"),
    ("origins", "allow_origin"),
    ("params", "args"),
    ("path", "command"),
    ("port", "listen"),
    ("program", "command"),
    ("servers", "mcpServers"),
    ("variables", "env"),
    ("workdir", "cwd"),
    ("working_directory", "cwd"),
];

/// The valid key that is nearest to an unknown one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearest {
    /// The key.
    pub key: &'static str,
    /// Whether it was most likely meant.
    pub is_near: bool,
}

/// The key a writer most likely meant.
pub(super) fn nearest(found: &str, valid: &[&'static str]) -> Nearest {
    /// Below this similarity a question for it is more confusing than a list of all.
    const NEAR_ENOUGH: f64 = 0.5;
    let plain = |key: &str| key.to_ascii_lowercase().replace('-', "_");
    let found = plain(found);
    let means = SYNONYMS.iter().filter(|(word, _)| *word == found);
    for (_, meant) in means {
        if let Some(key) = valid.iter().find(|key| *key == meant) {
            return Nearest { key, is_near: true };
        }
    }
    let similarity = |key: &str| strsim::normalized_damerau_levenshtein(&found, &plain(key));
    let best =
        valid.iter().map(|key| (similarity(key), *key)).max_by(|(a, _), (b, _)| a.total_cmp(b));
    let (similarity, key) = best.expect("every table has keys");
    Nearest { key, is_near: similarity >= NEAR_ENOUGH }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_have_a_neighbour() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("evn", SERVER, "env"),
            ("arguments", SERVER, "args"),
            ("cmd", SERVER, "command"),
            ("Command", SERVER, "command"),
            ("environment", SERVER, "env"),
            ("host", TOP, "listen"),
            ("host", &["allow_host", "listne"], "allow_host"),
            ("idle-timeout", TUNING, "idle_timeout"),
            ("mcp_servers", TOP, "mcpServers"),
            ("max_mesage_bytes", TUNING, "max_message_bytes"),
        ];
        for (found, valid, expected) in cases {
            let valid: Vec<&'static str> = valid.to_vec();
            assert_eq!(nearest(found, &valid), Nearest { key: expected, is_near: true }, "{found}");
        }
        assert!(!nearest("xyzzy", TOP).is_near);
    }
}
