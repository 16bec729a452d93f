//! The scanner against `serde_json`, and on what is no JSON at all.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{Found, Scanner};

fn scan(text: &[u8], piece: usize) -> Found {
    let mut scanner = Scanner::new();
    text.chunks(piece).for_each(|piece| scanner.feed(piece));
    scanner.finish()
}

fn found(id: Option<&'static str>, is_response: bool) -> Found {
    Found { id: id.map(|id| Bytes::from_static(id.as_bytes())), is_response }
}

#[test]
fn ids_are_found_wherever_they_are() {
    let table = [
        (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, found(Some("7"), true)),
        (r#"{"result":{"id":1,"x":[{"id":2}]},"jsonrpc":"2.0","id":7}"#, found(Some("7"), true)),
        (r#" { "error" : {"code":1} , "id" : "a\"}b" } "#, found(Some(r#""a\"}b""#), true)),
        (r#"{"id":1.0e+3,"method":"x","params":{"result":1}}"#, found(Some("1.0e+3"), false)),
        (r#"{"method":"notifications/message","params":{"id":3}}"#, found(None, false)),
        (r#"{"\u0069d":5,"\u0072esult":1}"#, found(Some("5"), true)),
        (r#"{"ID":5,"i\nd":5,"result":1}"#, found(None, true)),
        (r#"{"id":null,"error":{}}"#, found(None, true)),
        (r#"{"id":{"id":1},"result":1}"#, found(None, true)),
        (r#"{"id":[1],"result":1}"#, found(None, true)),
        (r#"{"id":true,"result":1}"#, found(None, true)),
        (r#"{"x":"\"id\":9","result":"\\","id":4}"#, found(Some("4"), true)),
        // Two readers may choose differently, so neither is believed.
        (r#"{"id":1,"id":2,"result":1}"#, found(None, true)),
        // The end is cut off: what was complete before is known.
        (r#"{"id":8,"result":"aaaa"#, found(Some("8"), true)),
        (r#"{"result":1,"id":8"#, found(None, true)),
        (r#"{"result":1,"id":"abc"#, found(None, true)),
        ("\u{feff}{\"id\":6}", found(Some("6"), false)),
        (r#"[{"id":1}]"#, found(None, false)),
        (r#""id":1"#, found(None, false)),
        ("", found(None, false)),
        ("}}}]]]{", found(None, false)),
        (r#"{"id":}"id":3}"#, found(None, false)),
    ];
    for (text, expected) in table {
        for piece in [1, 2, 5, 1000] {
            assert_eq!(scan(text.as_bytes(), piece), expected, "{text} by {piece}");
        }
    }
}

#[test]
fn ids_that_could_break_out_of_an_envelope_are_not_kept() {
    for text in [
        &b"{\"id\":\"a\nb\",\"result\":1}"[..],
        b"{\"id\":\"\xff\",\"result\":1}",
        b"{\"id\":1:2,\"result\":1}",
        b"{\"id\":abc,\"result\":1}",
    ] {
        assert_eq!(scan(text, 3).id, None, "{text:?}");
    }
    let long = format!("{{\"id\":\"{}\",\"result\":1}}", "x".repeat(2000));
    assert_eq!(scan(long.as_bytes(), 100), found(None, true));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\\\\"{}\\[\\],: id]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        let key = prop_oneof![Just("id".to_owned()), Just("method".to_owned()), any::<String>()];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn envelope() -> impl Strategy<Value = Vec<(String, Value)>> {
    let key = prop_oneof![
        Just("id".to_owned()),
        Just("method".to_owned()),
        Just("result".to_owned()),
        Just("error".to_owned()),
        Just("params".to_owned()),
        "[a-z\"\\\\]{0,4}",
    ];
    proptest::collection::vec((key, json()), 0..7).prop_map(|mut members| {
        let mut seen = std::collections::HashSet::new();
        members.retain(|(key, _)| seen.insert(key.clone()));
        members
    })
}

proptest! {
    #[test]
    fn it_agrees_with_a_parser(
        members in envelope(),
        piece in 1usize..40,
        pretty in any::<bool>(),
    ) {
        // Written member by member, because a map would sort them.
        let body: Vec<String> = members.iter().map(|(key, value)| {
            let value = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            format!("{}: {}", serde_json::to_string(key).unwrap(), value.unwrap())
        }).collect();
        let text = format!("{{{}}}", body.join(" , "));
        let parsed: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let result = scan(text.as_bytes(), piece);
        // Not from what was parsed: the parser rounds some floats differently.
        let id = members.iter().find(|(key, _)| key == "id").map(|(_, value)| value);
        let id = id.filter(|id| id.is_string() || id.is_number());
        let id = id.map(|id| Bytes::from(serde_json::to_string(id).unwrap()));
        prop_assert_eq!(result.id, id);
        let is_response = (parsed.contains_key("result") || parsed.contains_key("error"))
            && !parsed.contains_key("method");
        prop_assert_eq!(result.is_response, is_response);
    }

    #[test]
    fn it_never_fails_and_never_keeps_what_is_no_id(
        text in proptest::collection::vec(any::<u8>(), 0..200),
        piece in 1usize..40,
    ) {
        let all = [&b"{\"id\":"[..], &text].concat();
        if let Some(id) = scan(&all, piece).id {
            prop_assert!(std::str::from_utf8(&id).is_ok());
            prop_assert!(!id.contains(&b'\n'));
        }
    }
}
