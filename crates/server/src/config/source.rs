//! Where configuration comes from: files, the environment, flags.
//!
//! Owns reading them into layers that figment merges. It must not know what keys mean. It exists
//! to keep what a mistake's message needs: the file's text and path, the variable's name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use figment::providers::{Format, Json, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider, Source};

use super::error::ConfigError;
use super::keys;

/// The prefix of variables that are configuration.
pub(super) const PREFIX: &str = "STANDPIPE_";

/// Variables with our prefix that are no configuration: the marker of our children, and what the
/// command line reads, the path of the configuration file and how to reach a control plane.
const NOT_CONFIGURATION: &[&str] = &[
    "STANDPIPE_CONFIG",
    "STANDPIPE_CONTROL_SOCKET",
    "STANDPIPE_CONTROL_TOKEN",
    "STANDPIPE_CONTROL_URL",
    "STANDPIPE_INSTANCE",
];

/// Name of the environment's layer.
pub(super) const ENVIRONMENT: &str = "environment";

/// Name of the layer of flags.
pub(super) const FLAGS: &str = "flags";

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFormat {
    Toml,
    Json,
}

/// A configuration file that was read.
#[derive(Debug)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) format: FileFormat,
    dict: Dict,
}

impl ConfigFile {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let bytes = fs::read(path).map_err(|source| unreadable(path, source))?;
        let text =
            String::from_utf8(bytes).map_err(|_| ConfigError::NotText { path: path.to_owned() })?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        // Windows editors begin files with a byte order mark; no parser here wants it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let format = format_of(path, &text);
        let dict = match format {
            FileFormat::Toml => parse_toml(path, &text)?,
            FileFormat::Json => parse_json(path, &text)?,
        };
        Ok(Self { path: path.to_owned(), text, format, dict })
    }

    /// The services that the file names.
    pub(super) fn service_names(&self) -> impl Iterator<Item = &str> {
        let servers = self.dict.get("mcpServers").and_then(Value::as_dict);
        servers.into_iter().flat_map(|servers| servers.keys().map(String::as_str))
    }
}

impl Provider for &ConfigFile {
    fn metadata(&self) -> Metadata {
        Metadata::from("file", Source::File(self.path.clone()))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

/// The variables of the environment that are configuration.
#[derive(Debug, Default)]
pub(super) struct Environment {
    dict: Dict,
    /// Variables with our prefix that no key is near to. Somebody else may use the prefix.
    pub(super) ignored: Vec<String>,
}

impl Environment {
    /// `services` are the names known from files: a shell cannot write `my-server`, so
    /// `MY_SERVER` is taken for it.
    pub(super) fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        services: &[&str],
    ) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            let Some(rest) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if NOT_CONFIGURATION.contains(&name) || rest.is_empty() {
                continue;
            }
            let path = variable_path(rest, services);
            if !is_ours(&path) {
                environment.ignored.push(name.to_owned());
                continue;
            }
            // A value that is not UTF-8 fits no key; the lossy text makes the mistake visible.
            let value = variable_value(&path, &value.to_string_lossy());
            insert(&mut environment.dict, &path, value);
        }
        environment
    }
}

impl Provider for &Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named(ENVIRONMENT)
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

/// What flags say, as keys of the configuration.
#[derive(Debug, Default, Clone)]
pub struct FlagLayer(Dict);

impl FlagLayer {
    /// Sets a key of the top level, where the flag was given.
    pub fn set(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value.into());
        }
    }

    /// Sets a list of the top level, where the flag was given at least once.
    pub fn set_list(&mut self, key: &'static str, values: &[String]) {
        if !values.is_empty() {
            let values: Vec<Value> = values.iter().cloned().map(Value::from).collect();
            self.0.insert(key.to_owned(), values.into());
        }
    }
}

impl Provider for &FlagLayer {
    fn metadata(&self) -> Metadata {
        Metadata::named(FLAGS)
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

/// The variable that sets the key at this path.
pub(super) fn variable_name(path: &[&str]) -> String {
    let mut name = PREFIX.to_owned();
    for (index, segment) in path.iter().enumerate() {
        if index > 0 {
            name.push_str("__");
        }
        name.push_str(&segment.to_ascii_uppercase());
    }
    name
}

fn unreadable(path: &Path, source: io::Error) -> ConfigError {
    ConfigError::Unreadable { path: path.to_owned(), source }
}

fn format_of(path: &Path, text: &str) -> FileFormat {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => FileFormat::Toml,
        Some("json") => FileFormat::Json,
        _ if text.trim_start().starts_with('{') => FileFormat::Json,
        _ => FileFormat::Toml,
    }
}

fn parse_toml(path: &Path, text: &str) -> Result<Dict, ConfigError> {
    // The workspace's parser speaks first: its messages have lines, and it reads the newer TOML.
    let table: toml::Table = toml::from_str(text).map_err(|error| not_toml(path, text, &error))?;
    if let Ok(dict) = Toml::from_str(text) {
        return Ok(dict);
    }
    match Value::serialize(table) {
        Ok(Value::Dict(_, dict)) => Ok(dict),
        _ => Err(ConfigError::NotATable { path: path.to_owned() }),
    }
}

fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| text.floor_char_boundary(span.start));
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    ConfigError::Toml {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: error.message().into(),
    }
}

