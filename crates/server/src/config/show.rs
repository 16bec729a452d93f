//! The effective configuration, as text.
//!
//! Owns how settings are shown: TOML that could be read again, with secrets withheld. It must not
//! change anything. It exists for `config show`: what holds after all layers were merged.

use std::fmt::Write as _;

use standpipe_core::secret::REDACTED;
use standpipe_core::service::{
    EraChoice, Interactive, Lifecycle, ResourceLimits, ServiceSpec, Sharing,
};

use standpipe_process::ControlGroupChoice;

use super::control::{ControlSettings, ControlSocket};
use super::quantity::{format_duration, format_size};
use super::redact::redact_args;
use super::{OtelSettings, Service, Settings};

/// Everything that holds, as TOML.
pub fn show(settings: &Settings) -> String {
    let mut page = Page::default();
    page.text("listen", &settings.listen.to_string());
    page.list("allow_host", settings.allow_host.iter().map(ToString::to_string));
    page.list("allow_origin", settings.allow_origin.iter().map(ToString::to_string));
    page.text("log", &settings.log);
    page.text("session_idle_timeout", &format_duration(settings.tuning.session_idle_timeout()));
    let cgroup = match &settings.cgroup {
        ControlGroupChoice::Auto => "auto".to_owned(),
        ControlGroupChoice::Off => "off".to_owned(),
        ControlGroupChoice::Under(path) => path.display().to_string(),
    };
    page.text("cgroup", &cgroup);
    page.text("shutdown_timeout", &format_duration(settings.shutdown_timeout));
    page.raw("max_connections", settings.max_connections);
    match settings.threads {
        Some(threads) => page.raw("threads", threads),
        None => page.text("threads", "auto"),
    }
    page.text("body_budget_bytes", &format_size(settings.body_budget_bytes));
    page.table(&["cache"]);
    page.text("ttl", &format_duration(settings.cache.ttl));
    page.raw("entries", settings.cache.entries);
    if let Some(listen) = settings.ops_listen {
        page.table(&["ops"]);
        page.text("listen", &listen.to_string());
    }
    if let Some(otel) = &settings.otel {
        show_otel(&mut page, otel);
    }
    show_control(&mut page, &settings.control);
    for service in &settings.services {
        show_service(&mut page, service);
    }
    page.0
}

fn show_otel(page: &mut Page, otel: &OtelSettings) {
    page.table(&["otel"]);
    page.text("endpoint", &otel.endpoint.to_string());
    page.text("service_name", &otel.service_name);
    page.raw("sample_ratio", format_args!("{:?}", otel.sample_ratio));
    page.text("timeout", &format_duration(otel.timeout));
    if !otel.headers.is_empty() {
        page.table(&["otel", "headers"]);
        for (name, _) in &otel.headers {
            page.text(&key(name.as_str()), REDACTED);
        }
    }
}

fn show_control(page: &mut Page, control: &ControlSettings) {
    if *control != ControlSettings::default() {
        page.table(&["control"]);
        match &control.socket {
            ControlSocket::Unsaid => {}
            ControlSocket::Off => page.text("socket", "off"),
            ControlSocket::At(path) => page.text("socket", &path.to_string_lossy()),
        }
        if let Some(tcp) = &control.tcp {
            page.text("listen", &tcp.listen.to_string());
            page.text("token", REDACTED);
        }
    }
    page.table(&["compat"]);
    page.raw("origin_api", control.origin_api);
}

fn show_service(page: &mut Page, service: &Service) {
    let Service { spec, written } = service;
    let id = spec.id.as_str();
    page.table(&["mcpServers", id]);
    page.text("command", &written.command);
    page.list("args", redact_args(&written.args));
    if let Some(cwd) = &written.cwd {
        page.text("cwd", cwd);
    }
    show_tuning(page, spec);
    page.table(&["mcpServers", id, "probe"]);
    let probe = &spec.probe;
    page.text("interval", &probe.interval.map_or_else(|| "never".to_owned(), format_duration));
    page.text("timeout", &format_duration(probe.timeout));
    page.raw("failures", probe.failures);
    page.table(&["mcpServers", id, "restart"]);
    let restart = &spec.restart;
    page.text("cooldown", &format_duration(restart.cooldown));
    page.text("backoff_min", &format_duration(restart.backoff_min));
    page.text("backoff_max", &format_duration(restart.backoff_max));
    page.raw("max_failures", restart.max_failures);
    page.text("early_death", &format_duration(restart.early_death));
    page.text("healthy_after", &format_duration(restart.healthy_after));
    page.table(&["mcpServers", id, "limits"]);
    let ResourceLimits { memory, cpu, open_files, processes } = spec.resources;
    page.bound("memory", memory.map(size));
    page.bound("cpu", cpu.map(|time| quote(&format_duration(time))));
    page.bound("open_files", open_files.map(|count| count.to_string()));
    page.bound("processes", processes.map(|count| count.to_string()));
    if !spec.env.is_empty() {
        page.table(&["mcpServers", id, "env"]);
        for name in spec.env.keys() {
            page.text(&key(name), REDACTED);
        }
    }
}

fn size(bytes: u64) -> String {
    quote(&format_size(usize::try_from(bytes).unwrap_or(usize::MAX)))
}

fn show_tuning(page: &mut Page, spec: &ServiceSpec) {
    page.text(
        "lifecycle",
        match spec.lifecycle {
            Lifecycle::Persistent => "persistent",
            Lifecycle::OneShot => "one_shot",
        },
    );
    page.text(
        "sharing",
        match spec.sharing {
            Sharing::Shared => "shared",
            Sharing::Session => "session",
        },
    );
    page.text(
        "era",
        match spec.era {
            EraChoice::Auto => "auto",
            EraChoice::Legacy => "legacy",
            EraChoice::Modern => "modern",
        },
    );
    page.text(
        "interactive",
        match spec.interactive {
            Interactive::Auto => "auto",
            Interactive::Never => "never",
        },
    );
    let timeouts = &spec.timeouts;
    page.text("start_timeout", &format_duration(timeouts.start));
    page.text("request_timeout", &format_duration(timeouts.request));
    page.text("request_timeout_max", &format_duration(timeouts.request_max));
    page.text("question_timeout", &format_duration(timeouts.question));
    page.text(
        "idle_timeout",
        &spec.idle_timeout.map_or_else(|| "never".to_owned(), format_duration),
    );
    let limits = &spec.limits;
    page.text("max_message_bytes", &format_size(limits.max_message_bytes));
    page.text("input_queue_bytes", &format_size(limits.input_queue_bytes));
    page.raw("max_instances", limits.max_instances);
    page.raw("side_processes", limits.side_processes);
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn table(&mut self, path: &[&str]) {
        let path: Vec<String> = path.iter().map(|segment| key(segment)).collect();
        self.line(format_args!("\n[{}]", path.join(".")));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.line(format_args!("{key} = {}", quote(value)));
    }

    fn raw(&mut self, key: &str, value: impl std::fmt::Display) {
        self.line(format_args!("{key} = {value}"));
    }

    /// A limit as TOML, or the word for one that is not set.
    fn bound(&mut self, key: &str, value: Option<String>) {
        self.raw(key, value.unwrap_or_else(|| quote("inherited")));
    }

    fn list(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        let values: Vec<String> = values.into_iter().map(|value| quote(&value)).collect();
        self.line(format_args!("{key} = [{}]", values.join(", ")));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a string takes any text");
    }
}

fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { quote(name) }
}

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
