//! How log lines look to machines: one JSON object each.
//!
//! Owns where in it the request stands that a line belongs to: among `spans`, as a span would. It
//! must not know what is said of a request.

use std::fmt;

use serde_json::{Map, Value};
use standpipe_core::trace;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent};
use tracing_subscriber::registry::LookupSpan;

/// The usual JSON, with the request.
pub(super) struct Machine {
    usual: Format<Json>,
}

impl Machine {
    pub(super) fn new() -> Self {
        let usual = tracing_subscriber::fmt::format().json();
        Self { usual: usual.flatten_event(true).with_current_span(false) }
    }
}

impl<S> FormatEvent<S, JsonFields> for Machine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut request = Map::new();
        trace::name(&mut |name, value| {
            request.insert(name.to_owned(), value.into());
        });
        if request.is_empty() {
            return self.usual.format_event(context, writer, event);
        }
        request.insert("name".to_owned(), "request".into());
        let request = Value::Object(request);
        let mut line = String::with_capacity(512);
        self.usual.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        // Inside of a string the quotes would be escaped.
        match line.rsplit_once(r#","spans":["#) {
            Some((head, spans)) => writeln!(writer, r#"{head},"spans":[{request},{spans}"#),
            None => {
                let head = line.strip_suffix('}').unwrap_or(line);
                writeln!(writer, r#"{head},"spans":[{request}]}}"#)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use http::Request;
    use serde_json::json;
    use standpipe_core::id::SessionId;
    use standpipe_core::trace::Trace;
    use tracing_subscriber::layer::SubscriberExt as _;

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
    fn a_line_names_its_request_beside_its_spans() {
        let page = Page::default();
        let out = page.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || out.clone())
            .json()
            .event_format(Machine::new());
        let session = SessionId::random();
        let request = Request::get("/a%22?secret").header("x-request-id", "r1").body(()).unwrap();
        let scene = Scene::new(RequestId::of(request.headers(), || 0), &request);
        let trace = Trace::new(Arc::new(scene));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::info!("none");
            trace.in_scope(|| tracing::info!(count = 3, r#"one,"spans":["#));
            trace.in_scope(|| {
                trace::service(&"files".into());
                trace::session(session, None);
                tracing::info_span!("inner", a = 1).in_scope(|| tracing::info!("two"));
            });
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0].get("spans"), None);
        let mut request =
            json!({ "name": "request", "request_id": "r1", "method": "GET", "path": "/a%22" });
        assert_eq!(lines[1]["spans"], json!([request]), "{text}");
        assert_eq!(
            (&lines[1]["message"], &lines[1]["count"]),
            (&json!(r#"one,"spans":["#), &json!(3))
        );
        request["service"] = "files".into();
        request["session"] = session.short().into();
        assert_eq!(lines[2]["spans"], json!([request, { "name": "inner", "a": 1 }]), "{text}");
    }
}
