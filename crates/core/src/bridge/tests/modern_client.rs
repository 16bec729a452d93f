//! What a modern client's request becomes for a legacy child, and the child's answer for it.

use super::*;
use crate::bridge::modern_client::{answered, forwarded, is_unknown};
use crate::message::Outcome;

const INFO: &str = r#"{"name":"s","version":"1"}"#;

fn result(method: &str, text: &str) -> String {
    match answered(method, Outcome::Result(raw(text)), Some(&raw(INFO))) {
        Outcome::Result(result) => result.as_str().to_owned(),
        Outcome::Error(error) => panic!("{}", error.as_str()),
    }
}

#[test]
fn what_only_modern_servers_know_is_taken_out_of_a_request() {
    let table = [
        (
            r#"{"name":"t","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"traceparent":"00-1","x.y/z":[1]},"arguments":{"a":1.0}}"#,
            r#"{"name":"t","_meta":{"traceparent":"00-1","x.y/z":[1]},"arguments":{"a":1.0}}"#,
        ),
        (
            r#"{"_meta":{"io.modelcontextprotocol\/logLevel":"info","progressToken":"old"}}"#,
            r#"{"_meta":{"progressToken":7}}"#,
        ),
        (
            r#"{"inputResponses":{"a":{}},"name":"t","_meta":{"progressToken":1},"requestState":"s"}"#,
            r#"{"name":"t","_meta":{"progressToken":7}}"#,
        ),
    ];
    for (sent, expected) in table {
        let params = params(sent);
        let token = params.meta_progress_token().map(|_| Id::from_number(7));
        assert_eq!(forwarded(&params, token.as_ref()).raw().as_str(), expected, "{sent}");
    }
}

#[test]
fn a_result_gets_what_modern_clients_require() {
    let meta = format!(r#""_meta":{{"io.modelcontextprotocol/serverInfo":{INFO}}}"#);
    let table = [
        ("tools/call", "{}", format!(r#"{{"resultType":"complete",{meta}}}"#)),
        (
            "tools/call",
            r#"{"content":[]}"#,
            format!(r#"{{"resultType":"complete",{meta},"content":[]}}"#),
        ),
        (
            "tools/list",
            r#"{"tools":[]}"#,
            format!(
                r#"{{"resultType":"complete","ttlMs":0,"cacheScope":"private",{meta},"tools":[]}}"#
            ),
        ),
    ];
    for (method, sent, expected) in table {
        assert_eq!(result(method, sent), expected);
    }
}

#[test]
fn what_a_result_has_already_stays() {
    let text = result("resources/read", r#"{"_meta":{"a":1},"ttlMs":5,"contents":[]}"#);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "_meta": {"a": 1, "io.modelcontextprotocol/serverInfo": {"name": "s", "version": "1"}},
        "ttlMs": 5, "contents": [], "resultType": "complete", "cacheScope": "private",
    });
    assert_eq!(value, expected);
    // The same words in a payload are no members of the result.
    let text = result(
        "tools/call",
        r#"{"content":[{"type":"text","text":"\"resultType\""}],"x":{"resultType":1,"_meta":2}}"#,
    );
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["resultType"], "complete", "{text}");
    assert_eq!(value["x"]["_meta"], 2);
}

#[test]
fn a_missing_resource_has_another_number() {
    for (sent, code) in [("-32002", -32602), ("-32603", -32603), ("-32042", -32042), ("1", 1)] {
        let error = raw(&format!(r#"{{"code":{sent},"message":"m","data":{{"uri":"u"}}}}"#));
        let Outcome::Error(error) = answered("resources/read", Outcome::Error(error), None) else {
            panic!("an error stays one");
        };
        let error: serde_json::Value = serde_json::from_str(error.as_str()).unwrap();
        assert_eq!(error, serde_json::json!({"code": code, "message": "m", "data": {"uri": "u"}}));
    }
}

#[test]
fn removed_methods_and_tasks_are_not_reached() {
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/list"] {
        assert!(is_unknown(method), "{method}");
    }
    for method in ["tools/call", "completion/complete", "x/y", "taskless"] {
        assert!(!is_unknown(method), "{method}");
    }
}
