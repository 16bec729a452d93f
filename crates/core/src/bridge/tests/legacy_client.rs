//! What a legacy client's request becomes for a modern child, and how a call is made again.

use super::*;
use crate::bridge::legacy_client::{InputRequired, asked, called_again, forwarded};
use crate::connection::SessionProfile;
use crate::protocol::LogLevel;

fn profile() -> SessionProfile {
    let text = r#"{"protocolVersion":"2025-06-18","capabilities":{"sampling":{"tools":{}},"tasks":{},"x":1},"clientInfo":{"name":"c","version":"1"}}"#;
    SessionProfile::of_initialize(&raw(text)).unwrap()
}

#[test]
fn a_request_says_what_its_client_said_once_and_for_all() {
    let said = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{"tools":{}},"x":1},"io.modelcontextprotocol/logLevel":"info","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}"#;
    let table = [
        (None, format!(r#"{{"_meta":{{{said}}}}}"#)),
        (Some("{}"), format!(r#"{{"_meta":{{{said}}}}}"#)),
        (Some(r#"{"name":"t"}"#), format!(r#"{{"_meta":{{{said}}},"name":"t"}}"#)),
        (Some(r#"{"_meta":null,"a":1}"#), format!(r#"{{"_meta":{{{said}}},"a":1}}"#)),
        (
            Some(r#"{"a":1,"_meta":{"progressToken":"old","k":[ 1 ]}}"#),
            format!(r#"{{"a":1,"_meta":{{"k":[ 1 ],{said},"progressToken":9}}}}"#),
        ),
        (
            Some(r#"{"_meta":{"io.modelcontextprotocol/logLevel":"debug"}}"#),
            format!(r#"{{"_meta":{{{said}}}}}"#),
        ),
    ];
    for (sent, expected) in table {
        let sent = sent.map(params);
        let token = sent.as_ref().and_then(Params::meta_progress_token).map(|_| Id::from_number(9));
        let params = forwarded(sent.as_ref(), &profile(), true, LogLevel::Info, token.as_ref());
        assert_eq!(params.raw().as_str(), expected);
    }
}

#[test]
fn nothing_is_offered_where_the_service_asks_nobody() {
    let params = forwarded(None, &profile(), false, LogLevel::Info, None);
    assert!(params.raw().as_str().contains(r#"clientCapabilities":{"x":1}"#), "{params:?}");
}

#[test]
fn a_page_to_be_visited_gets_the_id_that_a_legacy_client_needs() {
    let page = r#"{"mode":"url","url":"https://a"}"#;
    for (method, sent, expected) in [
        (
            "elicitation/create",
            page,
            r#"{"mode":"url","url":"https://a","elicitationId":"7-\"k\""}"#,
        ),
        (
            "elicitation/create",
            r#"{"mode":"url","elicitationId":"own"}"#,
            r#"{"mode":"url","elicitationId":"own"}"#,
        ),
        ("elicitation/create", r#"{"mode":"form"}"#, r#"{"mode":"form"}"#),
        ("sampling/createMessage", page, page),
    ] {
        let params = asked(method, Some(raw(sent)), "7-\"k\"").unwrap();
        assert_eq!(params.raw().as_str(), expected);
    }
    assert!(asked("elicitation/create", None, "7").is_none());
}

#[test]
fn only_a_result_that_asks_for_input_is_one() {
    for text in [
        "{}",
        r#"{"content":[{"text":"input_required"}]}"#,
        r#"{"resultType":"complete","x":"input_required"}"#,
        r#"{"resultType":7,"x":"input_required"}"#,
    ] {
        assert!(InputRequired::read(&raw(text)).is_none(), "{text}");
    }
    for text in [
        r#"{"resultType":"input_required"}"#,
        r#"{"resultType":"input_required","inputRequests":[]}"#,
        r#"{"resultType":"input_required","inputRequests":{"a":{}}}"#,
        r#"{"resultType":"input_required","inputRequests":{"a":{"method":"m","params":[]}}}"#,
    ] {
        assert!(InputRequired::read(&raw(text)).unwrap().is_err(), "{text}");
    }
    let text = r#"{"inputRequests":{"a":{"method":"roots/list"},"b":{"method":"elicitation/create","params":{"m":1}}},"resultType":"input_required","requestState":"s"}"#;
    let required = InputRequired::read(&raw(text)).unwrap().unwrap();
    let methods: Vec<_> = required.requests.iter().map(|r| (&*r.key, &*r.method)).collect();
    assert_eq!(methods, [("a", "roots/list"), ("b", "elicitation/create")]);
    assert_eq!(required.requests[1].params.as_ref().unwrap().as_str(), r#"{"m":1}"#);
    assert_eq!(required.state.unwrap().as_str(), r#""s""#);
}

#[test]
fn a_call_is_made_again_with_the_answers() {
    let sent = params(r#"{"name":"t","requestState":"mine","arguments":{"x":1}}"#);
    let answers = [("a\"b".to_owned(), raw(r#"{"action":"accept"}"#))];
    let again = called_again(&sent, &answers, Some(&raw(r#""s""#)));
    assert_eq!(
        again.raw().as_str(),
        r#"{"name":"t","arguments":{"x":1},"inputResponses":{"a\"b":{"action":"accept"}},"requestState":"s"}"#
    );
    let again = called_again(&sent, &[], None);
    assert_eq!(again.raw().as_str(), r#"{"name":"t","arguments":{"x":1}}"#);
}
