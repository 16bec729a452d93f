//! What is written: one line, our envelope, the sender's payload.

use super::*;

#[test]
fn a_pretty_printed_text_becomes_one_line() {
    let text = "{\r\n  \"jsonrpc\": \"2.0\",\n  \"id\": 1,\n  \"method\": \"tools/call\",\n  \"params\": {\n\t\"name\": \"t\"\r\n  }\n}\n";
    assert_eq!(
        line(&accepted(text)),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{ \t\"name\": \"t\"    }}"
    );
}

#[test]
fn a_hidden_message_stays_hidden() {
    // A reader of lines would take the second line for a call with an id of the attacker's choice.
    let hidden = "\n{\"jsonrpc\":\"2.0\",\"id\":666,\"method\":\"tools/call\"}\n";
    for text in [
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"x":{hidden}}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","unknown":{hidden},"params":{{}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{hidden}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":[{hidden},{hidden}]}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"data":{hidden}}}}}"#),
        format!("\n\n{hidden}\n").replace('\n', "\r"),
    ] {
        let line = line(&accepted(&text));
        assert!(!line.contains(['\r', '\n']), "{text:?}");
        assert!(text.starts_with(['\r', '\n']) || line.starts_with(r#"{"jsonrpc":"2.0","id":1,"#));
    }
}

#[test]
fn line_breaks_inside_strings_stay_escaped() {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":"a\nb\r\u000a\u2028"}"#;
    assert_eq!(line(&accepted(text)), text);
    for broken in ["\n", "\r", "\r\n"] {
        rejected(&format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"a{broken}b\"}}"));
    }
}

#[test]
fn a_large_payload_is_not_copied() {
    let payload = format!("\"{}\"", "x".repeat(100_000));
    let text = Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{payload}}}"#));
    let message = parse(&text).unwrap();
    let encoded = message.encode();
    let start = text.as_ptr() as usize;
    let inside = start..start + text.len();
    assert!(inside.contains(&(encoded.body.as_ptr() as usize)), "a slice of what was read");
    assert_eq!(encoded.len(), text.len());
    assert_eq!(encoded.clone().pieces().count(), 3);
    let pieces: Vec<u8> = encoded.clone().pieces().flatten().collect();
    assert_eq!(pieces, text);
    assert_eq!(encoded.into_bytes(), text);
}

#[test]
fn a_small_payload_travels_in_one_piece() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":1}}"#;
    let encoded = accepted(text).encode();
    assert_eq!(encoded.clone().pieces().count(), 1);
    assert_eq!(encoded.into_bytes(), text);
}

#[test]
fn methods_and_messages_are_escaped_where_they_have_to_be() {
    let method = "a\"b\\c\n\u{0}é";
    let message = Message::notification(method, None);
    let text = line(&message);
    assert!(!text.contains('\n'));
    assert!(matches!(accepted(&text), Message::Notification(n) if &*n.method == method));
    let error = error_object(-1, "say \"no\"\n", Some(&raw("[1]")));
    assert_eq!(error.as_str(), r#"{"code":-1,"message":"say \"no\"\n","data":[1]}"#);
}

#[test]
fn a_weight_is_never_less_than_what_is_written() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/m"}"#,
        r#"{"jsonrpc":"2.0","id":"abc","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#,
    ] {
        let message = accepted(text);
        assert!(message.weight() >= message.encode().len(), "{text}");
        assert!(message.weight() <= message.encode().len() + 64, "{text}");
    }
}

#[test]
fn raw_values_are_exactly_one_value() {
    for (text, value) in
        [(" 1 ", "1"), ("\n{\"a\"\n:\r1}\t", "{\"a\" : 1}"), ("\"\\ud800\"", "\"\\ud800\"")]
    {
        assert_eq!(raw(text).as_str(), value);
    }
    for text in ["", " ", "1 2", "{", "nul", "'a'", "\u{a0}1", "\u{c}1", "\u{feff}1"] {
        assert!(RawJson::new(&text.to_owned().into()).is_err(), "{text:?}");
    }
    assert!(RawJson::new(&Bytes::from_static(b"\"\xff\"")).is_err());
    assert_eq!(raw("\"\\u00e9\"").as_string().as_deref(), Some("é"));
    assert_eq!(raw("1").as_string(), None);
    assert_eq!(RawJson::string("a\"\n").as_str(), "\"a\\\"\\n\"");
    assert_eq!(RawJson::empty_object().as_str(), "{}");
}

#[test]
fn methods_are_equal_by_name_however_they_are_kept() {
    use crate::protocol::method;
    for name in method::ALL.into_iter().chain(["", "x/y", "tools/callx", "Tools/call"]) {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, name.replace('/', "\\/"));
        let Message::Notification(read) = accepted(&text) else { panic!("{text}") };
        let made = MethodName::from(name);
        assert_eq!((&*read.method, &*made, read.method == made), (name, name, true));
        assert_eq!((made.to_string(), format!("{made:?}")), (name.into(), format!("{name:?}")));
        assert!(method::ALL.iter().all(|other| (made == *other) == (name == *other)));
    }
    assert_eq!(size_of::<MethodName>(), 16);
}

#[test]
fn strings_are_borrowed_where_nothing_is_escaped() {
    use std::borrow::Cow;
    let params = params(r#"{"name":"plain é","uri":"a\/b"}"#).unwrap();
    assert!(matches!(params.name_str(), Some(Cow::Borrowed("plain é"))));
    assert!(matches!(params.uri_str(), Some(Cow::Owned(uri)) if uri == "a/b"));
    assert_eq!(raw("\"\"").text().as_deref(), Some(""));
    for none in ["1", "null", "[\"a\"]", r#""\ud800""#] {
        assert_eq!(raw(none).text(), None);
    }
}

#[test]
fn a_line_takes_exactly_the_room_that_was_made_for_it() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":1}}"#,
        r#"{"jsonrpc":"2.0","method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":"x","result":null}"#,
        r#"{"jsonrpc":"2.0","id":"x","error":{}}"#,
        &format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "x".repeat(COPY_UP_TO)),
    ] {
        let message = accepted(text);
        assert_eq!(message.head_len(), message.encode().head.len(), "{text}");
        let mut out = BytesMut::from("before ");
        let rest = message.encode_into(&mut out);
        let tail = rest.as_ref().map_or(&b""[..], |_| CLOSING);
        let all = [&out[..], rest.as_deref().unwrap_or_default(), tail].concat();
        assert_eq!(all, format!("before {text}").as_bytes());
    }
}