fn parse_json(path: &Path, text: &str) -> Result<Dict, ConfigError> {
    let wrong = |source| ConfigError::Json { path: path.to_owned(), source };
    let value: Value = Json::from_str(text).map_err(wrong)?;
    value.into_dict().ok_or_else(|| ConfigError::NotATable { path: path.to_owned() })
}

/// Turns `MCPSERVERS__FS__ENV__API_KEY` into `mcpServers`, `fs`, `env`, `API_KEY`.
fn variable_path(rest: &str, services: &[&str]) -> Vec<String> {
    let mut segments = rest.split("__");
    let first = segments.next().unwrap_or_default().to_ascii_lowercase();
    if first != "mcpservers" {
        return std::iter::once(first).chain(segments.map(str::to_ascii_lowercase)).collect();
    }
    let mut path = vec!["mcpServers".to_owned()];
    if let Some(written) = segments.next() {
        path.push(service_name(written, services));
    }
    if let Some(key) = segments.next() {
        path.push(key.to_ascii_lowercase());
    }
    let remaining: Vec<&str> = segments.collect();
    if remaining.is_empty() {
        return path;
    }
    if path.last().is_some_and(|key| key == "env") {
        // The name of a child's variable, as it is; it may contain two underscores itself.
        path.push(remaining.join("__"));
    } else {
        path.extend(remaining.iter().map(|segment| segment.to_ascii_lowercase()));
    }
    path
}

fn service_name(written: &str, services: &[&str]) -> String {
    let plain = |name: &str| name.replace(['-', '.'], "_").to_ascii_lowercase();
    let mut near = None;
    for &name in services {
        if name == written {
            return written.to_owned();
        }
        if plain(name) == plain(written) {
            near = Some(name);
        }
    }
    near.unwrap_or(written).to_owned()
}

/// Whether a variable is meant for us: its first segment is a key, or is nearly one.
fn is_ours(path: &[String]) -> bool {
    /// So many slips of the finger make a typo; more make another word.
    const SLIPS: usize = 2;
    let Some(first) = path.first() else {
        return false;
    };
    if path.len() > 1 {
        return keys::TOP.contains(&first.as_str())
            || keys::TUNING.contains(&first.as_str())
            || near(first, SLIPS);
    }
    keys::TOP.iter().chain(keys::TUNING).any(|key| key == first) || near(first, SLIPS)
}

fn near(word: &str, slips: usize) -> bool {
    word.len() > 2 * slips
        && keys::TOP
            .iter()
            .chain(keys::TUNING)
            .any(|key| key.len() > 2 * slips && strsim::damerau_levenshtein(word, key) <= slips)
}

fn variable_value(path: &[String], text: &str) -> Value {
    let segments: Vec<&str> = path.iter().map(String::as_str).collect();
    match segments.as_slice() {
        // Text is text, even where it looks like a number.
        ["mcpServers", _, "env", ..]
        | ["mcpServers", _, "command" | "cwd"]
        | ["control", "socket" | "token"] => text.into(),
        ["allow_host" | "allow_origin"] if !text.trim_start().starts_with('[') => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(Value::from).collect::<Vec<_>>().into()
        }
        _ if text.trim_start().starts_with('[') => {
            text.parse::<Value>().unwrap_or_else(|never| match never {})
        }
        _ => match (text.parse::<bool>(), text.parse::<u64>()) {
            (Ok(flag), _) => flag.into(),
            (_, Ok(number)) => number.into(),
            _ => text.into(),
        },
    }
}

fn insert(dict: &mut Dict, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        dict.insert(first.clone(), value);
        return;
    }
    let inner = dict.entry(first.clone()).or_insert_with(|| Value::from(Dict::new()));
    // A shorter variable may have put a plain value here; the longer one is more specific.
    if inner.as_dict().is_none() {
        *inner = Value::from(Dict::new());
    }
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}
