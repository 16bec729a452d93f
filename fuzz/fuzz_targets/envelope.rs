//! Any bytes as a message: what we take, a second parser takes for the same thing, and what we write
//! is one line in which no reader finds anything else.
#![no_main]

use bytes::Bytes;
use jiter::JsonValue;
use libfuzzer_sys::fuzz_target;
use standpipe_core::message::{EnvelopeError, Id, Incoming, Message, Outcome, Params};
use standpipe_core::message::{parse, parse_body, parse_in_doubt};

/// Members that some other reader must not find twice, or in another spelling.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS: [&str; 5] = ["_meta", "name", "uri", "requestState", "inputResponses"];

type Object<'a> = [(std::borrow::Cow<'a, str>, JsonValue<'a>)];

fuzz_target!(|text: &[u8]| {
    let body = Bytes::copy_from_slice(text);
    check(&body);
    check_both_ways(&body);
    if let Ok(Incoming::Batch(elements)) = parse_body(&body) {
        for message in elements.into_iter().flatten() {
            check_written(&message);
        }
    }
});

/// Nearly all messages take a short way; the long one is what decides.
fn check_both_ways(text: &Bytes) {
    match (parse(text), parse_in_doubt(text)) {
        (Ok(short), Ok(long)) => assert_eq!(short, long),
        (Err(short), Err(long)) => {
            assert_eq!(short.explanation(), long.explanation());
            assert_eq!((short.code(), short.id), (long.code(), long.id));
        }
        (short, long) => panic!("{short:?} and {long:?}"),
    }
}

fn check(text: &Bytes) {
    let second = JsonValue::parse(text, false);
    match (parse(text), second) {
        (Ok(message), second) => {
            check_written(&message);
            // A value out of the second parser's range is not ours to judge.
            if let Ok(JsonValue::Object(object)) = second {
                check_agreement(&message, &object);
            }
        }
        (Err(rejected), Ok(JsonValue::Object(_))) => {
            assert!(!matches!(
                rejected.error,
                EnvelopeError::NotUtf8 { .. } | EnvelopeError::Syntax(_)
            ));
        }
        (Err(_), _) => {}
    }
}

fn check_agreement(message: &Message, object: &Object<'_>) {
    for name in ENVELOPE {
        read_alike(object, name);
    }
    assert_eq!(string(object, "jsonrpc"), Some("2.0"));
    match message {
        Message::Request(request) => {
            assert_eq!(string(object, "method"), Some(&*request.method));
            same(get(object, "id"), Some(request.id.as_str()));
            check_params(get(object, "params"), request.params.as_ref());
        }
        Message::Notification(notification) => {
            assert_eq!(string(object, "method"), Some(&*notification.method));
            assert!(get(object, "id").is_none());
            check_params(get(object, "params"), notification.params.as_ref());
        }
        Message::Response(response) => {
            assert!(get(object, "method").is_none());
            same(get(object, "id"), Some(response.id.as_str()));
            match &response.outcome {
                Outcome::Result(raw) => same(get(object, "result"), Some(raw.as_str())),
                Outcome::Error(raw) => same(get(object, "error"), Some(raw.as_str())),
            }
        }
    }
}

fn check_params(value: Option<&JsonValue<'_>>, params: Option<&Params>) {
    same(value, params.map(|params| params.raw().as_str()));
    let (Some(JsonValue::Object(object)), Some(params)) = (value, params) else {
        return;
    };
    for name in PARAMS {
        read_alike(object, name);
    }
    assert_eq!(string(object, "name"), params.name().as_deref());
    assert_eq!(string(object, "uri"), params.uri().as_deref());
    let Some(JsonValue::Object(meta)) = get(object, "_meta") else {
        assert!(params.meta_progress_token().is_none());
        return;
    };
    for (position, (key, _)) in meta.iter().enumerate() {
        assert!(meta[..position].iter().all(|(other, _)| !alike(key, other)));
    }
    same(get(meta, "progressToken"), params.meta_progress_token().as_ref().map(Id::as_str));
    if get(meta, "progressToken").is_some() {
        let ours = Id::from_number(7);
        let exchanged = params.with_meta_progress_token(&ours);
        let Ok(JsonValue::Object(exchanged)) = JsonValue::parse(exchanged.raw().as_bytes(), false)
        else {
            panic!("an object stays one");
        };
        for ((key, before), (same_key, after)) in object.iter().zip(exchanged.iter()) {
            assert_eq!(key, same_key);
            assert!(key == "_meta" || before == after);
        }
        let Some(JsonValue::Object(meta)) = get(&exchanged, "_meta") else {
            panic!("it is still there");
        };
        same(get(meta, "progressToken"), Some("7"));
    }
}

/// What a child gets to read, one line at a time.
fn check_written(message: &Message) {
    let line = message.encode().into_bytes();
    assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
    let again = parse(&line).expect("what we write is a message");
    assert_eq!(again.encode().into_bytes(), line);
}

/// No member but `name` itself, once, is `name` for a reader that ignores case.
fn read_alike(object: &Object<'_>, name: &str) {
    let mut found = object.iter().filter(|(key, _)| alike(key, name));
    assert!(found.next().is_none_or(|(key, _)| key == name));
    assert!(found.next().is_none());
}

/// As Go's decoder compares: simple case folding, in which two letters fold into ASCII.
fn alike(one: &str, other: &str) -> bool {
    let fold = |text: &str| -> String {
        text.chars()
            .flat_map(|c| {
                if matches!(c, 'ſ' | '\u{212a}') || c.is_ascii() {
                    c.to_uppercase().collect::<Vec<_>>()
                } else {
                    vec![c]
                }
            })
            .flat_map(char::to_lowercase)
            .collect()
    };
    one == other || fold(one).eq_ignore_ascii_case(&fold(other))
}

fn get<'a, 'b>(object: &'a Object<'b>, name: &str) -> Option<&'a JsonValue<'b>> {
    object.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn string<'a>(object: &'a Object<'_>, name: &str) -> Option<&'a str> {
    match get(object, name) {
        Some(JsonValue::Str(text)) => Some(text),
        _ => None,
    }
}

fn same(value: Option<&JsonValue<'_>>, raw: Option<&str>) {
    let raw = raw.map(|raw| JsonValue::parse(raw.as_bytes(), false).expect("read before"));
    assert_eq!(value, raw.as_ref());
}
