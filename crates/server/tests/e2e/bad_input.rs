//! Bad messages over HTTP: each kind has its own status and JSON-RPC code, and a text that names the fault.
//!
//! Statuses are those of the transports (MCP 2025-11-25, "Transports"), codes those of JSON-RPC 2.0.
//! After each refusal the session must go on.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::http::{Client, request, text_of};
use crate::support::process::Standpipe;
use crate::support::refusal::{Refusal, check, send};
use crate::support::{sse, together};

const JSON: &str = "application/json";
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// What is wrong, the body, the codes it may have, and the words that name it.
type Case<'a> = (&'a str, &'a [u8], &'a [i64], &'a [&'a str]);

const PARSE: &[i64] = &[-32700];
const INVALID: &[i64] = &[-32600, -32602];

#[tokio::test]
async fn bodies_that_are_no_message() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let session = Client::connect(&standpipe.url("/mcp")).await;
    let long_id = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(1025));
    let table: &[Case<'_>] = &[
        ("empty", b"", PARSE, &["json", "empty"]),
        ("cut off", br#"{"jsonrpc":"2.0","id":1,"#, PARSE, &["json"]),
        ("not UTF-8", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", PARSE, &["utf-8", "json"]),
        ("newline in a string", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\nng\"}", PARSE, &["json"]),
        ("two messages", br#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}"#, PARSE, &["json"]),
        ("two lines", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}", PARSE, &["json"]),
        ("a number", b"42", INVALID, &["object"]),
        ("an array", br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, INVALID, &["batch", "array"]),
        ("nothing in it", b"{}", INVALID, &["jsonrpc", "method"]),
        ("no jsonrpc", br#"{"id":1,"method":"ping"}"#, INVALID, &["jsonrpc"]),
        ("old jsonrpc", br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, INVALID, &["jsonrpc"]),
        ("id null", br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, INVALID, &["id"]),
        ("id true", br#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, INVALID, &["id"]),
        ("id object", br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, INVALID, &["id"]),
        ("id array", br#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, INVALID, &["id"]),
        ("id over 1 KiB", long_id.as_bytes(), INVALID, &["id"]),
        ("method number", br#"{"jsonrpc":"2.0","id":1,"method":7}"#, INVALID, &["method"]),
        ("params text", br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"all"}"#, INVALID, &["params"]),
        ("params array", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["echo"]}"#, INVALID, &["params"]),
        ("neither result nor error", br#"{"jsonrpc":"2.0","id":1}"#, INVALID, &["method", "result"]),
    ];
    for (what, body, codes, names) in table {
        let refusal = Refusal { status: 400, codes, names };
        check(what, session.post(body.to_vec()).await, &refusal).await;
    }
    assert_eq!(session.request(2, "ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn members_that_readers_would_read_differently() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let session = Client::connect(&standpipe.url("/mcp")).await;
    let table: &[(&str, &[&str])] = &[
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, &["id"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#, &["method"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/list"}"#, &["method"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/list"}"#, &["method"]),
        (r#"{"jsonrpc":"2.0","ID":2,"id":1,"method":"ping"}"#, &["id"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{},"Params":{}}"#, &["params"]),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"crash"}}"#,
            &["name"],
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","Name":"crash"}}"#,
            &["name"],
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","n\u0061me":"crash"}}"#,
            &["name"],
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{},"_meta":{}}}"#,
            &["_meta"],
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"progressToken":1,"progressToken":2}}}"#,
            &["progresstoken"],
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"test://a","URI":"test://b"}}"#,
            &["uri"],
        ),
    ];
    for (body, names) in table {
        let refusal = Refusal { status: 400, codes: INVALID, names };
        check(body, session.post(*body).await, &refusal).await;
    }
    // What nobody but the tool acts on may repeat itself: it passes as it is.
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":1,"a":2}}}"#;
    let answer: Value = session.post(twice).await.json().await.expect("a message");
    assert_eq!(text_of(&answer), r#"{"a":1,"a":2}"#);
}

#[tokio::test]
async fn a_body_of_many_lines_stays_one_message() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let session = Client::connect(&standpipe.url("/mcp")).await;
    let hidden = r#"{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"session_state","arguments":{"set":"smuggled"}}}"#;
    for line_end in ["\n", "\r\n", "\r"] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{{"name":"echo","arguments":{{"a":{line_end}{hidden}{line_end}}}}}}}"#
        );
        let answer: Value = session.post(body).await.json().await.expect("a message");
        assert_eq!(answer["id"], 5);
        let blanks = " ".repeat(line_end.len());
        assert_eq!(text_of(&answer), format!(r#"{{"a":{blanks}{hidden}{blanks}}}"#));
    }
    let counters = session.tool(6, "counters", json!({})).await;
    assert_eq!(counters["result"]["structuredContent"]["tools/call"], 4, "{counters}");
}

#[tokio::test]
async fn an_escaped_method_is_the_method() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let session = Client::connect(&standpipe.url("/mcp")).await;
    let body = r#"{"jsonrpc":"2.0","id":5,"method":"tools\/call","params":{"name":"echo","arguments":{}}}"#;
    let answer: Value = session.post(body).await.json().await.expect("a message");
    assert_eq!(text_of(&answer), "{}");
    // A second handshake would replace the first client's capabilities for everyone.
    let again = r#"{"jsonrpc":"2.0","id":6,"method":"initi\u0061lize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#;
    session.post(again).await;
    let counters = session.tool(7, "counters", json!({})).await;
    assert_eq!(counters["result"]["structuredContent"]["initialize"], 1, "{counters}");
}

#[tokio::test]
async fn bad_input_on_http_sse() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let http = reqwest::Client::new();
    let post = |url: String| http.post(url).header(CONTENT_TYPE, JSON).body(PING);
    let refusal = |status, names| Refusal { status, codes: &[], names };
    let response = send(http.get(standpipe.url("/sse")).header(ACCEPT, JSON)).await;
    check("no stream accepted", response, &refusal(406, &["accept"])).await;
    check("no session", send(post(standpipe.url("/message"))).await, &refusal(400, &["session"]))
        .await;
    let response = send(post(standpipe.url("/message?sessionId=nobody"))).await;
    check("unknown session", response, &refusal(404, &["session"])).await;

    let mut session = sse::Client::connect(&standpipe.url(""), "/sse").await;
    let response = session.poster().post("{".to_owned()).await;
    check("malformed", response, &Refusal { status: 400, codes: PARSE, names: &["json"] }).await;
    assert_eq!(session.request(1, "ping", json!({})).await["result"], json!({}));
    // The message to the child is ours, whatever the caller's looks like.
    let pretty = serde_json::to_string_pretty(&request(
        2,
        "tools/call",
        json!({ "name": "echo", "arguments": {} }),
    ));
    assert_eq!(session.poster().post(pretty.expect("it is JSON")).await.status(), 202);
    let answer = session.next().await;
    assert_eq!(answer["id"], 2);
}
