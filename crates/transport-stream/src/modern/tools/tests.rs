//! Which arguments are repeated, and whether they are.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use standpipe_core::message::RawJson;

use super::repeated::check;
use super::schema::parameters;

fn found(schema: &str) -> Vec<String> {
    let found = parameters(schema);
    found.iter().map(|p| format!("{} {}", p.header, p.path.join("."))).collect()
}

#[test]
fn annotations_that_count() {
    for (schema, expected) in [
        (
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"Region"}}}"#,
            vec!["mcp-param-region a"],
        ),
        (
            r#"{"properties":{"a":{"type":"object","properties":{"b":{"type":["integer","null"],"x-mcp-header":"B"},"c":{"type":"boolean","x-mcp-header":"C"}}}}}"#,
            vec!["mcp-param-b a.b", "mcp-param-c a.c"],
        ),
        // A property of that name, and a default that looks like one.
        (
            r#"{"properties":{"x-mcp-header":{"type":"string"},"a":{"type":"string","x-mcp-header":"A","default":{"x-mcp-header":1}}}}"#,
            vec!["mcp-param-a a"],
        ),
    ] {
        assert_eq!(found(schema), expected, "{schema}");
    }
}

#[test]
fn annotations_that_make_a_tool_invalid() {
    let good = r#""a":{"type":"string","x-mcp-header":"A"}"#;
    for bad in [
        r#""b":{"type":"string","x-mcp-header":""}"#,
        r#""b":{"type":"string","x-mcp-header":"B C"}"#,
        r#""b":{"type":"string","x-mcp-header":"B\r\n"}"#,
        r#""b":{"type":"string","x-mcp-header":"Ü"}"#,
        r#""b":{"type":"string","x-mcp-header":3}"#,
        r#""b":{"type":"string","x-mcp-header":"a"}"#,
        r#""b":{"type":"number","x-mcp-header":"B"}"#,
        r#""b":{"type":"object","x-mcp-header":"B"}"#,
        r#""b":{"x-mcp-header":"B"}"#,
        r#""b":{"type":"array","items":{"type":"string","x-mcp-header":"B"}}"#,
        r#""b":{"anyOf":[{"type":"string","x-mcp-header":"B"}]}"#,
        r#""b":{"not":{"properties":{"c":{"type":"string","x-mcp-header":"B"}}}}"#,
    ] {
        let schema = format!(r#"{{"properties":{{{good},{bad}}}}}"#);
        assert_eq!(found(&schema), Vec::<String>::new(), "{schema}");
    }
    let in_defs =
        format!(r#"{{"properties":{{{good}}},"$defs":{{{}}}}}"#, good.replace("\"A\"", "\"D\""));
    assert_eq!(found(&in_defs), Vec::<String>::new());
    assert_eq!(found("[]"), Vec::<String>::new());
}

/// Whether these arguments go with these headers; the words of the refusal where not.
fn told(kind: &str, arguments: &str, headers: &[&str]) -> String {
    let schema = format!(
        r#"{{"properties":{{"o":{{"properties":{{"a":{{"type":"{kind}","x-mcp-header":"A"}}}}}}}}}}"#
    );
    let mut map = HeaderMap::new();
    for value in headers {
        let name = HeaderName::from_static("mcp-param-a");
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header"));
    }
    let arguments = RawJson::new(&Bytes::from(format!(r#"{{"o":{arguments}}}"#))).expect("JSON");
    match check(&map, &parameters(&schema), Some(&arguments)) {
        Ok(()) => String::new(),
        Err(unfit) => {
            assert_eq!((unfit.status().as_u16(), unfit.code()), (400, -32020));
            unfit.to_string()
        }
    }
}

#[test]
fn arguments_that_are_repeated() {
    for (kind, arguments, headers) in [
        ("string", r#"{"a":"us-west1"}"#, vec!["us-west1"]),
        ("string", r#"{"a":"us-west1"}"#, vec!["  us-west1\t"]),
        ("string", r#"{"a":"us-west1"}"#, vec!["us-west1", "us-west1"]),
        ("string", r#"{"a":"u\u0073"}"#, vec!["us"]),
        ("string", r#"{"a":""}"#, vec![""]),
        ("string", r#"{"a":"Hello"}"#, vec!["=?base64?SGVsbG8=?="]),
        ("string", r#"{"a":"Hello, 世界"}"#, vec!["=?base64?SGVsbG8sIOS4lueVjA==?="]),
        ("string", r#"{"a":" padded "}"#, vec!["=?base64?IHBhZGRlZCA=?="]),
        ("string", r#"{"a":"line1\nline2"}"#, vec!["=?base64?bGluZTEKbGluZTI=?="]),
        ("string", r#"{"a":"=?base64?literal?="}"#, vec!["=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="]),
        ("string", r#"{"a":"SGVsbG8="}"#, vec!["SGVsbG8="]),
        ("string", r#"{"a":"=?base64?SGVsbG8="}"#, vec!["=?base64?SGVsbG8="]),
        ("string", r#"{"a":"=?BASE64?SGVsbG8=?="}"#, vec!["=?BASE64?SGVsbG8=?="]),
        ("integer", r#"{"a":42}"#, vec!["42"]),
        ("integer", r#"{"a":42}"#, vec!["42.0"]),
        ("integer", r#"{"a":-7.0}"#, vec!["-7"]),
        ("integer", r#"{"a":9007199254740991}"#, vec!["9007199254740991"]),
        ("boolean", r#"{"a":true}"#, vec!["true"]),
        ("boolean", r#"{"a":false}"#, vec!["false"]),
        ("string", r#"{"a":null}"#, vec![]),
        ("string", "{}", vec![]),
        ("string", "null", vec![]),
        ("string", r#"{"b":"x"}"#, vec![]),
        // Not of its type: for the server to refuse.
        ("string", r#"{"a":["x"]}"#, vec![]),
        ("string", r#"{"a":5}"#, vec!["5"]),
    ] {
        assert_eq!(told(kind, arguments, &headers), "", "{arguments} {headers:?}");
    }
}

#[test]
fn arguments_that_are_not() {
    for (kind, arguments, headers, words) in [
        ("string", r#"{"a":"x"}"#, vec![], "`mcp-param-a` is missing"),
        ("string", r#"{"a":""}"#, vec![], "`params.arguments.o.a`"),
        (
            "string",
            r#"{"a":"x"}"#,
            vec!["y"],
            r#"is "y", but `params.arguments.o.a` in the body is "x""#,
        ),
        ("string", r#"{"a":"x"}"#, vec!["X"], "is \"X\""),
        ("string", r#"{"a":"x"}"#, vec!["x", "y"], "more than once"),
        ("string", r#"{"a":"Hello"}"#, vec!["=?base64?SGVsbG8?="], "no Base64"),
        ("string", r#"{"a":"Hello"}"#, vec!["=?base64?SGVs!!!bG8=?="], "no Base64"),
        ("string", r#"{"a":"Hello"}"#, vec!["=?base64?/w==?="], "no Base64"),
        ("string", r#"{"a":"é"}"#, vec!["é"], "not plain text"),
        ("integer", r#"{"a":42}"#, vec!["43"], "\"43\""),
        ("integer", r#"{"a":42}"#, vec!["fortytwo"], "\"fortytwo\""),
        ("integer", r#"{"a":9007199254740993}"#, vec!["9007199254740992"], "9007199254740993"),
        ("boolean", r#"{"a":true}"#, vec!["True"], "\"True\""),
        ("boolean", r#"{"a":true}"#, vec!["1"], "\"1\""),
        ("string", r#"{"a":null}"#, vec!["null"], "is missing"),
        ("string", "{}", vec![""], "is missing"),
        ("string", r#"{"a":["x"]}"#, vec!["x"], "\"x\""),
        ("string", r#"{"a":"x","\u0061":"y"}"#, vec!["x"], "more than once"),
    ] {
        let why = told(kind, arguments, &headers);
        assert!(why.contains(words), "{arguments} {headers:?}: {why}");
    }
}
