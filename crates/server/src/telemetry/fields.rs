//! The fields of spans, as JSON text that grows.
//!
//! Owns how a field looks in a line for machines. It must not know which fields there are. It exists
//! because what a request's span says comes in parts (its service, its session): the usual formatter
//! reads all of the text again for each of them, and this is done for every request, logged or not.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, FormattedFields};

/// Formats the fields of a span as one JSON object.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonText;

impl<'writer> FormatFields<'writer> for JsonText {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut members = Members { text: "{".to_owned() };
        fields.record(&mut members);
        members.text.push('}');
        writer.write_str(&members.text)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut members = Members { text: std::mem::take(&mut current.fields) };
        if members.text.pop().is_none() {
            members.text.push('{');
        }
        fields.record(&mut members);
        members.text.push('}');
        current.fields = members.text;
        Ok(())
    }
}

/// An object that is not closed yet. Of members of one name, readers take the last.
struct Members {
    text: String,
}

impl Members {
    fn name(&mut self, field: &Field) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.string(field.name());
        self.text.push(':');
    }

    fn string(&mut self, value: &str) {
        let plain = value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
        if plain {
            self.text.push('"');
            self.text.push_str(value);
            self.text.push('"');
        } else {
            let escaped = serde_json::to_string(value).expect("a string is always valid JSON");
            self.text.push_str(&escaped);
        }
    }
}

impl Visit for Members {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        self.string(value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        write!(self.text, "{value}").expect("a string takes any text");
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.name(field);
        write!(self.text, "{value}").expect("a string takes any text");
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field);
        write!(self.text, "{value}").expect("a string takes any text");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        self.string(&format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::field::Empty;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

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
    fn fields_that_come_later_stand_beside_the_others() {
        let page = Page::default();
        let out = page.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || out.clone())
            .json()
            .with_current_span(false)
            .fmt_fields(JsonText);
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || {
            let none = tracing::info_span!("bare", later = Empty);
            let span = tracing::info_span!(
                "request", path = "/a\"\\\n", count = 3_u64, less = -3, odd = true, gone = ?Some(1),
                service = Empty, session = Empty,
            );
            span.record("service", "files");
            span.record("session", tracing::field::display("0123abcd"));
            span.record("service", "time");
            none.record("later", 1_u64);
            none.in_scope(|| tracing::info!("one"));
            span.in_scope(|| tracing::info!("two"));
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["spans"], json!([{ "name": "bare", "later": 1 }]));
        let request = json!({
            "name": "request", "path": "/a\"\\\n", "count": 3, "less": -3, "odd": true,
            "gone": "Some(1)", "service": "time", "session": "0123abcd",
        });
        assert_eq!(lines[1]["spans"], json!([request]), "{text}");
    }
}
