//! Entries under `mcpServers`, and the tuning that may also stand at the top level.
//!
//! Owns the way from keys to a [`ServiceSpec`]. It must not know about the rest of the settings.
//! It exists because the same keys have two places: an entry's own, and the default of all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use figment::value::Value;
use standpipe_core::secret::Redacted;
use standpipe_core::service::{
    EraChoice, Interactive, Lifecycle, ServiceId, ServiceSpec, Sharing, Shown, SpecFault, Timeouts,
};

use super::error::Fault;
use super::keys;
use super::limits::ResourceTuning;
use super::probe::ProbeTuning;
use super::section::{Patience, Section, Text, wrong_type};

/// More processes than this on one machine is a mistake in writing.
const MAX_COUNT: usize = 100_000;

/// A service, and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What the rest of the program works with.
    pub spec: ServiceSpec,
    /// The texts before references were replaced, for showing.
    pub written: Written,
}

/// The texts of an entry as they were written, with `${env:…}` and `${file:…}` in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The command.
    pub command: String,
    /// The arguments.
    pub args: Vec<String>,
    /// The working directory.
    pub cwd: Option<String>,
}

/// Values of the tuning keys that were given.
#[derive(Debug, Clone, Default)]
pub struct Tuning {
    lifecycle: Option<Lifecycle>,
    sharing: Option<Sharing>,
    era: Option<EraChoice>,
    interactive: Option<Interactive>,
    start: Option<Duration>,
    request: Option<Duration>,
    request_max: Option<Duration>,
    question: Option<Duration>,
    session_idle: Option<Duration>,
    idle: Option<Patience>,
    max_message_bytes: Option<usize>,
    input_queue_bytes: Option<usize>,
    max_instances: Option<usize>,
    side_processes: Option<usize>,
    probe: ProbeTuning,
    restart: RestartTuning,
    resources: ResourceTuning,
}

#[derive(Debug, Clone, Default)]
struct RestartTuning {
    cooldown: Option<Duration>,
    backoff_min: Option<Duration>,
    backoff_max: Option<Duration>,
    max_failures: Option<usize>,
    early_death: Option<Duration>,
    healthy_after: Option<Duration>,
}

impl Tuning {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            lifecycle: section.choice(
                "lifecycle",
                &["persistent", "one_shot"],
                &[Lifecycle::Persistent, Lifecycle::OneShot],
            ),
            sharing: section.choice(
                "sharing",
                &["shared", "session"],
                &[Sharing::Shared, Sharing::Session],
            ),
            era: section.choice(
                "era",
                &["auto", "legacy", "modern"],
                &[EraChoice::Auto, EraChoice::Legacy, EraChoice::Modern],
            ),
            interactive: section.choice(
                "interactive",
                &["auto", "never"],
                &[Interactive::Auto, Interactive::Never],
            ),
            start: section.duration("start_timeout"),
            request: section.duration("request_timeout"),
            request_max: section.duration("request_timeout_max"),
            question: section.duration("question_timeout"),
            session_idle: section.duration("session_idle_timeout"),
            idle: section.patience("idle_timeout"),
            max_message_bytes: section.size("max_message_bytes"),
            input_queue_bytes: section.size("input_queue_bytes"),
            max_instances: section.count("max_instances", MAX_COUNT),
            side_processes: section.count("side_processes", MAX_COUNT),
            probe: section.section("probe").map(|s| ProbeTuning::read(&s)).unwrap_or_default(),
            restart: section
                .section("restart")
                .map(|s| RestartTuning::read(&s))
                .unwrap_or_default(),
            resources: section
                .section("limits")
                .map(|s| ResourceTuning::read(&s))
                .unwrap_or_default(),
        }
    }

    /// After how much silence a session ends.
    pub fn session_idle_timeout(&self) -> Duration {
        self.session_idle.unwrap_or_else(|| Timeouts::default().session_idle)
    }

    /// Sets what was given; what depends on it follows unless it was given too.
    pub fn apply(&self, spec: &mut ServiceSpec) {
        set(&mut spec.sharing, self.sharing);
        set(&mut spec.era, self.era);
        set(&mut spec.interactive, self.interactive);
        if let Some(lifecycle) = self.lifecycle {
            if spec.idle_timeout == spec.lifecycle.default_idle_timeout() {
                spec.idle_timeout = lifecycle.default_idle_timeout();
            }
            spec.lifecycle = lifecycle;
        }
        match self.idle {
            Some(Patience::Ends(limit)) => spec.idle_timeout = Some(limit),
            Some(Patience::Endless) => spec.idle_timeout = None,
            None => {}
        }
        let timeouts = &mut spec.timeouts;
        set(&mut timeouts.start, self.start);
        set(&mut timeouts.request, self.request);
        if self.request_max.is_none() {
            timeouts.request_max = timeouts.request_max.max(timeouts.request);
        }
        set(&mut timeouts.request_max, self.request_max);
        set(&mut timeouts.question, self.question);
        set(&mut timeouts.session_idle, self.session_idle);
        let limits = &mut spec.limits;
        set(&mut limits.max_message_bytes, self.max_message_bytes);
        if self.input_queue_bytes.is_none() {
            limits.input_queue_bytes = limits.input_queue_bytes.max(limits.max_message_bytes);
        }
        set(&mut limits.input_queue_bytes, self.input_queue_bytes);
        set(&mut limits.max_instances, self.max_instances);
        set(&mut limits.side_processes, self.side_processes);
        self.probe.apply(&mut spec.probe);
        self.restart.apply(spec);
        self.resources.apply(&mut spec.resources);
    }
}

