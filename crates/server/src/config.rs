//! The configuration: layers merged by figment, read with every mistake reported, validated.
//!
//! Owns [`Settings`] and the way there: defaults, then files, then `STANDPIPE_…` variables, then
//! flags. It must not start anything. It exists so that the rest of the program sees only values
//! that are complete and consistent.

mod address;
mod control;
mod entry;
mod error;
mod example;
mod keys;
mod limits;
mod locate;
mod otel;
mod probe;
mod provenance;
mod quantity;
mod redact;
mod reference;
mod section;
mod services;
mod show;
mod source;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use address::{AllowedHost, AllowedOrigin, HostPort, WebOrigin, parse_listen};
pub use control::{ControlSettings, ControlSocket, ControlTcp, MIN_TOKEN_BYTES, usual_socket};
pub use entry::read_entry;
pub use error::{ConfigError, Fault, Mistake, Origin};
pub use example::EXAMPLE;
use figment::value::{Dict, Value};
use figment::{Figment, Profile, Provider};
pub use keys::Nearest;
pub use otel::OtelSettings;
pub use provenance::{ReadFile, ReadOnce};
pub use quantity::{
    DurationError, SizeError, format_duration, format_size, parse_duration, parse_size,
};
pub(crate) use redact::redact_args;
use section::{Reader, Section};
pub use services::{Service, Tuning, Written};
pub use show::show;
pub use source::FlagLayer;
use source::{ConfigFile, Environment};
use standpipe_process::{CacheSettings, ControlGroupChoice};

/// Where Standpipe listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8085);

/// Request bodies of the whole process may hold so many bytes, unless configured.
pub const DEFAULT_BODY_BUDGET: usize = 128 * 1024 * 1024;

/// Connections that may be open at once, unless configured.
pub const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// How long open requests may take to end once a shutdown began, unless configured. Stopping
/// stubborn children comes on top; with this default everything is gone within five seconds.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Largest number of connections that can be configured; the operating system ends sooner.
const MAX_CONNECTIONS: usize = 10_000_000;

/// More threads than this are a mistake in writing.
const MAX_THREADS: usize = 256;

/// More descriptions than this are a mistake in writing.
const MAX_CACHE_ENTRIES: usize = 10_000_000;

/// Everything that was configured, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to serve.
    pub listen: SocketAddr,
    /// Hosts that requests may be for, besides this machine's own names.
    pub allow_host: Vec<AllowedHost>,
    /// Web origins that requests may come from, besides our own.
    pub allow_origin: Vec<AllowedOrigin>,
    /// Where metrics and health are served, if not beside the services.
    pub ops_listen: Option<SocketAddr>,
    /// Where traces are sent, if anywhere.
    pub otel: Option<OtelSettings>,
    /// What is logged: a `tracing` filter.
    pub log: String,
    /// How long open requests may take to end once a shutdown began.
    pub shutdown_timeout: Duration,
    /// Connections that may be open at once.
    pub max_connections: usize,
    /// Threads that serve; `None`: what suits the machine.
    pub threads: Option<NonZeroUsize>,
    /// Bytes that request bodies of the whole process may hold.
    pub body_budget_bytes: usize,
    /// Which control groups children are put into.
    pub cgroup: ControlGroupChoice,
    /// How the control plane is reached.
    pub control: ControlSettings,
    /// Bounds of the cache of descriptions of services that do not run.
    pub cache: CacheSettings,
    /// Defaults for services that are described elsewhere than in a file.
    pub tuning: Tuning,
    /// The services, in the order of their names.
    pub services: Vec<Service>,
    /// Variables with our prefix that are not configuration, worth a line in the log.
    pub ignored_variables: Vec<String>,
    /// What a reload does not change.
    pub read_once: ReadOnce,
}

/// What [`load`] reads.
#[derive(Debug, Default, Clone)]
pub struct Layers {
    /// Files, later ones over earlier ones.
    pub files: Vec<PathBuf>,
    /// The environment; only names that begin with `STANDPIPE_` matter.
    pub environment: Vec<(OsString, OsString)>,
    /// What flags say.
    pub flags: FlagLayer,
    /// Whether the services of the configuration are wanted; `run` brings its own.
    pub services: bool,
}

/// What came of reading all layers.
#[derive(Debug)]
pub struct Reading {
    /// The files that it depended on, `${file:…}` included, each as it looked before it was read.
    pub files: Vec<ReadFile>,
    /// What they say, if they can be used.
    pub settings: Result<Settings, ConfigError>,
}

/// Reads, merges and checks all layers.
pub fn load(layers: &Layers) -> Result<Settings, ConfigError> {
    read_layers(layers).settings
}

/// Like [`load`], and says which files it came to that by.
pub fn read_layers(layers: &Layers) -> Reading {
    let mut files: Vec<ReadFile> = layers.files.iter().map(|path| ReadFile::now(path)).collect();
    let read: Result<Vec<_>, _> = layers.files.iter().map(|path| ConfigFile::read(path)).collect();
    let settings = read.and_then(|read| merge(&read, layers, &mut files));
    Reading { files, settings }
}

