//! The short way and the long one: what the short one takes is the same message, and the long one
//! decides about all else.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{parse_in_doubt, plain};
use super::*;

/// Both ways agree about the text. Returns whether the short one took it.
fn compare(text: &[u8]) -> bool {
    let text = Bytes::copy_from_slice(text);
    let short = plain::read(&text);
    let (by_both, by_long) = (parse(&text), parse_in_doubt(&text));
    match (&by_both, &by_long) {
        (Ok(one), Ok(other)) => assert!(one == other, "{text:?}: two messages"),
        (Err(one), Err(other)) => {
            assert_eq!(one.explanation(), other.explanation(), "{text:?}");
            assert_eq!((one.code(), &one.id), (other.code(), &other.id), "{text:?}");
        }
        (one, other) => panic!("{text:?}: {one:?} and {other:?}"),
    }
    if let Some(message) = &short {
        assert!(by_long.is_ok_and(|other| other == *message), "{text:?}: only the short way");
    }
    short.is_some()
}

#[test]
fn what_nearly_all_send_goes_the_short_way() {
    let long = "x".repeat(1000);
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"a\nb"}}}"#,
        r#" { "jsonrpc" : "2.0" , "method" : "notifications/initialized" } "#,
        "{\r\n  \"jsonrpc\": \"2.0\",\n  \"id\": \"a-1\",\n  \"result\": {}\n}\n",
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no é"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"mode":"form","mode":"url","cursor":null}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":1.5,"io.modelcontextprotocol/protocolVersion":"2026-07-28","a":[[],{},"é\ud800"]},"requestState":"s"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":[true,false,null,-0.1e+5,10,0,[{"a":{}}]],"extra":1}"#,
        &format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{long}\"{long}é{long}"}}"#),
    ] {
        assert!(compare(text.as_bytes()), "{text}");
    }
}

#[test]
fn what_is_doubtful_does_not() {
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    for text in [
        "",
        "{",
        r#"{"jsonrpc":"2.0","id":1,"method":"m"}{}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m",}"#,
        r#"{"jsonrpc":"2.0","id":1,"\u006dethod":"m"}"#,
        r#"{"jsonrpc":"2\u002e0","id":1,"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","ID":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","é":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","param\u017f":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":1,"name":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"Name":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"a":1,"A":1}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":null}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":null}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[]}"#,
        &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{deep}}}"#),
    ] {
        assert!(!compare(text.as_bytes()), "{text}");
    }
}

/// Every value, right or wrong, in a place where it is only stepped over.
#[test]
fn values_are_judged_alike() {
    let values = [
        "0",
        "-0",
        "00",
        "01",
        "-",
        "-01",
        "1.",
        ".5",
        "1.5",
        "1e",
        "1e+",
        "1E-7",
        "1e5.2",
        "+1",
        "0x1",
        "1e999999",
        "truex",
        "tru",
        "nul",
        "null",
        "False",
        "\"\"",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\u{7f}\"",
        "\"\t\"",
        "\"a\u{1}\"",
        "\"\\\u{1}\"",
        "[]",
        "[ ]",
        "[,]",
        "[1,]",
        "[1 2]",
        "[}",
        "{]",
        "{}",
        "{ }",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" :1 , \"\\u0061\":2}",
        "{a:1}",
        "{\"a\":1]",
        "[[[]]",
        "\u{b}1",
        "\u{a0}1",
        "1\u{c}",
        "\u{feff}1",
        "",
        "'a'",
        "NaN",
        "/**/1",
        "\"\u{2028}\"",
    ];
    for value in values {
        for around in ["V", "[V]", "[1,V]", "{\"a\":V}", "[[V],{\"b\":V}]", "\"12345V6789\""] {
            let value = around.replace('V', value);
            compare(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{value}}}"#).as_bytes());
            compare(format!(r#"{{"jsonrpc":"2.0","id":{value},"method":"m"}}"#).as_bytes());
            compare(
                format!(r#"{{"jsonrpc":"2.0","method":"m","params":{{"x":{value}}}}}"#).as_bytes(),
            );
        }
    }
}

/// A byte of every kind at every place of a string, of whatever length.
#[test]
fn strings_are_ended_at_the_right_byte() {
    for length in [0, 1, 7, 8, 9, 15, 63, 64, 65, 71, 72, 127, 128, 129, 200, 300] {
        for at in 0..length {
            for byte in [b'"', b'\\', 0, 0x1f, b' ', 0x7f, 0x80, 0xff, b'\n'] {
                let mut text = br#"{"jsonrpc":"2.0","id":1,"result":""#.to_vec();
                let start = text.len();
                text.resize(start + length, b'x');
                text[start + at] = byte;
                text.extend_from_slice(b"\"}");
                compare(&text);
            }
        }
    }
}

/// A piece of a message: names that matter, marks, and what stands between them.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\n",
        " ",
        "\"jsonrpc\":\"2.0\",",
        "\"id\":",
        "\"method\":",
        "\"params\":",
        "\"result\":",
        "\"error\":",
        "\"_meta\":",
        "\"progressToken\":",
        "\"name\":",
        "\"mode\":",
        "\"Name\":",
        "\"io.modelcontextprotocol/logLevel\":",
        "\"tools/call\"",
        "\\u0069",
        "\\ud800",
        "1",
        "-0.5e3",
        "null",
        "true",
        "{}",
        "\"a\"",
        "é",
        "ſ",
    ];
    prop_oneof![8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,3}"]
}

const WHOLE: [&str; 5] = [
    r#"{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"echo","_meta":{"progressToken":"t","x":1},"arguments":{"text":"a longer text, in several words","n":[1,2.5,{"a":null}]}}}"#,
    r#"{"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":"line\nline é"}],"isError":false}}"#,
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"m","data":[[],{},true]}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"r","reason":"x","level":"info"}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"file:///a","requestState":"s","inputResponses":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"info"}}}"#,
];

proptest! {
    #[test]
    fn on_pieces_put_together(pieces in vec(piece(), 0..24)) {
        compare(pieces.concat().as_bytes());
        compare(format!("{{\"jsonrpc\":\"2.0\",{}}}", pieces.concat()).as_bytes());
    }

    #[test]
    fn on_bytes(text in vec(any::<u8>(), 0..64)) {
        compare(&text);
        compare(&[br#"{"jsonrpc":"2.0","id":1,"result":"#, &text[..], b"}"].concat());
    }

    #[test]
    fn on_messages_in_which_something_is_changed(
        whole in proptest::sample::select(WHOLE.to_vec()),
        changes in vec((any::<prop::sample::Index>(), 0_usize..6, piece()), 0..4),
    ) {
        let mut text = whole.as_bytes().to_vec();
        for (at, length, put) in changes {
            let start = at.index(text.len().max(1)).min(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, put.bytes());
        }
        compare(&text);
    }
}
