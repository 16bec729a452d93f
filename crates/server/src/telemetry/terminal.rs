//! How log lines look on a terminal.
//!
//! Owns the format for people. It must not be used where machines read. It exists because what a
//! child writes to its stderr is its own text: it is shown as it is, behind its service's name,
//! and not dressed up as an event of ours.

use std::fmt::{self, Write as _};

use standpipe_core::trace;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The target of lines from a child's stderr; they carry the field `service`.
pub(super) const CHILD: &str = "standpipe::child";

/// Ours in the usual compact form, a child's with its service in front.
pub(super) struct Terminal {
    ours: Format<Compact>,
    in_color: Format<Compact>,
}

impl Terminal {
    pub(super) fn new() -> Self {
        let ours = tracing_subscriber::fmt::format().with_target(false).compact();
        Self { in_color: ours.clone().with_ansi(true), ours }
    }
}

impl<S, N> FormatEvent<S, N> for Terminal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != CHILD {
            let mut request = String::new();
            trace::name(&mut |name, value| {
                write!(request, " {name}={value:?}").expect("a string takes any text");
            });
            if request.is_empty() {
                return self.ours.format_event(context, writer, event);
            }
            let mut line = String::new();
            let ours = if writer.has_ansi_escapes() { &self.in_color } else { &self.ours };
            ours.format_event(context, Writer::new(&mut line), event)?;
            return writeln!(writer, "{}{request}", line.trim_end());
        }
        let mut line = ChildLine::default();
        event.record(&mut line);
        writeln!(writer, "[{}] {}", line.service, line.text)
    }
}

#[derive(Default)]
struct ChildLine {
    service: String,
    text: String,
}

impl Visit for ChildLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let place = match field.name() {
            "service" => &mut self.service,
            "message" => &mut self.text,
            _ => return,
        };
        let mut raw = String::new();
        write!(raw, "{value:?}").expect("a string takes any text");
        // A child must not be able to move the cursor or rename the window.
        place.extend(raw.chars().filter(|c| !c.is_control() || *c == '\t'));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use http::Request;
    use standpipe_core::trace::Trace;

    use super::*;
    use crate::edge::RequestId;
    use crate::telemetry::Scene;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_childs_line_stands_behind_its_service() {
        let page = Page::default();
        let out = page.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(move || out.clone())
            .event_format(Terminal::new())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let service = "files";
            let line = "ready\x1b[2J\tnow";
            tracing::debug!(target: "standpipe::child", service = %service, "{line}");
            let request = Request::get("/mcp").header("x-request-id", "r1").body(()).unwrap();
            let scene = Scene::new(RequestId::of(request.headers(), || 0), &request);
            Trace::new(Arc::new(scene)).in_scope(|| tracing::info!(answer = 42, "ours"));
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("[files] ready[2J\tnow"));
        let ours = lines.next().unwrap();
        for part in ["INFO", "ours", "answer=42", "request_id=\"r1\"", "path=\"/mcp\""] {
            assert!(ours.contains(part), "{part} is not in {ours}");
        }
    }
}