impl RestartTuning {
    fn read(section: &Section<'_>) -> Self {
        section.expect_keys(&[keys::RESTART], &[]);
        Self {
            cooldown: section.duration("cooldown"),
            backoff_min: section.duration("backoff_min"),
            backoff_max: section.duration("backoff_max"),
            max_failures: section.count("max_failures", MAX_COUNT),
            early_death: section.duration("early_death"),
            healthy_after: section.duration("healthy_after"),
        }
    }

    fn apply(&self, spec: &mut ServiceSpec) {
        let restart = &mut spec.restart;
        set(&mut restart.cooldown, self.cooldown);
        set(&mut restart.backoff_min, self.backoff_min);
        if self.backoff_max.is_none() {
            restart.backoff_max = restart.backoff_max.max(restart.backoff_min);
        }
        set(&mut restart.backoff_max, self.backoff_max);
        let failures = self.max_failures.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        set(&mut restart.max_failures, failures);
        set(&mut restart.early_death, self.early_death);
        set(&mut restart.healthy_after, self.healthy_after);
    }
}

/// Checks the tuning of the top level by itself, whether or not any service uses it. Returns what
/// may be used for services: nothing of it where it is wrong, so that it is reported once.
pub(super) fn checked(top: &Section<'_>, tuning: Tuning) -> Tuning {
    let id = ServiceId::new("any").expect("`any` is a service id");
    let mut spec = ServiceSpec::new(id, "any");
    tuning.apply(&mut spec);
    match spec.validate() {
        Ok(()) => tuning,
        Err(error) => {
            top.report_at(&place(top, &error.fault), Fault::Spec(error.fault));
            Tuning::default()
        }
    }
}

/// Every service that is not disabled. Mistakes are reported to the section's reader.
pub(super) fn read_all(servers: &Section<'_>, defaults: &Tuning) -> Vec<Service> {
    let read = |(name, value)| {
        let id = match ServiceId::new(name) {
            Ok(id) => id,
            Err(error) => {
                servers.report(name, Value::tag(value), Fault::Id(error.fault));
                return None;
            }
        };
        read_one(&servers.inner(name, value)?, id, defaults)
    };
    servers.entries().filter_map(read).collect()
}

pub(super) fn read_one(entry: &Section<'_>, id: ServiceId, defaults: &Tuning) -> Option<Service> {
    if let Some(key) = keys::REMOTE_SERVER.iter().find(|key| entry.dict.contains_key(**key)) {
        // Whoever switched a remote server off does not want to hear that it is one.
        if entry.flag("disabled") != Some(true) {
            entry.report_at(key, Fault::Remote { key });
        }
        return None;
    }
    entry.expect_keys(&[keys::TUNING, keys::SERVER], keys::FOREIGN_SERVER);
    for key in ["type", "transport"] {
        let stdio = entry.read(key, |value| match value.as_str() {
            Some("stdio") => Ok(()),
            Some(other) => Err(Fault::Choice { found: other.to_owned(), valid: &["stdio"] }),
            None => Err(wrong_type("a string", value)),
        });
        if stdio.is_none() && entry.dict.contains_key(key) {
            return None;
        }
    }
    let mistakes_before = entry.reader.count();
    let tuning = Tuning::read(entry);
    let env = entry.section("env").map(|section| variables(&section)).unwrap_or_default();
    let command = entry.text("command");
    let args = entry.texts("args").unwrap_or_default();
    let cwd = entry.text("cwd");
    let disabled = entry.flag("disabled") == Some(true);
    let Some(command) = command else {
        if !entry.dict.contains_key("command") {
            entry.report_at("command", Fault::Missing { key: "command" });
        }
        return None;
    };
    // A value that could not be read was reported; with a default in its place the rest may
    // contradict it, which would be reported for nothing.
    if entry.reader.count() > mistakes_before {
        return None;
    }
    let shown = command.hidden();
    let mut spec = ServiceSpec::new(id, command.value);
    spec.args = args.iter().map(|arg| arg.value.clone().into()).collect();
    spec.env = env;
    spec.cwd = cwd.as_ref().map(|cwd| PathBuf::from(&cwd.value));
    spec.shown = Shown { command: shown, cwd: cwd.as_ref().and_then(Text::hidden) };
    defaults.apply(&mut spec);
    tuning.apply(&mut spec);
    if let Err(error) = spec.validate() {
        entry.report_at(&place(entry, &error.fault), Fault::Spec(error.fault));
        return None;
    }
    let written = |text: Text| text.written;
    let written = Written {
        command: command.written,
        args: args.into_iter().map(written).collect(),
        cwd: cwd.map(written),
    };
    (!disabled).then_some(Service { spec, written })
}

fn variables(section: &Section<'_>) -> BTreeMap<String, Redacted<String>> {
    let mut variables = BTreeMap::new();
    for (name, value) in section.entries() {
        match section.text_of(value) {
            Ok(text) => drop(variables.insert(name.to_owned(), Redacted::new(text.value))),
            Err(fault) => section.report(name, value.tag(), fault),
        }
    }
    variables
}

/// The key, below its entry, at which a spec's fault is best shown.
fn place(section: &Section<'_>, fault: &SpecFault) -> String {
    match fault {
        SpecFault::NoCommand => "command".to_owned(),
        SpecFault::EmptyCwd => "cwd".to_owned(),
        SpecFault::EnvName { name } | SpecFault::EnvValue { name } => format!("env.{name}"),
        SpecFault::NulByte { key }
        | SpecFault::Zero { key }
        | SpecFault::TooSmall { key, .. }
        | SpecFault::TooLarge { key, .. } => (*key).to_owned(),
        // The one that was written, as the other is a default.
        SpecFault::Order { lesser, greater } => {
            let written = section.dict.contains_key(*lesser) || lesser.contains('.');
            (*if written { lesser } else { greater }).to_owned()
        }
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
