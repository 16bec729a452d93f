//! Traces: recorded with OpenTelemetry, exported over OTLP.
//!
//! Owns the provider, and where a trace begins. It must not know what a transport does with a
//! message. It exists only where an endpoint is configured; nothing else in the program asks
//! whether it does. Names and attributes follow the semantic conventions for MCP.

mod answer;
mod body;
mod call;
mod client;
mod origin;
mod queue;
mod tally;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use standpipe_core::trace::{Record, Trace};
use standpipe_metrics::{Metrics, Spans};

use super::Scene;
use crate::config::OtelSettings;
use crate::reply::ReplyBody;
use body::Traced;
use call::Call;
use client::PostClient;
use origin::Origin;
use queue::SpanQueue;
use tally::Tally;

/// The target of `tracing` spans that are traced; no log line shows them.
pub(super) const TARGET: &str = "standpipe::trace";

/// The name of what records, in every exported batch.
const SCOPE: &str = "standpipe";

/// How long the end of the program waits for the collector to take what is left.
const FLUSH: Duration = Duration::from_secs(2);

/// Traces cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The exporter refuses what it was given, by the configuration or by `OTEL_…` variables.
    #[error("traces cannot be exported as configured")]
    Exporter(#[from] ExporterBuildError),
    /// The thread that exports could not be started.
    #[error("cannot start the thread that exports traces")]
    Thread(#[source] io::Error),
}

/// Records traces. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Traces {
    tracer: SdkTracer,
    tally: Arc<Tally>,
}

/// Exports what is left when dropped, for two seconds at most.
#[derive(Debug)]
#[must_use = "spans may be lost when the program ends without dropping the guard"]
pub struct TracesGuard(SdkTracerProvider);

impl Drop for TracesGuard {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last traces were not exported");
        }
    }
}

impl Traces {
    /// Starts to record and to export.
    pub fn start(settings: &OtelSettings) -> Result<(Self, TracesGuard), TracesError> {
        let headers = settings.headers.iter().filter_map(|(name, value)| {
            // The exporter takes text only, and so does HTTP for all that matters.
            Some((name.to_string(), value.expose().to_str().ok()?.to_owned()))
        });
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(PostClient::new(settings.timeout))
            .with_headers(headers.collect::<HashMap<_, _>>())
            .with_endpoint(settings.endpoint.to_string())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(settings.timeout)
            .build()?;
        // Takes OTEL_RESOURCE_ATTRIBUTES in as well.
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attribute(opentelemetry::KeyValue::new(
                "service.version",
                env!("CARGO_PKG_VERSION"),
            ))
            .build();
        let tally = Arc::new(Tally::default());
        let queue = SpanQueue::start(exporter, &resource, Arc::clone(&tally))
            .map_err(TracesError::Thread)?;
        let sampler = Sampler::TraceIdRatioBased(settings.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_span_processor(queue)
            .build();
        let tracer = provider.tracer(SCOPE);
        Ok((Self { tracer, tally }, TracesGuard(provider)))
    }

    /// Shows in `metrics` how many spans are exported and lost.
    pub fn count_in(&self, metrics: &Arc<Metrics>) {
        let (tally, counted) = (Arc::clone(&self.tally), Arc::downgrade(metrics));
        metrics.before_scrape(move || {
            if let Some(metrics) = counted.upgrade() {
                metrics.spans_so_far(Spans::Exported, tally.exported_spans());
                metrics.spans_so_far(Spans::Dropped, tally.dropped_spans());
            }
        });
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.tracer.clone()
    }

    /// Makes a request part of a trace, where it carries messages to a server. The trace lasts until
    /// the response has been written, and until its call has been answered.
    pub fn follow<B>(&self, scene: Arc<Scene>, request: &Request<B>) -> Followed {
        Followed(if request.method() == Method::POST {
            Way::Traced(Call::begin(&self.tracer, Origin::of(request), scene))
        } else {
            Way::Named(scene)
        })
    }
}

/// A request on its way through the program.
#[derive(Debug)]
pub struct Followed(Way);

#[derive(Debug)]
enum Way {
    /// As part of a trace.
    Traced(Arc<Call>),
    /// For log lines alone.
    Named(Arc<Scene>),
}

impl Followed {
    /// Serves the request as part of what it belongs to.
    pub async fn through(
        self,
        serve: impl Future<Output = Response<ReplyBody>>,
    ) -> Response<ReplyBody> {
        let call = match self.0 {
            Way::Traced(call) => call,
            Way::Named(scene) => return Trace::new(scene).scope(serve).await,
        };
        let trace = Trace::new(Arc::clone(&call) as Arc<dyn Record>);
        let response = trace.scope(serve).await;
        call.responded(response.status());
        response.map(|body| ReplyBody::boxed(Traced::new(body, call)))
    }
}
