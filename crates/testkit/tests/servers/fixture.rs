//! `standpipe-fixture` on stdio: what every test that uses it relies on.

use std::collections::HashSet;
use std::path::Path;

use crate::driver::{Driver, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use standpipe_testkit::{fixture_path, is_alive, process, wait_until};

pub(crate) fn open(capabilities: &Value) -> Driver {
    Driver::open(&fixture_path(), &[], capabilities)
}

pub(crate) fn everything() -> Value {
    json!({"sampling": {}, "elicitation": {}, "roots": {}})
}

#[test]
fn the_library_finds_the_binary_that_cargo_built() {
    assert_eq!(fixture_path(), Path::new(env!("CARGO_BIN_EXE_standpipe-fixture")));
}

#[test]
fn echo_gives_back_bytes_and_echo_raw_the_whole_params() {
    let mut fixture = open(&json!({}));
    fixture.send_line(
        r#"{"jsonrpc":"2.0","id":1.50,"method":"tools\/call","params":{"name":"echo","arguments":{"z":1e2,"a":"\u00e9 é","z2":[ ]}}}"#,
    );
    assert_eq!(
        fixture.text_line(),
        r#"{"jsonrpc":"2.0","id":1.50,"result":{"content":[{"type":"text","text":"{\"z\":1e2,\"a\":\"\\u00e9 é\",\"z2\":[ ]}"}]}}"#
    );
    let params = r#"{"unknown":1.0,"name":"echo_raw","_meta":{"k":12345678901234567890}}"#;
    fixture.send_line(&format!(
        r#"{{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{params}}}"#
    ));
    let line = fixture.text_line();
    assert!(line.ends_with(&format!(r#""structuredContent":{params}}}}}"#)), "{line}");
}

#[test]
fn answers_come_out_of_order() {
    let mut fixture = open(&json!({}));
    // Cancelled in the end, so that it takes no time.
    fixture.begin(1, "slow", json!({"ms": 600_000}));
    assert_eq!(fixture.text(2, "delay", json!({"ms": 1, "text": "quick"})), "quick");
    assert!(fixture.passed.is_empty(), "{:?}", fixture.passed);
}

#[test]
fn progress_goes_by_token_and_only_where_there_is_one() {
    let mut fixture = open(&json!({}));
    assert_eq!(fixture.text(1, "progress", json!({"steps": 2})), "2 steps");
    assert!(fixture.passed.is_empty(), "{:?}", fixture.passed);
    let params =
        json!({"name": "progress", "arguments": {"steps": 2}, "_meta": {"progressToken": "t"}});
    fixture.request(json!(2), "tools/call", params);
    let seen: Vec<_> = fixture
        .passed
        .iter()
        .map(|m| (&m["params"]["progressToken"], &m["params"]["progress"]))
        .collect();
    assert_eq!(seen, [(&json!("t"), &json!(1)), (&json!("t"), &json!(2))]);
}

#[test]
fn log_messages_are_filtered_once_a_level_is_set_unless_unasked() {
    let mut fixture = open(&json!({}));
    fixture.call(1, "log", json!({"level": "debug", "message": "before"}));
    fixture.request(json!(2), "logging/setLevel", json!({"level": "warning"}));
    fixture.call(3, "log", json!({"level": "info", "message": "dropped"}));
    fixture.call(4, "log", json!({"level": "error", "message": "kept"}));
    fixture.call(5, "log", json!({"level": "debug", "message": "unasked", "unasked": true}));
    let logged: Vec<_> =
        fixture.passed.iter().map(|m| m["params"]["data"].as_str().unwrap()).collect();
    assert_eq!(logged, ["before", "kept", "unasked"]);
}

#[test]
fn a_resource_update_is_announced_while_subscribed() {
    let mut fixture = open(&json!({}));
    let uri = json!({"uri": "test://watched-resource"});
    assert_eq!(fixture.text(1, "touch_resource", uri.clone()), "not subscribed");
    assert!(fixture.passed.is_empty(), "{:?}", fixture.passed);
    fixture.request(json!(2), "resources/subscribe", uri.clone());
    assert_eq!(fixture.text(3, "touch_resource", uri.clone()), "subscribed");
    assert_eq!(fixture.incoming("notifications/resources/updated")["params"], uri);
    fixture.request(json!(4), "resources/unsubscribe", uri.clone());
    assert_eq!(fixture.text(5, "touch_resource", uri), "not subscribed");
}

#[test]
fn what_is_not_there_has_its_own_code() {
    let mut fixture = open(&json!({}));
    let missing = fixture.request(json!(1), "resources/read", json!({"uri": "test://no"}));
    assert_eq!(missing["error"]["code"], -32002);
    assert_eq!(missing["error"]["data"]["uri"], "test://no");
    let unknown = fixture.request(json!(2), "tools/call", json!({"name": "no"}));
    assert_eq!(unknown["error"]["code"], -32602);
    let method = fixture.request(json!(3), "server/discover", json!({}));
    assert_eq!(method["error"]["code"], -32601);
}

#[test]
fn requests_before_the_handshake_are_refused_but_for_ping() {
    let mut fixture = Driver::start(&fixture_path(), &[]);
    assert_eq!(fixture.request(json!(1), "ping", json!({}))["result"], json!({}));
    assert_eq!(fixture.request(json!(2), "tools/list", json!({}))["error"]["code"], -32600);
}

#[test]
fn counters_tell_what_arrived() {
    let mut fixture = open(&json!({}));
    fixture.send_line("[]");
    fixture.send_line("{");
    fixture.send(&json!({"jsonrpc": "2.0", "id": 99, "result": {}}));
    fixture.begin(1, "slow", json!({"ms": 600_000}));
    fixture.begin(1, "slow", json!({"ms": 600_000}));
    let counters = fixture.call(2, "counters", json!({}))["structuredContent"].take();
    let expected = json!({
        "(array)": 1, "(duplicate id)": 1, "(malformed)": 1, "(unknown response)": 1,
        "initialize": 1, "notifications/initialized": 1, "tools/call": 3,
    });
    assert_eq!(counters, expected);
}

#[test]
fn a_message_of_16_mib_passes_both_ways() {
    let mut fixture = open(&json!({}));
    let bytes = 16 << 20;
    assert_eq!(fixture.text(1, "big", json!({"bytes": bytes})).len(), bytes);
    let long = "x".repeat(bytes);
    assert_eq!(fixture.text(2, "delay", json!({"ms": 0, "text": &long})), long);
}

#[test]
fn it_ends_with_its_input_and_answers_before_that() {
    let mut fixture = open(&json!({}));
    fixture.begin(1, "delay", json!({"ms": 20, "text": "last"}));
    fixture.begin(2, "slow", json!({"ms": 600_000}));
    fixture.close_stdin();
    assert_eq!(fixture.answer(&json!(1))["result"]["content"][0]["text"], "last");
    assert!(fixture.exit().success());
}

#[test]
fn it_dies_as_told() {
    use std::os::unix::process::ExitStatusExt;
    let mut by_code = open(&json!({}));
    by_code.begin(1, "crash", json!({"code": 42}));
    assert_eq!(by_code.exit().code(), Some(42));
    let mut by_signal = open(&json!({}));
    by_signal.begin(1, "crash", json!({"signal": 9}));
    assert_eq!(by_signal.exit().signal(), Some(9));
    let mut later = open(&json!({}));
    later.text(1, "crash", json!({"code": 3, "answer_first": true}));
    assert_eq!(later.exit().code(), Some(3));
}

#[test]
#[cfg(target_os = "linux")]
fn a_grandchild_is_as_stubborn_as_asked() {
    let mut fixture = open(&json!({}));
    let arguments = json!({"setsid": true, "ignore_term": true, "hold_stdout": true});
    let result = fixture.call(1, "spawn_grandchild", arguments);
    let pid = i32::try_from(result["structuredContent"]["pid"].as_i64().unwrap()).unwrap();
    let target = Pid::from_raw(pid);
    assert_eq!(process(pid).unwrap().session, pid);
    kill(target, Signal::SIGTERM).unwrap();
    fixture.close_stdin();
    fixture.exit();
    // SIGTERM was sent long before the server's end, and did nothing.
    assert!(is_alive(pid));
    kill(target, Signal::SIGKILL).unwrap();
    wait_until(PATIENCE, || (!is_alive(pid)).then_some(())).unwrap();
    // Only now is stdout at its end.
    assert_eq!(fixture.line(), None);
}

#[test]
fn every_list_is_well_formed_and_everything_listed_is_there() {
    let mut fixture = open(&json!({}));
    let tools = fixture.request(json!("tools"), "tools/list", json!({}))["result"]["tools"].take();
    let tools = tools.as_array().unwrap();
    assert!(tools.len() > 30);
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert!(!tool["description"].as_str().unwrap().is_empty(), "{tool}");
    }
    let names: HashSet<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), tools.len());
    for name in names.iter().filter(|name| name.ends_with("_content") || name.ends_with("_types")) {
        let result = fixture.call(1, name, json!({}));
        assert!(result["content"][0]["type"].is_string(), "{name}: {result}");
    }
    let resources = fixture.request(json!("resources"), "resources/list", json!({}));
    for resource in resources["result"]["resources"].as_array().unwrap() {
        let read = json!({"uri": resource["uri"]});
        let read = fixture.request(json!("read"), "resources/read", read);
        let content = &read["result"]["contents"][0];
        assert_eq!(
            (&content["uri"], &content["mimeType"]),
            (&resource["uri"], &resource["mimeType"])
        );
    }
    let prompts = fixture.request(json!("prompts"), "prompts/list", json!({}));
    let asking = "test_input_required_result_prompt";
    let prompts = prompts["result"]["prompts"].as_array().unwrap();
    for prompt in prompts.iter().filter(|prompt| prompt["name"] != asking) {
        let arguments = json!({"arg1": "a", "arg2": "b", "resourceUri": "test://r"});
        let get = json!({"name": prompt["name"], "arguments": arguments});
        let got = fixture.request(json!("get"), "prompts/get", get);
        assert_eq!(got["result"]["messages"][0]["role"], "user", "{got}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_named() {
    let mut fixture = open(&json!({}));
    fixture.begin(1, "delay", json!({"ms": "soon"}));
    let error = fixture.answer(&json!(1))["error"].take();
    assert_eq!(error["code"], -32602);
    assert!(error["message"].as_str().unwrap().contains("soon"), "{error}");
}

#[test]
fn a_second_handshake_replaces_the_first_but_not_what_was_stored() {
    let mut fixture = open(&everything());
    fixture.text(1, "session_state", json!({"set": "kept"}));
    fixture.initialize(&json!({"roots": {}}));
    assert_eq!(fixture.text(2, "session_state", json!({})), "kept");
    let settings = fixture.call(3, "settings", json!({}))["structuredContent"].take();
    assert_eq!(settings["capabilities"], json!({"roots": {}}));
    let result = fixture.call(4, "test_sampling", json!({"prompt": "?"}));
    assert_eq!(result["isError"], true);
}
