//! `standpipe-fixture` in the era of 2026-07-28: opening, metadata, subscriptions, log messages.

use serde_json::{Value, json};
use standpipe_testkit::fixture_path;

use crate::driver::Driver;

const TAG: &str = "io.modelcontextprotocol/subscriptionId";

fn start(arguments: &[&str]) -> Driver {
    Driver::start(&fixture_path(), arguments)
}

fn call(fixture: &mut Driver, id: u64, tool: &str, arguments: &Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments});
    fixture.modern(json!(id), "tools/call", params, &json!({}))["result"].take()
}

#[test]
fn initialize_is_refused_and_the_refusal_names_the_version() {
    let mut modern = start(&["--era", "modern"]);
    let error = modern.initialize(&json!({}))["error"].take();
    assert_eq!(error["code"], -32022);
    let data = json!({"supported": ["2026-07-28"], "requested": "2025-11-25"});
    assert_eq!(error["data"], data);
    let mut curt = start(&["--era", "modern", "--unknown-initialize"]);
    let error = curt.initialize(&json!({}))["error"].take();
    assert_eq!(error["code"], -32601);
    assert!(error["message"].as_str().unwrap().contains("2026-07-28"), "{error}");
}

#[test]
fn the_first_message_decides_for_either() {
    let none = json!({});
    let mut modern = start(&["--era", "either"]);
    let discovered = modern.modern(json!(1), "server/discover", json!({}), &none);
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(modern.initialize(&none)["error"]["code"], -32022);
    let mut legacy = Driver::open(&fixture_path(), &["--era", "either"], &none);
    let refused = legacy.modern(json!(1), "tools/list", json!({}), &none);
    assert_eq!(refused["error"]["code"], -32600);
    let mut both = start(&["--era", "either", "--initialize-after-discover"]);
    both.modern(json!(1), "server/discover", json!({}), &none);
    assert_eq!(both.initialize(&none)["result"]["protocolVersion"], "2025-11-25");
}

#[test]
fn discover_is_silent_or_late_as_told() {
    let mut silent = start(&["--era", "modern", "--silent-discover"]);
    silent.begin_modern(&json!(1), "server/discover", json!({}), &json!({}));
    silent.modern(json!(2), "tools/list", json!({}), &json!({}));
    assert!(silent.passed.is_empty(), "{:?}", silent.passed);
    let mut late = start(&["--era", "modern", "--late-discover", "1"]);
    let discovered = late.modern(json!(1), "server/discover", json!({}), &json!({}));
    assert_eq!(discovered["result"]["resultType"], "complete");
}

#[test]
fn a_request_needs_its_metadata() {
    let mut fixture = start(&["--era", "modern"]);
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    for (meta, code) in [
        (json!({}), -32602),
        (json!({version: "2026-07-28"}), -32602),
        (json!({capabilities: {}}), -32602),
        (json!({version: "2099-01-01", capabilities: {}}), -32022),
        (
            json!({version: "2026-07-28", capabilities: {}, "io.modelcontextprotocol/logLevel": "loud"}),
            -32602,
        ),
    ] {
        let answer = fixture.request(json!(1), "tools/list", json!({"_meta": meta}));
        assert_eq!(answer["error"]["code"], code, "{meta}");
    }
    let bare = fixture.request(json!(2), "server/discover", json!({}));
    assert_eq!(bare["error"]["code"], -32602);
}

#[test]
fn every_result_says_what_it_is_and_lists_say_how_long_they_hold() {
    let mut fixture = start(&["--era", "modern"]);
    for (method, params, cached) in [
        ("server/discover", json!({}), true),
        ("tools/list", json!({}), true),
        ("prompts/list", json!({}), true),
        ("resources/list", json!({}), true),
        ("resources/templates/list", json!({}), true),
        ("resources/read", json!({"uri": "test://static-text"}), true),
        ("prompts/get", json!({"name": "test_simple_prompt"}), false),
        ("tools/call", json!({"name": "test_simple_text"}), false),
    ] {
        let result = fixture.modern(json!(1), method, params, &json!({}))["result"].take();
        assert_eq!(result["resultType"], "complete", "{method}");
        let server = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(server["name"], "standpipe-fixture", "{method}");
        assert_eq!(result.get("ttlMs").is_some(), cached, "{method}");
        assert_eq!(result.get("cacheScope").is_some(), cached, "{method}");
    }
}

#[test]
fn methods_that_the_revision_removed_are_not_there() {
    let mut fixture = start(&["--era", "modern"]);
    for method in
        ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"]
    {
        let answer = fixture.modern(json!(1), method, json!({}), &json!({}));
        assert_eq!(answer["error"]["code"], -32601, "{method}");
    }
    let read = json!({"uri": "test://nowhere"});
    let missing = fixture.modern(json!(2), "resources/read", read, &json!({}));
    assert_eq!(missing["error"]["code"], -32602);
}

