//! Tables and lines on stdout.
//!
//! Owns how answers look. It must not ask for anything.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde::Serialize;

use super::ServersError;
use crate::control::view::{LogLineView, PhaseView, Server, ServerList, ServerSummary, StateView};

/// Where answers go, and in which form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    pub(super) fn list(self, list: &ServerList) -> Result<(), ServersError> {
        if self.json {
            return pretty(list);
        }
        let mut rows = vec![
            ["ID", "STATE", "PHASE", "PID", "SESSIONS", "CALLS", "RESTARTS", "SOURCE"]
                .map(str::to_owned),
        ];
        rows.extend(list.servers.iter().map(|server| {
            [
                server.id.clone(),
                state(server.state).to_owned(),
                phase(server.phase).to_owned(),
                server.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                server.sessions.to_string(),
                server.calls_in_flight.to_string(),
                server.restarts.to_string(),
                source(server).to_owned(),
            ]
        }));
        print(&table(&rows))
    }

    pub(super) fn server(self, server: &Server) -> Result<(), ServersError> {
        if self.json {
            return pretty(server);
        }
        let Server { summary, config, paths } = server;
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let name = format!("{name}:");
            writeln!(text, "{name:<16}{}", shown(value)).expect("a string takes any text");
        };
        line("id", &summary.id);
        line("state", &worded(summary));
        line("source", source(summary));
        if let Some(pid) = summary.pid {
            line("pid", &pid.to_string());
        }
        line("processes", &format!("{} now, {} so far", summary.instances, summary.generation));
        line("sessions", &summary.sessions.to_string());
        line("calls", &summary.calls_in_flight.to_string());
        line("restarts", &summary.restarts.to_string());
        line("last used", summary.last_accessed.as_deref().unwrap_or("never"));
        line("paths", &format!("{}  {}", paths.streamable_http, paths.sse));
        if let Some(exit) = &summary.last_exit {
            line("last exit", &format!("{}, at {}", exit.reason, exit.at));
            for said in &exit.stderr {
                line("", said);
            }
        }
        text.push_str("config:\n");
        text.push_str(
            &serde_json::to_string_pretty(config)
                .map_err(|error| ServersError::Print(error.into()))?,
        );
        text.push('\n');
        print(&text)
    }

    pub(super) fn added(self, server: &Server) -> Result<(), ServersError> {
        if self.json {
            return pretty(server);
        }
        print(&format!("{}: served at {}\n", server.summary.id, server.paths.streamable_http))
    }

    pub(super) fn summary(self, summary: &ServerSummary) -> Result<(), ServersError> {
        if self.json {
            return pretty(summary);
        }
        print(&format!("{}: {}\n", summary.id, shown(&worded(summary))))
    }

    pub(super) fn done(self, id: &str, what: &str) -> Result<(), ServersError> {
        // Programs have the exit code.
        if self.json { Ok(()) } else { print(&format!("{id}: {what}\n")) }
    }

    pub(super) fn line(self, line: &LogLineView) -> Result<(), ServersError> {
        if self.json {
            let text = serde_json::to_string(line);
            let text = text.map_err(|error| ServersError::Print(error.into()))?;
            return print(&format!("{text}\n"));
        }
        print(&format!("{} [{}] {}\n", line.at, line.generation, shown(&line.text)))
    }

    /// Something beside the answer, for whoever looks.
    pub(super) fn note(self, text: &str) {
        if !self.json {
            // Where stderr is closed nobody looks.
            drop(writeln!(io::stderr(), "standpipe: {text}"));
        }
    }
}

fn worded(summary: &ServerSummary) -> String {
    let (state, phase) = (state(summary.state), phase(summary.phase));
    let mut text = if state == phase { state.to_owned() } else { format!("{state} ({phase})") };
    if let Some(message) = &summary.message {
        text = format!("{text}: {message}");
    }
    text
}

const fn state(state: StateView) -> &'static str {
    match state {
        StateView::Pending => "pending",
        StateView::Ready => "ready",
        StateView::Error => "error",
    }
}

const fn phase(phase: PhaseView) -> &'static str {
    match phase {
        PhaseView::Idle => "idle",
        PhaseView::Starting => "starting",
        PhaseView::Ready => "ready",
        PhaseView::Draining => "draining",
        PhaseView::Stopped => "stopped",
        PhaseView::Backoff => "backoff",
        PhaseView::CrashLoop => "crash_loop",
    }
}

fn source(summary: &ServerSummary) -> &'static str {
    use crate::control::view::SourceView;
    match summary.source {
        SourceView::File => "file",
        SourceView::ControlPlane => "control plane",
        SourceView::Request => "request",
    }
}

/// Columns as wide as their widest cell, two spaces apart.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A process's own words, without what would move a terminal's cursor.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn pretty(value: &impl Serialize) -> Result<(), ServersError> {
    let text = serde_json::to_string_pretty(value);
    print(&format!("{}\n", text.map_err(|error| ServersError::Print(error.into()))?))
}

fn print(text: &str) -> Result<(), ServersError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) => Err(ServersError::Print(error)),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{shown, table};

    #[test]
    fn columns_are_aligned() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let text = table(&[row(["ID", "STATE", "X"]), row(["a-long-id", "ok", ""])]);
        assert_eq!(text, "ID         STATE  X\na-long-id  ok\n");
    }

    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(shown("a\u{1b}[2Jb\tc"), "a\u{fffd}[2Jb\tc");
    }
}
