//! Where a request comes from, as far as traces are concerned.
//!
//! Owns the reading of trace contexts, out of headers and out of `_meta`. It must not decide which of
//! the two counts.

use http::{HeaderMap, Request, Version};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use standpipe_core::message::Params;

/// Baggage over this many bytes is not passed on (W3C Baggage, "Limits").
const LONGEST_BAGGAGE: usize = 8192;

/// What an HTTP request says.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The span that sent the HTTP request, if it names one.
    pub(super) sender: Option<SpanContext>,
    /// What its application wants to be passed on.
    pub(super) baggage: Option<String>,
    pub(super) http: &'static str,
}

impl Origin {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        Self {
            sender: remote(&HeaderExtractor(headers)),
            baggage: baggage(headers),
            http: match request.version() {
                Version::HTTP_10 => "1.0",
                Version::HTTP_2 => "2",
                _ => "1.1",
            },
        }
    }
}

/// The span that sent the message, where `_meta` names one (2025-11-25, "General fields"; SEP-414).
pub(super) fn in_meta(params: &Params) -> Option<SpanContext> {
    remote(&Meta {
        traceparent: params.meta_text("traceparent")?,
        tracestate: params.meta_text("tracestate").unwrap_or_default(),
    })
}

fn remote(carrier: &dyn Extractor) -> Option<SpanContext> {
    let found = TraceContextPropagator::new().extract_with_context(&Context::new(), carrier);
    let sender = found.span().span_context().clone();
    sender.is_valid().then_some(sender)
}

fn baggage(headers: &HeaderMap) -> Option<String> {
    let parts: Vec<&str> =
        headers.get_all("baggage").iter().filter_map(|value| value.to_str().ok()).collect();
    let joined = parts.join(",");
    (!joined.is_empty() && joined.len() <= LONGEST_BAGGAGE).then_some(joined)
}

struct Meta {
    traceparent: String,
    tracestate: String,
}

impl Extractor for Meta {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(&self.traceparent),
            "tracestate" => Some(&self.tracestate),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}
