//! The spans of one message: its own, and one for each stage that it goes through.
//!
//! Owns their names and attributes, after the semantic conventions for MCP, and which context is the
//! parent. It must not know who calls it. It exists as one value, and not as spans of `tracing`,
//! because the parent may stand in the message itself, which is read after the span has begun, and
//! because stages end in other tasks than they began.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use http::StatusCode;
use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use standpipe_core::id::SessionId;
use standpipe_core::message::{Id, Message, MethodName, Params, Response};
use standpipe_core::protocol::{ProtocolVersion, meta, method};
use standpipe_core::trace::{Carried, Record, Stage};

use super::answer::Failure;
use super::origin::{self, Origin};
use crate::telemetry::Scene;

/// The longest text of a caller in a trace, in characters.
const LONGEST: usize = 128;

/// The trace of one message.
#[derive(Debug)]
pub(super) struct Call {
    tracer: SdkTracer,
    origin: Origin,
    scene: Arc<Scene>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    span: Own,
    /// What is told of the service and the session, for another message of the same request.
    known: Vec<KeyValue>,
    method: Option<MethodName>,
    sent: Sent,
    stage: Option<(Stage, Context)>,
    claimed: bool,
    failed: bool,
}

/// Which members `_meta` had when it came.
#[derive(Debug, Default)]
struct Sent {
    tracestate: bool,
    baggage: bool,
}

/// The message's own span.
#[derive(Debug)]
enum Own {
    /// Its parent is not known yet.
    Undecided(Box<SpanBuilder>),
    /// It has begun.
    Begun(Context),
}

impl Call {
    /// The trace of a message that comes with a request.
    pub(super) fn begin(tracer: &SdkTracer, origin: Origin, scene: Arc<Scene>) -> Arc<Self> {
        Self::new(tracer.clone(), origin, scene, Vec::new())
    }

    fn new(
        tracer: SdkTracer,
        origin: Origin,
        scene: Arc<Scene>,
        known: Vec<KeyValue>,
    ) -> Arc<Self> {
        let mut attributes = vec![
            KeyValue::new("network.transport", "tcp"),
            KeyValue::new("network.protocol.name", "http"),
            KeyValue::new("network.protocol.version", origin.http),
        ];
        attributes.extend(known.iter().cloned());
        let builder = SpanBuilder::from_name("POST")
            .with_kind(SpanKind::Server)
            .with_start_time(SystemTime::now())
            .with_attributes(attributes);
        let state = Mutex::new(State {
            span: Own::Undecided(Box::new(builder)),
            known,
            method: None,
            sent: Sent::default(),
            stage: None,
            claimed: false,
            failed: false,
        });
        Arc::new(Self { tracer, origin, scene, state })
    }

