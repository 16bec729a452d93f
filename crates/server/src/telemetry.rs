//! Logging: what is written, how, and where to.
//!
//! Owns the subscriber. It must not know what is logged. It exists so that logs are text for a
//! person at a terminal and JSON for a machine, and so that a reader who stops reading our stderr
//! stops nothing else.

mod writer;

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
pub use writer::LogGuard;
use writer::LogWriter;

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("not a log filter: {0}")]
    Filter(#[from] ParseError),
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
    /// Logging is set up already.
    #[error("logging was set up before")]
    Twice,
}

/// Starts logging to stderr. What is logged before the guard is dropped is written, unless nobody
/// reads it.
pub fn init(filter: &str) -> Result<LogGuard, TelemetryError> {
    let filter = EnvFilter::try_new(filter)?;
    let (writer, guard) = LogWriter::start().map_err(TelemetryError::Thread)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let set = if io::stderr().is_terminal() {
        builder.with_target(false).compact().try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    };
    set.map_err(|_| TelemetryError::Twice)?;
    Ok(guard)
}
