//! Where traces are sent: the table `otel`.
//!
//! Owns the way from its keys to [`OtelSettings`]. It must not know how traces are recorded. It
//! exists because nothing is traced without an endpoint, and the headers for one are mostly secrets.

use std::time::Duration;

use figment::value::Value;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Uri};
use standpipe_core::secret::Redacted;

use super::error::Fault;
use super::keys;
use super::section::{Section, wrong_type};

/// The name under which traces are found, unless configured.
const SERVICE_NAME: &str = "standpipe";

/// How long the collector may take for one batch, unless configured.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where OTLP over HTTP takes traces (OTLP 1.x, "OTLP/HTTP Request").
const TRACES_PATH: &str = "/v1/traces";

/// How traces are exported.
#[derive(Debug, Clone, PartialEq)]
pub struct OtelSettings {
    /// The collector's URL, with the path for traces.
    pub endpoint: Uri,
    /// Headers of every export.
    pub headers: Vec<(HeaderName, Redacted<HeaderValue>)>,
    /// The resource attribute `service.name`.
    pub service_name: String,
    /// The share of traces that begin here which is recorded, 0 to 1. What a client has begun is
    /// recorded as the client decided.
    pub sample_ratio: f64,
    /// How long the collector may take for one batch.
    pub timeout: Duration,
}

impl OtelSettings {
    /// The settings, if an endpoint is set.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        section.expect_keys(&[keys::OTEL], &[]);
        let headers = section.section("headers").map(|headers| read_headers(&headers));
        let service_name = section.text("service_name").map(|text| text.value);
        let sample_ratio = section.read("sample_ratio", |value| ratio(section, value));
        let timeout = section.duration("timeout");
        let endpoint = section.read("endpoint", |value: &Value| {
            let text = section.text_of(value)?.value;
            // An empty text is how a variable of the environment says "none".
            if text.is_empty() { Ok(None) } else { endpoint(&text).map(Some) }
        });
        Some(Self {
            endpoint: endpoint??,
            headers: headers.unwrap_or_default(),
            service_name: service_name.unwrap_or_else(|| SERVICE_NAME.to_owned()),
            sample_ratio: sample_ratio.unwrap_or(1.0),
            timeout: timeout.unwrap_or(TIMEOUT),
        })
    }
}

/// Reads `http://HOST[:PORT][/PATH]`. The path for traces is added where it is not there.
fn endpoint(text: &str) -> Result<Uri, Fault> {
    let uri: Uri = text.parse().map_err(|_| Fault::Endpoint)?;
    let host = uri.host().unwrap_or_default();
    // A password would be printed with the address; it belongs into a header.
    let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if uri.scheme() != Some(&Scheme::HTTP) || host.is_empty() || user || uri.query().is_some() {
        return Err(Fault::Endpoint);
    }
    let path = uri.path().trim_end_matches('/');
    if path.ends_with(TRACES_PATH) {
        return Ok(uri);
    }
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    format!("http://{authority}{path}{TRACES_PATH}").parse().map_err(|_| Fault::Endpoint)
}

fn read_headers(section: &Section<'_>) -> Vec<(HeaderName, Redacted<HeaderValue>)> {
    let read = |(key, value): (&str, &Value)| {
        let header = section.text_of(value).and_then(|text| {
            let name = key.parse::<HeaderName>().map_err(|_| Fault::Header)?;
            let value = HeaderValue::try_from(text.value).map_err(|_| Fault::Header)?;
            Ok((name, Redacted::new(value)))
        });
        header.map_err(|fault| section.report(key, value.tag(), fault)).ok()
    };
    section.entries().filter_map(read).collect()
}

/// A number, or one that is written as text, as in a variable of the environment.
fn ratio(section: &Section<'_>, value: &Value) -> Result<f64, Fault> {
    let number = match value {
        Value::Num(_, number) => number.to_f64().or_else(|| {
            let whole = value.to_i128().and_then(|whole| i32::try_from(whole).ok())?;
            Some(f64::from(whole))
        }),
        Value::String(..) => section.text_of(value)?.value.parse().ok(),
        _ => return Err(wrong_type("a number from 0 to 1", value)),
    };
    number.filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or(Fault::Ratio)
}

#[cfg(test)]
mod tests;