    /// The head of the response is known.
    pub(super) fn responded(&self, status: StatusCode) {
        let mut state = self.lock();
        let code = i64::from(status.as_u16());
        state.set(KeyValue::new("http.response.status_code", code));
        if status.as_u16() >= 400 && !state.failed {
            let kind = status.as_str().to_owned();
            state.fail(
                &self.tracer,
                &self.origin,
                Failure { kind, code: None, message: String::new() },
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record for Call {
    fn service(&self, id: &Arc<str>) {
        self.scene.service(id);
        self.lock().note(KeyValue::new("standpipe.service", Arc::clone(id)));
    }

    fn message(&self, message: &Message) {
        let (called, id, params) = match message {
            Message::Request(request) => (&request.method, Some(&request.id), &request.params),
            Message::Notification(told) => (&told.method, None, &told.params),
            Message::Response(_) => return,
        };
        let mut state = self.lock();
        if state.method.is_some() {
            return;
        }
        state.method = Some(called.clone());
        let params = params.as_ref();
        let sender = params.and_then(origin::in_meta);
        let has = |name| params.is_some_and(|params| params.meta_text(name).is_some());
        state.sent = Sent { tracestate: has("tracestate"), baggage: has("baggage") };
        if let Own::Undecided(builder) = &mut state.span {
            describe(builder, called, id, params);
        }
        let context = state.begin(&self.tracer, &self.origin, sender);
        if id.is_some() {
            state.enter(&self.tracer, Stage::Queue, &context);
        }
    }

    fn session(&self, id: SessionId, version: Option<ProtocolVersion>) {
        self.scene.session(id, version);
        let mut state = self.lock();
        // The whole id is a credential.
        state.note(KeyValue::new("mcp.session.id", id.short()));
        if let Some(version) = version {
            state.note(KeyValue::new("mcp.protocol.version", version.as_str()));
        }
    }

    fn name(&self, put: &mut dyn FnMut(&'static str, &str)) {
        self.scene.name(put);
        if let Own::Begun(context) = &self.lock().span {
            put("trace_id", &context.span().span_context().trace_id().to_string());
        }
    }

    fn claim(self: Arc<Self>, message: &Message) -> Option<Arc<dyn Record>> {
        let mut state = self.lock();
        if std::mem::replace(&mut state.claimed, true) {
            let known = state.known.clone();
            drop(state);
            let (tracer, origin) = (self.tracer.clone(), self.origin.clone());
            let another = Self::new(tracer, origin, Arc::clone(&self.scene), known);
            another.lock().claimed = true;
            another.message(message);
            return Some(another);
        }
        drop(state);
        self.message(message);
        Some(self)
    }

    fn enter(&self, next: Stage) {
        let mut state = self.lock();
        let context = state.begin(&self.tracer, &self.origin, None);
        state.enter(&self.tracer, next, &context);
    }

    fn carried(&self) -> Option<Carried> {
        let state = self.lock();
        let (_, context) = state.stage.as_ref()?;
        let span = context.span();
        let parent = span.span_context();
        let tracestate = parent.trace_state().header();
        // A state that belongs to another parent must not stay.
        let wanted = !tracestate.is_empty() || state.sent.tracestate;
        Some(Carried {
            traceparent: traceparent(parent),
            tracestate: wanted.then_some(tracestate),
            baggage: self.origin.baggage.clone().filter(|_| !state.sent.baggage),
        })
    }

    fn answered(&self, answer: &Response) {
        let mut state = self.lock();
        let called = state.method.clone();
        if let Some(failure) = Failure::of(answer, called.as_deref().unwrap_or_default()) {
            state.fail(&self.tracer, &self.origin, failure);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.lock();
        // A request whose message could not be read has a span as well.
        let context = state.begin(&self.tracer, &self.origin, None);
        if let Some((_, stage)) = state.stage.take() {
            stage.span().end();
        }
        context.span().end();
    }
}

impl State {
    /// Sets an attribute, now or when the span begins.
    fn set(&mut self, attribute: KeyValue) {
        match &mut self.span {
            Own::Undecided(builder) => {
                builder.attributes.get_or_insert_default().push(attribute);
            }
            Own::Begun(context) => context.span().set_attribute(attribute),
        }
    }

    /// Sets an attribute that other messages of the request have as well.
    fn note(&mut self, attribute: KeyValue) {
        if self.known.iter().any(|known| known.key == attribute.key) {
            return;
        }
        self.known.push(attribute.clone());
        self.set(attribute);
    }

    /// Begins the span if it has not begun. What `_meta` names is the parent, for that is who made
    /// the call; who sent the HTTP request is linked then (semantic conventions for MCP, "Context
    /// propagation").
    fn begin(
        &mut self,
        tracer: &SdkTracer,
        origin: &Origin,
        sender: Option<SpanContext>,
    ) -> Context {
        let builder = match &mut self.span {
            Own::Begun(context) => return context.clone(),
            Own::Undecided(builder) => std::mem::take(&mut **builder),
        };
        let (parent, linked) = match (sender, origin.sender.clone()) {
            (Some(sender), http) => (Some(sender), http),
            (None, http) => (http, None),
        };
        let builder = match linked {
            Some(linked) => builder.with_links(vec![Link::with_context(linked)]),
            None => builder,
        };
        let parent = parent
            .map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let span = tracer.build_with_context(builder, &parent);
        let context = parent.with_span(span);
        self.span = Own::Begun(context.clone());
        context
    }

    fn enter(&mut self, tracer: &SdkTracer, stage: Stage, own: &Context) {
        if let Some((_, before)) = self.stage.take() {
            before.span().end();
        }
        let builder = match stage {
            Stage::Queue => SpanBuilder::from_name("queue"),
            Stage::Child => {
                SpanBuilder::from_name("child").with_kind(SpanKind::Client).with_attributes([
                    KeyValue::new("network.transport", "pipe"),
                    KeyValue::new(
                        "mcp.method.name",
                        short(self.method.as_deref().unwrap_or_default()),
                    ),
                ])
            }
            Stage::Write => SpanBuilder::from_name("write"),
        };
        let span = tracer.build_with_context(builder, own);
        self.stage = Some((stage, own.with_span(span)));
    }

    fn fail(&mut self, tracer: &SdkTracer, origin: &Origin, failure: Failure) {
        self.failed = true;
        let own = self.begin(tracer, origin, None);
        let Failure { kind, code, message } = failure;
        let child = self.stage.iter().filter(|(stage, _)| *stage == Stage::Child);
        for context in child.map(|(_, context)| context).chain([&own]) {
            let span = context.span();
            span.set_attribute(KeyValue::new("error.type", kind.clone()));
            if let Some(code) = &code {
                span.set_attribute(KeyValue::new("rpc.response.status_code", code.clone()));
            }
            span.set_status(Status::error(message.clone()));
        }
    }
}

/// Names the span and says what is called.
fn describe(builder: &mut SpanBuilder, called: &str, id: Option<&Id>, params: Option<&Params>) {
    let attributes = builder.attributes.get_or_insert_default();
    attributes.push(KeyValue::new("mcp.method.name", short(called)));
    if let Some(id) = id {
        let text = id.to_raw().as_string().unwrap_or_else(|| id.to_string());
        attributes.push(KeyValue::new("jsonrpc.request.id", short(&text)));
    }
    // Since 2026-07-28 each request says so itself; before, its session has said it.
    if let Some(version) = params.and_then(|params| params.meta_text(meta::PROTOCOL_VERSION)) {
        attributes.push(KeyValue::new("mcp.protocol.version", short(&version)));
    }
    let named = params.and_then(Params::name).filter(|name| !name.is_empty());
    let target = match called {
        method::TOOLS_CALL => {
            attributes.push(KeyValue::new("gen_ai.operation.name", "execute_tool"));
            named.map(|name| KeyValue::new("gen_ai.tool.name", short(&name)))
        }
        method::PROMPTS_GET => named.map(|name| KeyValue::new("gen_ai.prompt.name", short(&name))),
        method::RESOURCES_READ | method::RESOURCES_SUBSCRIBE | method::RESOURCES_UNSUBSCRIBE => {
            if let Some(uri) = params.and_then(Params::uri) {
                attributes.push(KeyValue::new("mcp.resource.uri", short(&uri)));
            }
            None // There are too many different ones for a name.
        }
        _ => None,
    };
    builder.name = match &target {
        Some(target) => format!("{} {}", short(called), target.value.as_str()).into(),
        None => short(called).into(),
    };
    attributes.extend(target);
}

fn traceparent(parent: &SpanContext) -> String {
    let flags = parent.trace_flags().to_u8();
    format!("00-{}-{}-{flags:02x}", parent.trace_id(), parent.span_id())
}

/// A caller's text, bounded.
fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