#[test]
fn a_subscription_is_acknowledged_tagged_and_filtered() {
    let mut fixture = start(&["--era", "modern"]);
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["test://static-text"]});
    let params = json!({"notifications": wanted});
    fixture.begin_modern(&json!("listen"), "subscriptions/listen", params, &json!({}));
    let acknowledged = fixture.incoming("notifications/subscriptions/acknowledged");
    let expected = json!({"_meta": {TAG: "listen"}, "notifications": wanted});
    assert_eq!(acknowledged["params"], expected);
    call(&mut fixture, 1, "emit_list_changed", &json!({"which": "prompts"}));
    assert!(fixture.passed.is_empty(), "{:?}", fixture.passed);
    call(&mut fixture, 2, "emit_list_changed", &json!({"which": "tools"}));
    let changed = fixture.incoming("notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"][TAG], "listen");
    call(&mut fixture, 3, "touch_resource", &json!({"uri": "test://static-text"}));
    let updated = fixture.incoming("notifications/resources/updated");
    assert_eq!(updated["params"], json!({"_meta": {TAG: "listen"}, "uri": "test://static-text"}));
    let cancelled = json!({"requestId": "listen"});
    fixture
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}));
    call(&mut fixture, 4, "emit_list_changed", &json!({"which": "tools"}));
    assert!(fixture.passed.is_empty(), "{:?}", fixture.passed);
}

#[test]
fn the_server_ends_a_subscription_with_a_result_or_by_cancelling_it() {
    let mut fixture = start(&["--era", "modern"]);
    let params = json!({"notifications": {}});
    fixture.begin_modern(&json!(7), "subscriptions/listen", params.clone(), &json!({}));
    fixture.incoming("notifications/subscriptions/acknowledged");
    call(&mut fixture, 1, "end_listening", &json!({"how": "result"}));
    let end = fixture.answer(&json!(7));
    assert_eq!(end["result"], json!({"resultType": "complete", "_meta": {TAG: 7}}));
    fixture.begin_modern(&json!(8), "subscriptions/listen", params.clone(), &json!({}));
    fixture.incoming("notifications/subscriptions/acknowledged");
    call(&mut fixture, 2, "end_listening", &json!({"how": "cancelled"}));
    assert_eq!(fixture.incoming("notifications/cancelled")["params"]["requestId"], 8);
    fixture.begin_modern(&json!(9), "subscriptions/listen", params, &json!({}));
    fixture.incoming("notifications/subscriptions/acknowledged");
    fixture.close_stdin();
    assert_eq!(fixture.answer(&json!(9))["result"]["resultType"], "complete");
}

#[test]
fn log_messages_go_by_the_level_of_each_request_but_for_those_that_come_unasked() {
    let mut fixture = start(&["--era", "modern"]);
    let log = |level: &str, unasked: bool| json!({"name": "log", "arguments": {"level": level, "message": level, "unasked": unasked}});
    fixture.modern(json!(1), "tools/call", log("error", false), &json!({}));
    assert!(fixture.passed.is_empty(), "{:?}", fixture.passed);
    let mut asked = log("error", false);
    asked["_meta"]["io.modelcontextprotocol/logLevel"] = json!("warning");
    fixture.modern(json!(2), "tools/call", asked, &json!({}));
    assert_eq!(fixture.incoming("notifications/message")["params"]["data"], "error");
    let mut low = log("info", false);
    low["_meta"]["io.modelcontextprotocol/logLevel"] = json!("warning");
    fixture.modern(json!(3), "tools/call", low, &json!({}));
    assert!(fixture.passed.is_empty(), "{:?}", fixture.passed);
    fixture.modern(json!(4), "tools/call", log("debug", true), &json!({}));
    assert_eq!(fixture.incoming("notifications/message")["params"]["data"], "debug");
    call(&mut fixture, 5, "test_logging_tool", &json!({}));
    assert_eq!(fixture.incoming("notifications/message")["params"]["level"], "info");
}

#[test]
fn settings_are_those_of_the_request() {
    let mut fixture = start(&["--era", "modern"]);
    let mut params = json!({"name": "settings"});
    params["_meta"]["io.modelcontextprotocol/logLevel"] = json!("error");
    params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "n", "version": "1"});
    let result = fixture.modern(json!(1), "tools/call", params, &json!({"roots": {}}));
    let settings = &result["result"]["structuredContent"];
    assert_eq!(settings["protocolVersion"], "2026-07-28");
    assert_eq!(settings["capabilities"], json!({"roots": {}}));
    assert_eq!(settings["clientInfo"]["name"], "n");
    assert_eq!(settings["logLevel"], "error");
}
