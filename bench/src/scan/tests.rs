//! Positions in messages of all shapes.

use super::message;

fn parts(text: &str) -> Vec<(&'static str, &str)> {
    let bytes = text.as_bytes();
    let Some(found) = message(bytes) else {
        return vec![("nothing", "")];
    };
    [
        ("id", found.id),
        ("method", found.method),
        ("name", found.name),
        ("text", found.text),
        ("bytes", found.bytes),
        ("token", found.token),
        ("result", found.result),
        ("error", found.error),
    ]
    .into_iter()
    .filter_map(|(name, span)| Some((name, std::str::from_utf8(span?.of(bytes)).ok()?)))
    .collect()
}

#[test]
fn a_call_is_found_in_any_order_and_spacing() {
    let call = [("id", "7"), ("method", "tools/call"), ("name", "echo"), ("text", "a")];
    for text in [
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"a"}}}"#,
        r#"{"params":{"arguments":{"text":"a","x":[{}]},"name":"echo"},"method":"tools/call","id":7}"#,
        "{ \"id\" : 7 ,\r\n\"method\": \"tools/call\", \"params\" : { \"name\": \"echo\", \"arguments\": { \"text\": \"a\" } } }",
    ] {
        assert_eq!(parts(text), call, "{text}");
    }
}

#[test]
fn an_answer_has_the_text_of_its_first_content() {
    let text = r#"{"result":{"content":[{"type":"text","text":"one"},{"text":"two"}]},"id":"x"}"#;
    assert_eq!(
        parts(text),
        [
            ("id", "\"x\""),
            ("text", "one"),
            ("result", r#"{"content":[{"type":"text","text":"one"},{"text":"two"}]}"#)
        ]
    );
}

#[test]
fn names_inside_strings_and_other_objects_are_not_taken() {
    let text = r#"{"jsonrpc":"2.0","x":{"id":1},"error":{"message":"\"id\":2 \\"},"id":3}"#;
    assert_eq!(parts(text), [("id", "3"), ("error", r#"{"message":"\"id\":2 \\"}"#)]);
}

#[test]
fn tokens_are_found_where_each_side_puts_them() {
    let call = r#"{"id":1,"method":"m","params":{"_meta":{"a/b":{},"progressToken":"t"}}}"#;
    assert_eq!(parts(call), [("id", "1"), ("method", "m"), ("token", "\"t\"")]);
    let note = r#"{"method":"m","params":{"progressToken":5,"progress":1}}"#;
    assert_eq!(parts(note), [("method", "m"), ("token", "5")]);
}

#[test]
fn half_a_message_is_none() {
    let whole = r#"{"id":1,"method":"m","params":{"arguments":{"text":"a\"b"}},"result":[1]}"#;
    for end in 0..whole.len() {
        assert_eq!(message(&whole.as_bytes()[..end]), None, "{}", &whole[..end]);
    }
    assert!(message(whole.as_bytes()).is_some());
}
