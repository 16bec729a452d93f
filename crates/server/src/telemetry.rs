//! Logs and traces: what is written, how, and where to.
//!
//! Owns the subscriber. It must not know what is logged. It exists so that logs are text for a
//! person at a terminal and JSON for a machine, and so that a reader who stops reading our stderr
//! stops nothing else; and so that what is traced is set up beside what is logged.

mod machine;
mod scene;
mod terminal;
mod traces;
mod writer;

use std::io::{self, IsTerminal as _};

use crate::config::OtelSettings;
use machine::Machine;
pub use scene::Scene;
use terminal::{CHILD, Terminal};
use traces::TracesGuard;
pub use traces::{Traces, TracesError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, Registry};
use writer::{LogGuard, LogWriter};

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("not a log filter: {0}")]
    Filter(#[from] ParseError),
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
    /// Traces cannot be exported.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// Logging is set up already.
    #[error("logging was set up before")]
    Twice,
}

/// What has to be let go of last, for what is logged and traced before to arrive.
#[derive(Debug)]
#[must_use = "lines and spans may be lost when the program ends without dropping this"]
pub struct Telemetry {
    /// Records traces, where that is configured.
    pub traces: Option<Traces>,
    // In this order: the end of the traces may have something to log.
    traces_guard: Option<TracesGuard>,
    _log: LogGuard,
}

impl Telemetry {
    /// Does without the traces that have not been exported: whoever asks twice for the end does not
    /// want to wait for a collector.
    pub fn forget_traces(&mut self) {
        std::mem::forget(self.traces_guard.take());
    }
}

/// Starts logging to stderr, and tracing as `otel` says. What is logged before the guard is dropped
/// is written, unless nobody reads it.
pub fn init(filter: &str, otel: Option<&OtelSettings>) -> Result<Telemetry, TelemetryError> {
    let is_terminal = io::stderr().is_terminal();
    let filter = log_filter(filter, is_terminal)?;
    let (writer, guard) = LogWriter::start().map_err(TelemetryError::Thread)?;
    let (traces, traces_guard) = match otel.map(Traces::start).transpose()? {
        Some((traces, guard)) => (Some(traces), Some(guard)),
        None => (None, None),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let set = if is_terminal {
        install(lines.event_format(Terminal::new()), filter, traces.as_ref())
    } else {
        install(lines.json().event_format(Machine::new()), filter, traces.as_ref())
    };
    set.map_err(|_| TelemetryError::Twice)?;
    Ok(Telemetry { traces, traces_guard, _log: guard })
}

/// Without traces the filter is the whole program's, and what it turns off costs nothing at all.
fn install<L>(lines: L, filter: EnvFilter, traces: Option<&Traces>) -> Result<(), TryInitError>
where
    L: Layer<Registry> + Send + Sync,
{
    let Some(traces) = traces else {
        return Registry::default().with(lines).with(filter).try_init();
    };
    let spans = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer())
        .with_location(false)
        .with_threads(false)
        // Spans of `tracing` are traces of their own here; see `traces::call` for requests.
        .with_context_activation(false)
        .with_filter(filter_fn(|metadata| metadata.target() == traces::TARGET));
    Registry::default().with(lines.with_filter(filter)).with(spans).try_init()
}

/// What is logged. Spans that are only traced are on no line.
fn log_filter(filter: &str, is_terminal: bool) -> Result<EnvFilter, ParseError> {
    let directive: Directive =
        format!("{}=off", traces::TARGET).parse().expect("a target and a level are a directive");
    let logged = EnvFilter::try_new(with_children(filter, is_terminal))?;
    Ok(logged.add_directive(directive))
}

/// On a terminal, what children write to their stderr is shown, unless the filter says otherwise.
/// Elsewhere it takes a filter that asks for it.
fn with_children(filter: &str, is_terminal: bool) -> String {
    if is_terminal && filter != "off" && !filter.contains(CHILD) {
        format!("{filter},{CHILD}=debug")
    } else {
        filter.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::with_children;

    #[test]
    fn children_are_shown_on_a_terminal_unless_that_was_decided() {
        for (filter, is_terminal, expected) in [
            ("info", true, "info,standpipe::child=debug"),
            ("info", false, "info"),
            ("off", true, "off"),
            ("warn,standpipe::child=off", true, "warn,standpipe::child=off"),
        ] {
            assert_eq!(with_children(filter, is_terminal), expected);
        }
    }
}
