//! What a trace is told, and that the child is told of it in `_meta` and nowhere else.

use std::sync::Mutex;

use bytes::Bytes;

use super::*;
use crate::message::{Incoming, parse_body};

/// Remembers what it was told.
#[derive(Debug, Default)]
struct Memory {
    told: Mutex<Vec<String>>,
    carried: Option<Carried>,
}

impl Memory {
    fn note(&self, what: String) {
        self.told.lock().unwrap().push(what);
    }
}

impl Record for Memory {
    fn service(&self, id: &Arc<str>) {
        self.note(format!("service {id}"));
    }

    fn message(&self, message: &Message) {
        self.note(format!("message of {} bytes", message.weight()));
    }

    fn session(&self, id: SessionId, version: Option<ProtocolVersion>) {
        let version = version.map_or_else(String::new, |version| version.to_string());
        self.note(format!("session {} at {version}", id.short()));
    }

    fn name(&self, put: &mut dyn FnMut(&'static str, &str)) {
        put("request_id", "r1");
    }

    fn claim(self: Arc<Self>, _message: &Message) -> Option<Arc<dyn Record>> {
        self.note("claimed".to_owned());
        Some(self)
    }

    fn enter(&self, stage: Stage) {
        self.note(format!("{stage:?}"));
    }

    fn carried(&self) -> Option<Carried> {
        self.carried.clone()
    }

    fn answered(&self, _answer: &Response) {
        self.note("answered".to_owned());
    }
}

fn request(params: &str) -> Message {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    match parse_body(&Bytes::from(body)).unwrap() {
        Incoming::Single(message) => message,
        Incoming::Batch(_) => unreachable!("one message was written"),
    }
}

fn params_of(message: Message) -> Params {
    match message {
        Message::Request(request) => request.params.unwrap(),
        _ => unreachable!("a request was written"),
    }
}

fn traced(carried: Carried) -> Trace {
    Trace::new(Arc::new(Memory { carried: Some(carried), ..Memory::default() }))
}

#[tokio::test]
async fn a_request_finds_the_trace_of_its_task() {
    let memory = Arc::new(Memory::default());
    let trace = Trace::new(Arc::clone(&memory) as Arc<dyn Record>);
    let call = request("{}");
    let id = SessionId::random();
    let claimed = trace
        .scope(async {
            service(&"files".into());
            message(&call);
            session(id, Some(ProtocolVersion::V2025_06_18));
            let mut named = Vec::new();
            name(&mut |member, value| named.push(format!("{member}={value}")));
            assert_eq!(named, ["request_id=r1"]);
            Trace::claim(&call)
        })
        .await;
    claimed.enter(Stage::Child);
    claimed.answered(&Message::Response(Response::error(
        crate::message::Id::from_number(1),
        -32603,
        "no",
    )));
    let told = memory.told.lock().unwrap().clone();
    assert_eq!(told[2], format!("session {} at 2025-06-18", id.short()));
    assert_eq!(told[3..], ["claimed", "Child", "answered"]);
    assert_eq!(told[0], "service files");
    assert!(told[1].starts_with("message of"), "{told:?}");
}

#[tokio::test]
async fn without_a_trace_nothing_is_changed() {
    message(&request("{}"));
    let trace = Trace::claim(&request("{}"));
    assert!(trace.0.is_none());
    let params = params_of(request(r#"{ "name" : "echo" }"#));
    let before = params.raw().bytes().clone();
    let after = trace.carried_in(Some(params)).unwrap();
    // The very same bytes, not a copy of them.
    assert_eq!(after.raw().bytes().as_ptr(), before.as_ptr());
    assert!(trace.carried_in(None).is_none());
}

#[test]
fn the_child_is_told_in_meta_and_every_other_byte_stays() {
    let carried = Carried {
        traceparent: "00-a-b-01".to_owned(),
        tracestate: Some("x=1".to_owned()),
        baggage: None,
    };
    let trace = traced(carried);
    let cases = [
        (r"{}", r#"{"_meta":{"traceparent":"00-a-b-01","tracestate":"x=1"}}"#),
        (
            r#"{ "name" : "echo" , "arguments" : {"_meta":1} }"#,
            r#"{"_meta":{"traceparent":"00-a-b-01","tracestate":"x=1"}, "name" : "echo" , "arguments" : {"_meta":1} }"#,
        ),
        (
            r#"{"_meta":{},"name":"a"}"#,
            r#"{"_meta":{"traceparent":"00-a-b-01","tracestate":"x=1"},"name":"a"}"#,
        ),
        (
            r#"{"_meta": null ,"name":"a"}"#,
            r#"{"_meta": {"traceparent":"00-a-b-01","tracestate":"x=1"} ,"name":"a"}"#,
        ),
        (
            r#"{"_meta": { "progressToken" : 1.0 }}"#,
            r#"{"_meta": {"traceparent":"00-a-b-01","tracestate":"x=1", "progressToken" : 1.0 }}"#,
        ),
        (
            r#"{"_meta":{"a":1, "traceparent" : "old" ,"z":[1e3]}}"#,
            r#"{"_meta":{"tracestate":"x=1","a":1, "traceparent" : "00-a-b-01" ,"z":[1e3]}}"#,
        ),
        (
            r#"{"_meta":{"tracestate":"c=2","traceparent":"old"}}"#,
            r#"{"_meta":{"tracestate":"x=1","traceparent":"00-a-b-01"}}"#,
        ),
        (
            r#"{"_meta":{"TraceParent":"old","trace\u0073tate":5}}"#,
            r#"{"_meta":{"TraceParent":"00-a-b-01","trace\u0073tate":"x=1"}}"#,
        ),
    ];
    for (given, expected) in cases {
        let params = trace.carried_in(Some(params_of(request(given)))).unwrap();
        assert_eq!(params.raw().as_str(), expected, "{given}");
    }
    let without = trace.carried_in(None).unwrap();
    assert_eq!(
        without.raw().as_str(),
        r#"{"_meta":{"traceparent":"00-a-b-01","tracestate":"x=1"}}"#
    );
}

#[test]
fn what_is_carried_cannot_leave_its_string() {
    let baggage = "a=\"},\"b\":{\"\u{1}";
    let carried = Carried {
        traceparent: "t".to_owned(),
        tracestate: None,
        baggage: Some(baggage.to_owned()),
    };
    let params = traced(carried).carried_in(Some(params_of(request("{}")))).unwrap();
    let text = params.raw().as_str();
    assert_eq!(text, r#"{"_meta":{"traceparent":"t","baggage":"a=\"},\"b\":{\"\u0001"}}"#);
    assert_eq!(params.meta_text("baggage").as_deref(), Some(baggage));
}

#[test]
fn members_of_meta_are_read_where_they_are_texts() {
    let params = params_of(request(r#"{"_meta":{"trace\u0070arent":"00-\u0061","n":7},"n":"no"}"#));
    assert_eq!(params.meta_text("traceparent").as_deref(), Some("00-a"));
    assert_eq!(params.meta_text("n"), None);
    assert_eq!(params.meta_text("absent"), None);
    for other in ["{}", r#"{"_meta":null}"#] {
        assert_eq!(params_of(request(other)).meta_text("traceparent"), None);
    }
}
