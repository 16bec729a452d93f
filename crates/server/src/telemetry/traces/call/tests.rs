//! Which spans a message has, by the words in which its progress is told.

use bytes::Bytes;
use http::Request;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use standpipe_core::message::{Incoming, parse_body};
use std::time::Duration;

use super::*;
use crate::edge::RequestId;

/// Keeps what ends.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Kept {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Kept {
    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|span| span.name.to_string()).collect()
    }

    fn named(&self, name: &str) -> SpanData {
        let spans = self.0.lock().unwrap();
        let found = spans.iter().find(|span| span.name == name).cloned();
        found.unwrap_or_else(|| panic!("no {name:?} in {spans:?}"))
    }
}

struct Bench {
    kept: Kept,
    _provider: SdkTracerProvider,
    tracer: SdkTracer,
}

fn bench(sampler: Sampler) -> Bench {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_span_processor(kept.clone())
        .build();
    let tracer = provider.tracer("tests");
    Bench { kept, _provider: provider, tracer }
}

impl Bench {
    fn call(&self, headers: &[(&str, &str)]) -> Arc<Call> {
        let mut request = Request::post("/mcp");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let scene = Scene::new(RequestId::of(request.headers(), || 0), &request);
        Call::begin(&self.tracer, Origin::of(&request), Arc::new(scene))
    }
}

fn message(text: &str) -> Message {
    match parse_body(&Bytes::from(text.to_owned())).unwrap() {
        Incoming::Single(message) => message,
        Incoming::Batch(_) => unreachable!("one message was written"),
    }
}

fn request(id: u32) -> Message {
    message(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#))
}

#[test]
fn a_message_of_a_batch_has_a_span_of_its_own() {
    let bench = bench(Sampler::AlwaysOn);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let call = bench.call(&[("traceparent", parent)]);
    call.service(&"files".into());
    let one = Arc::clone(&call).claim(&request(1));
    let two = Arc::clone(&call).claim(&request(2));
    drop((call, one, two));
    let spans = bench.kept.0.lock().unwrap().clone();
    let own: Vec<_> = spans.iter().filter(|span| span.name == "tools/list").collect();
    assert_eq!(own.len(), 2);
    for span in own {
        assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let service = KeyValue::new("standpipe.service", "files");
        assert!(span.attributes.contains(&service), "{span:?}");
    }
}

#[test]
fn a_call_that_moves_to_another_process_has_two_spans_there() {
    let bench = bench(Sampler::AlwaysOn);
    let call = bench.call(&[]);
    call.message(&request(1));
    for stage in [Stage::Child, Stage::Queue, Stage::Child, Stage::Write] {
        call.enter(stage);
    }
    drop(call);
    assert_eq!(bench.kept.names(), ["queue", "child", "queue", "child", "write", "tools/list"]);
}

#[test]
fn a_state_without_its_parent_does_not_reach_the_child() {
    let bench = bench(Sampler::AlwaysOn);
    let call = bench.call(&[("traceparent", "nonsense"), ("tracestate", "theirs=1")]);
    let params = r#"{"_meta":{"traceparent":"nonsense","tracestate":"mine=1"}}"#;
    call.message(&message(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{params}}}"#
    )));
    call.enter(Stage::Child);
    let carried = call.carried().unwrap();
    assert_eq!(carried.tracestate.as_deref(), Some(""));
    assert!(carried.traceparent.ends_with("-01"), "{carried:?}");
    drop(call);
    let own = bench.kept.named("tools/list");
    assert_eq!(own.parent_span_id, opentelemetry::trace::SpanId::INVALID);
}

#[test]
fn what_is_not_sampled_is_carried_on_as_not_sampled() {
    let bench = bench(Sampler::AlwaysOff);
    let call =
        bench.call(&[("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")]);
    call.message(&request(1));
    call.enter(Stage::Child);
    let carried = call.carried().unwrap();
    assert!(carried.traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{carried:?}");
    assert!(carried.traceparent.ends_with("-00"), "{carried:?}");
    drop(call);
    assert!(bench.kept.names().is_empty());
}

#[test]
fn texts_of_callers_are_bounded() {
    let bench = bench(Sampler::AlwaysOn);
    let call = bench.call(&[("baggage", &"b".repeat(9000))]);
    let name = "n".repeat(5000);
    call.message(&message(&format!(
        r#"{{"jsonrpc":"2.0","id":"{}","method":"tools/call","params":{{"name":"{name}"}}}}"#,
        "i".repeat(900)
    )));
    call.enter(Stage::Child);
    assert_eq!(call.carried().unwrap().baggage, None, "over what has to be passed on");
    drop(call);
    let own = bench.kept.0.lock().unwrap().pop().unwrap();
    assert!(own.name.len() <= "tools/call ".len() + LONGEST, "{}", own.name);
    assert!(own.attributes.iter().all(|attribute| attribute.value.as_str().len() <= LONGEST));
}

#[test]
fn resources_are_named_by_an_attribute_only() {
    let bench = bench(Sampler::AlwaysOn);
    let call = bench.call(&[]);
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#;
    call.message(&message(text));
    drop(call);
    let own = bench.kept.named("resources/read");
    assert!(own.attributes.contains(&KeyValue::new("mcp.resource.uri", "file:///a")), "{own:?}");
}
