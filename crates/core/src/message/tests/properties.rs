//! Any text at all, against `serde_json`'s tree as the second parser.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// White space as JSON has it.
fn space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,3}"
}

/// The inside of a string, as it stands in the text.
fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z0-9 {}\\[\\]:,./é😀\u{2028}-]{0,6}",
        Just("\\n".to_owned()),
        Just("\\\"".to_owned()),
        Just("\\\\".to_owned()),
        Just("\\/".to_owned()),
        Just("\\u000A".to_owned()),
        Just("\\ud83d\\ude00".to_owned()),
    ];
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// A whole value, written in any way that JSON allows.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        string(),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let element = (space(), inner.clone(), space()).prop_map(|(a, v, b)| a + &v + &b);
        let list = vec(element, 0..4).prop_map(|all| format!("[{}]", all.join(",")));
        prop_oneof![list, object(inner)]
    })
}

/// An object whose members nobody acts on.
fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let member = (space(), "k[a-z]{0,3}", space(), space(), value, space())
        .prop_map(|(a, key, b, c, value, d)| format!("{a}\"{key}\"{b}:{c}{value}{d}"));
    vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof!["-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?", string()]
}

/// An envelope: members in any order, with white space between them.
fn envelope(members: Vec<(&'static str, String)>) -> impl Strategy<Value = String> {
    let count = members.len();
    (Just(members).prop_shuffle(), vec(space(), count * 2 + 1)).prop_map(|(members, spaces)| {
        let mut spaces = spaces.into_iter();
        let mut space = || spaces.next().unwrap_or_default();
        let written: Vec<String> = members
            .into_iter()
            .map(|(name, value)| format!("{}\"{name}\":{}{value}", space(), space()))
            .collect();
        format!("{{{}{}}}", written.join(","), space())
    })
}

fn without_breaks(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

fn tree(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

proptest! {
    #[test]
    fn requests_pass_to_the_byte(
        (id, params, text) in (id(), option::of(object(value()))).prop_flat_map(|(id, params)| {
            let mut members =
                vec![("jsonrpc", "\"2.0\"".to_owned()), ("id", id.clone()), ("method", "\"m\"".to_owned())];
            members.extend(params.clone().map(|params| ("params", params)));
            (Just(id), Just(params), envelope(members))
        })
    ) {
        let message = accepted(&text);
        let written = line(&message);
        let params = params.map(|params| without_breaks(&params));
        let rest = params.as_ref().map_or(String::new(), |params| format!(",\"params\":{params}"));
        prop_assert_eq!(&written, &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"{rest}}}"#));
        prop_assert_eq!(written.lines().count(), 1);
        prop_assert_eq!(tree(&written), tree(&text));
        // What we write is read the same way, again and again.
        prop_assert_eq!(line(&accepted(&written)), written);
    }

    #[test]
    fn answers_pass_to_the_byte(
        (id, name, payload, text) in (
            id(),
            prop_oneof![
                value().prop_map(|value| ("result", value)),
                object(value()).prop_map(|value| ("error", value)),
            ],
        ).prop_flat_map(|(id, (name, payload))| {
            let members =
                vec![("jsonrpc", "\"2.0\"".to_owned()), ("id", id.clone()), (name, payload.clone())];
            (Just(id), Just(name), Just(payload), envelope(members))
        })
    ) {
        let payload = without_breaks(&payload);
        let written = line(&accepted(&text));
        prop_assert_eq!(&written, &format!(r#"{{"jsonrpc":"2.0","id":{id},"{name}":{payload}}}"#));
        prop_assert!(!written.contains(['\r', '\n']));
        prop_assert_eq!(tree(&written), tree(&text));
    }

    #[test]
    fn a_token_is_exchanged_in_place(
        (before, token, after) in ("[ \t]{0,3}", id(), "[ \t]{0,3}"),
        first in value(),
        last in value(),
        inner in value(),
        new in id(),
    ) {
        let around = |token: &str| format!(
            r#"{{"k":{first},"_meta":{{"k":{inner},"progressToken"{before}:{after}{token}{before}}},"z":{last}}}"#
        );
        let text = without_breaks(&around(&token));
        let params = params(&text).unwrap();
        let found = params.meta_progress_token().unwrap();
        prop_assert_eq!(found.as_str(), &token);
        let exchanged = params.with_meta_progress_token(&Id::from(&raw(&new)));
        prop_assert_eq!(exchanged.raw().as_str(), without_breaks(&around(&new)));
    }

    /// A valid message with one piece of it changed: what we take, the second parser takes for the
    /// same thing.
    #[test]
    fn readers_agree_on_what_is_accepted(
        text in envelope(vec![
            ("jsonrpc", "\"2.0\"".to_owned()),
            ("id", "1".to_owned()),
            ("method", "\"m\"".to_owned()),
            ("params", r#"{"name":"a","_meta":{"progressToken":1}}"#.to_owned()),
        ]),
        at in any::<prop::sample::Index>(),
        length in 0_usize..4,
        inserted in "[\\[\\]{}\",:\\\\a-zA-Z0-9 \r\n.\u{0}-]{0,3}",
    ) {
        let start = at.index(text.len());
        let end = (start + length).min(text.len());
        let changed = format!("{}{inserted}{}", &text[..start], &text[end..]);
        let second = serde_json::from_str::<Value>(&changed);
        let Ok(message) = parse(&Bytes::from(changed.clone())) else {
            return Ok(());
        };
        // What the second parser refuses although we take it is a value out of its range.
        let Ok(second) = second else {
            prop_assert!(changed.contains(['e', 'E', '\\']), "{}", changed);
            return Ok(());
        };
        let written = tree(&line(&message));
        for name in ["jsonrpc", "id", "method", "params", "result", "error"] {
            prop_assert_eq!(written.get(name), second.get(name), "{}", &changed);
        }
    }

    #[test]
    fn no_text_is_too_odd(bytes in vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        if let Ok(message) = parse(&bytes) {
            prop_assert!(serde_json::from_slice::<Value>(&message.encode().into_bytes()).is_ok());
        }
        let _judged = parse_body(&bytes);
    }
}
