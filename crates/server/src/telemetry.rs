//! Logging: what is written, how, and where to.
//!
//! Owns the subscriber. It must not know what is logged. It exists so that logs are text for a
//! person at a terminal and JSON for a machine, and so that a reader who stops reading our stderr
//! stops nothing else.

mod terminal;
mod writer;

use std::io::{self, IsTerminal as _};

use terminal::{CHILD, Terminal};
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
    let is_terminal = io::stderr().is_terminal();
    let filter = EnvFilter::try_new(with_children(filter, is_terminal))?;
    let (writer, guard) = LogWriter::start().map_err(TelemetryError::Thread)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let set = if is_terminal {
        builder.event_format(Terminal::new()).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    };
    set.map_err(|_| TelemetryError::Twice)?;
    Ok(guard)
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