/// Like [`load`], with one file's text at hand.
pub fn load_text(path: &Path, text: &str, layers: &Layers) -> Result<Settings, ConfigError> {
    merge(&[ConfigFile::parse(path, text)?], layers, &mut Vec::new())
}

fn merge(
    files: &[ConfigFile],
    layers: &Layers,
    read_files: &mut Vec<ReadFile>,
) -> Result<Settings, ConfigError> {
    let mut figment = Figment::new();
    for file in files {
        figment = figment.merge(file);
    }
    let names: Vec<&str> = files.iter().flat_map(ConfigFile::service_names).collect();
    let environment = Environment::new(layers.environment.iter().cloned(), &names);
    figment = figment.merge(&environment).merge(&layers.flags);
    // Providers of ours never fail, and figment has one profile here.
    let dict = figment
        .data()
        .ok()
        .and_then(|mut profiles| profiles.remove(&Profile::Default))
        .unwrap_or_default();
    let reader = Reader::new(&figment, files);
    let settings = read(&reader, &dict, layers.services, environment.ignored);
    read_files.extend(reader.referred.into_inner());
    let mistakes = reader.mistakes.into_inner();
    if mistakes.is_empty() { Ok(settings) } else { Err(ConfigError::Mistakes(mistakes)) }
}

fn read(reader: &Reader<'_>, dict: &Dict, services: bool, ignored: Vec<String>) -> Settings {
    let top = Section { reader, path: Vec::new(), dict };
    top.expect_keys(&[keys::TOP, keys::TUNING], &[]);
    let tuning = services::checked(&top, Tuning::read(&top));
    let ops = top.section("ops");
    if let Some(ops) = &ops {
        ops.expect_keys(&[keys::OPS], &[]);
    }
    let cache = top.section("cache").map(|cache| cache_settings(&cache)).unwrap_or_default();
    let allow_host = list(&top, "allow_host", AllowedHost::parse);
    let allow_origin = list(&top, "allow_origin", AllowedOrigin::parse);
    let listen = address(&top).unwrap_or(DEFAULT_LISTEN);
    if !listen.ip().is_loopback() && !dict.contains_key("allow_host") {
        top.report_at("listen", Fault::NoAllowedHost);
    }
    let log = top.text("log").map_or_else(|| "info".to_owned(), |text| text.value);
    if log.parse::<tracing_subscriber::EnvFilter>().is_err() {
        top.report_at("log", Fault::Log);
    }
    let servers = top.section("mcpServers").filter(|_| services);
    let ops_listen = ops.as_ref().and_then(address);
    let control = control::read(&top, &[Some(listen), ops_listen]);
    Settings {
        listen,
        allow_host,
        allow_origin,
        ops_listen,
        otel: top.section("otel").and_then(|otel| OtelSettings::read(&otel)),
        log,
        shutdown_timeout: top.duration("shutdown_timeout").unwrap_or(DEFAULT_SHUTDOWN_TIMEOUT),
        max_connections: top
            .count("max_connections", MAX_CONNECTIONS)
            .unwrap_or(DEFAULT_MAX_CONNECTIONS)
            .max(1),
        threads: top.read("threads", threads).flatten(),
        body_budget_bytes: top.size("body_budget_bytes").unwrap_or(DEFAULT_BODY_BUDGET),
        cgroup: limits::control_groups(&top),
        control,
        cache,
        services: servers.map(|servers| services::read_all(&servers, &tuning)).unwrap_or_default(),
        tuning,
        ignored_variables: ignored,
        read_once: ReadOnce::of(&top),
    }
}

fn cache_settings(section: &Section<'_>) -> CacheSettings {
    section.expect_keys(&[keys::CACHE], &[]);
    let default = CacheSettings::default();
    let entries = section.count("entries", MAX_CACHE_ENTRIES).map(|entries| entries as u64);
    CacheSettings {
        ttl: section.duration("ttl").unwrap_or(default.ttl),
        entries: entries.unwrap_or(default.entries),
    }
}

fn threads(value: &Value) -> Result<Option<NonZeroUsize>, Fault> {
    if value.as_str() == Some("auto") {
        return Ok(None);
    }
    Ok(NonZeroUsize::new(Section::count_of(value, MAX_THREADS)?.max(1)))
}

fn address(section: &Section<'_>) -> Option<SocketAddr> {
    section.read("listen", |value: &Value| parse_listen(&section.text_of(value)?.value))
}

fn list<T>(section: &Section<'_>, key: &str, parse: fn(&str) -> Result<T, Fault>) -> Vec<T> {
    let texts = section.texts(key).unwrap_or_default();
    let read = |text: section::Text| match parse(&text.value) {
        Ok(item) => Some(item),
        Err(fault) => {
            section.report_at(key, fault);
            None
        }
    };
    texts.into_iter().filter_map(read).collect()
}
