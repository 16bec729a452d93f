//! Request ids: kept to the byte, bounded, and never the reason why something else stays in memory.

use super::*;

fn id_of(text: &str) -> Id {
    match accepted(&format!(r#"{{"jsonrpc":"2.0","id":{text},"result":1}}"#)) {
        Message::Response(response) => response.id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_id_comes_back_as_it_was_written() {
    let long = format!("\"{}\"", "x".repeat(MAX_ID_BYTES - 2));
    for text in [
        "0",
        "1",
        "-1",
        "1.0",
        "1e2",
        "-0",
        "1E+400",
        "\"\"",
        "\"1\"",
        "\"\\u0031\"",
        "\"é\"",
        &long,
    ] {
        assert_eq!(id_of(text).as_str(), text);
        let message = accepted(&format!(r#"{{"jsonrpc":"2.0","id": {text} ,"method":"m"}}"#));
        assert_eq!(line(&message), format!(r#"{{"jsonrpc":"2.0","id":{text},"method":"m"}}"#));
    }
}

#[test]
fn different_spellings_are_different_ids() {
    let all = ["1", "\"1\"", "1.0", "1e0", "\"\\u0031\""];
    for (position, text) in all.iter().enumerate() {
        for (other_position, other) in all.iter().enumerate() {
            assert_eq!(id_of(text) == id_of(other), position == other_position, "{text} {other}");
        }
    }
    rejected(r#"{"jsonrpc":"2.0","id":01,"method":"m"}"#);
}

#[test]
fn what_cannot_be_an_id_is_refused_without_one() {
    for text in ["null", "true", "false", "[]", "{}", "[1]", "{\"a\":1}"] {
        let rejected = rejected(&format!(r#"{{"jsonrpc":"2.0","id":{text},"method":"m"}}"#));
        assert!(matches!(rejected.error, EnvelopeError::IdKind), "{text}");
        assert!(rejected.id.is_none());
        assert_eq!(rejected.code(), -32600);
    }
    for text in [format!("\"{}\"", "x".repeat(MAX_ID_BYTES - 1)), "9".repeat(MAX_ID_BYTES + 1)] {
        let rejected = rejected(&format!(r#"{{"jsonrpc":"2.0","id":{text},"method":"m"}}"#));
        let length = MAX_ID_BYTES + 1;
        assert!(matches!(rejected.error, EnvelopeError::IdTooLong { length: l } if l == length));
        assert!(rejected.id.is_none());
    }
}

#[test]
fn only_plain_integers_can_be_ids_of_ours() {
    let cases = [
        ("0", Some(0)),
        ("42", Some(42)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("-1", None),
        ("-0", None),
        ("1.0", None),
        ("1e2", None),
        ("\"1\"", None),
    ];
    for (text, number) in cases {
        assert_eq!(id_of(text).as_number(), number, "{text}");
    }
    assert_eq!(Id::from_number(u64::MAX).as_number(), Some(u64::MAX));
    assert_eq!(Id::from_number(7), id_of("7"));
}

#[test]
fn ids_of_every_length_are_kept_to_the_byte() {
    use std::collections::HashSet;
    let mut seen = HashSet::new();
    for length in 0..64 {
        let text = format!("\"{}\"", "x".repeat(length));
        let id = id_of(&text);
        assert_eq!((id.as_str(), id.as_bytes()), (&*text, text.as_bytes()));
        assert_eq!((format!("{id}"), format!("{id:?}")), (text.clone(), format!("Id({text})")));
        assert_eq!(id.to_raw(), raw(&text));
        assert_eq!(id.clone(), id_of(&text));
        assert!(seen.insert(id.clone()) && seen.contains(&id_of(&text)));
    }
    for number in [0, 9, 10, 99, 1_234_567_890, u64::MAX - 1, u64::MAX] {
        let id = Id::from_number(number);
        assert_eq!((id.as_str(), id.as_number()), (&*number.to_string(), Some(number)));
    }
    assert_eq!(size_of::<Id>(), 24);
}

#[test]
fn what_is_kept_of_a_call_does_not_keep_its_text() {
    let text = Bytes::from(
        br#"{"jsonrpc":"2.0","id":"a","method":"m","params":{"_meta":{"progressToken":"t"},
            "requestId":"r","progressToken":"p"}}"#
            .to_vec(),
    );
    let Ok(Message::Request(Request { id, params: Some(params), .. })) = parse(&text) else {
        panic!("a request with parameters");
    };
    let kept = (id, params.meta_progress_token(), params.request_id(), params.progress_token());
    drop(params);
    assert!(text.is_unique(), "something still points into the body");
    assert_eq!(kept.0.as_str(), "\"a\"");
    let rest = [kept.1, kept.2, kept.3].map(|token| token.unwrap().as_str().to_owned());
    assert_eq!(rest, ["\"t\"", "\"r\"", "\"p\""]);
}
