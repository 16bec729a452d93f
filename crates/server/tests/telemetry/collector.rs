//! A collector: OTLP over HTTP, read with the official protobuf definitions.
//!
//! Owns what was received. Knows nothing of the product's own code.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;

use crate::support::GENEROUS;

/// Takes spans until it is dropped with its runtime.
#[derive(Clone)]
pub(crate) struct Collector {
    address: SocketAddr,
    got: Arc<Mutex<Got>>,
}

#[derive(Default)]
struct Got {
    spans: Vec<Span>,
    resource: Vec<KeyValue>,
    headers: HeaderMap,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let got = Arc::new(Mutex::new(Got::default()));
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&got));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, got }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans received so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        lock(&self.got).spans.clone()
    }

    /// The text of a resource attribute of the newest batch.
    pub(crate) fn resource(&self, key: &str) -> Option<String> {
        text(&lock(&self.got).resource, key)
    }

    /// A header of the newest batch.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let got = lock(&self.got);
        got.headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    /// Waits until a span like this has come.
    pub(crate) async fn span(&self, what: &str, like: impl Fn(&Span) -> bool) -> Span {
        let deadline = tokio::time::Instant::now() + GENEROUS;
        loop {
            if let Some(span) = self.spans().into_iter().find(&like) {
                return span;
            }
            let names: Vec<_> = self.spans().into_iter().map(|span| span.name).collect();
            assert!(tokio::time::Instant::now() < deadline, "{what} did not come; {names:?} did");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The spans whose parent this is, by name.
    pub(crate) fn children_of(&self, parent: &Span) -> HashMap<String, Span> {
        let spans = self.spans().into_iter();
        let children = spans.filter(|span| span.parent_span_id == parent.span_id);
        children.map(|span| (span.name.clone(), span)).collect()
    }
}

async fn take(State(got): State<Arc<Mutex<Got>>>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let batch = ExportTraceServiceRequest::decode(body).expect("the body is a batch of spans");
    let mut got = lock(&got);
    got.headers = headers;
    for resource in batch.resource_spans {
        got.resource = resource.resource.map(|found| found.attributes).unwrap_or_default();
        got.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    Response::builder()
        .header("content-type", "application/x-protobuf")
        .body(Body::from(answer))
        .expect("the head is valid")
}

fn lock(got: &Mutex<Got>) -> MutexGuard<'_, Got> {
    got.lock().expect("nobody panics with it")
}

/// The text, or the number as text, of an attribute.
pub(crate) fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

/// Lower-case hexadecimal, as in a `traceparent`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes any text");
        text
    })
}
