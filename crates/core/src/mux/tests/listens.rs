//! Streams of notifications that modern clients hold open, in front of either child.

use std::sync::Arc;

use super::harness::*;
use crate::mux::Role;
use crate::protocol::code;

const ALL: &str = r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["u:1","u:2"]}"#;

const TOOLS: &str = r#"{"toolsListChanged":true}"#;

fn told(text: &str) -> (String, serde_json::Value) {
    let message = json(text);
    let mark = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    (method_of(text), mark.clone())
}

fn changed(list: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/{list}/list_changed"}}"#)
}

fn updated(uri: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#
    )
}

#[test]
fn what_the_child_can_do_is_promised_and_nothing_else_comes() {
    let mut h = Harness::main();
    let mut asker = h.modern_listen("\"l\"", ALL);
    let sent = h.sent();
    assert!(sent.iter().all(|line| method_of(line) == "resources/subscribe") && sent.len() == 2);
    h.child(&changed("tools"));
    asker.stream.is_silent();
    h.result(id_of(&sent[0]), "{}");
    asker.stream.is_silent();
    h.error(id_of(&sent[1]), -32002);
    let first = asker.stream.only();
    assert_eq!(told(&first), ("notifications/subscriptions/acknowledged".into(), "l".into()));
    let refused = json(&sent[1])["params"]["uri"].as_str().unwrap().to_owned();
    let granted = json(&sent[0])["params"]["uri"].as_str().unwrap().to_owned();
    assert_eq!(
        json(&first)["params"]["notifications"],
        serde_json::json!({
            "toolsListChanged": true, "resourcesListChanged": true,
            "resourceSubscriptions": [granted],
        })
    );
    h.child(&changed("tools"));
    h.child(&changed("tools"));
    assert_eq!(told(&asker.stream.only()), ("notifications/tools/list_changed".into(), "l".into()));
    h.child(&changed("prompts"));
    h.child(&updated(&refused));
    asker.stream.is_silent();
    h.child(&updated(&granted));
    assert_eq!(told(&asker.stream.only()), ("notifications/resources/updated".into(), "l".into()));
    asker.leave(&mut h);
    let sent = h.sent_one();
    assert_eq!(method_of(&sent), "resources/unsubscribe");
    assert_eq!(json(&sent)["params"]["uri"], granted);
    h.is_empty();
}

#[test]
fn several_listen_and_the_child_is_asked_once() {
    let mut h = Harness::main();
    let one = r#"{"resourceSubscriptions":["u:1"]}"#;
    let legacy = h.client(NOTHING);
    let (mut a, mut b) = (h.modern_listen("1", one), h.modern_listen("1", one));
    let mut subscribed = h.ask(&legacy, "7", "resources/subscribe", r#"{"uri":"u:1"}"#);
    let id = id_of(&h.sent_one());
    h.result(id, "{}");
    for asker in [&mut a, &mut b] {
        assert_eq!(told(&asker.stream.only()).0, "notifications/subscriptions/acknowledged");
    }
    assert!(subscribed.only().contains(r#""id":7,"result""#));
    let mut late = h.modern_listen("2", one);
    assert_eq!(told(&late.stream.only()).0, "notifications/subscriptions/acknowledged");
    h.child(&updated("u:1/part"));
    for asker in [&mut a, &mut b, &mut late] {
        assert_eq!(told(&asker.stream.only()).0, "notifications/resources/updated");
    }
    for asker in [&a, &b, &late] {
        asker.leave(&mut h);
        assert!(h.sent().is_empty());
    }
    h.end(&legacy);
    assert_eq!(method_of(&h.sent_one()), "resources/unsubscribe");
    h.is_empty();
}

#[test]
fn who_leaves_before_the_promise_leaves_nothing() {
    let mut h = Harness::main();
    let asker = h.modern_listen("1", ALL);
    let sent = h.sent();
    asker.leave(&mut h);
    for line in &sent {
        h.result(id_of(line), "{}");
    }
    assert!(h.sent().iter().all(|line| method_of(line) == "resources/unsubscribe"));
    h.is_empty();
    // The first subscriber was a legacy one, and goes while a listener waits for the answer.
    let legacy = h.client(NOTHING);
    h.ask(&legacy, "7", "resources/subscribe", r#"{"uri":"u:1"}"#);
    let id = id_of(&h.sent_one());
    let mut asker = h.modern_listen("1", r#"{"resourceSubscriptions":["u:1"]}"#);
    h.end(&legacy);
    assert!(h.sent().is_empty(), "the request is the listener's now");
    h.result(id, "{}");
    assert!(asker.stream.only().contains("u:1"));
    asker.leave(&mut h);
    h.is_empty();
}

#[test]
fn a_child_that_says_nothing_is_not_waited_for() {
    let mut h = Harness::main();
    let mut asker =
        h.modern_listen("1", r#"{"toolsListChanged":true,"resourceSubscriptions":["u"]}"#);
    h.pass(std::time::Duration::from_secs(11));
    let first = json(&asker.stream.only());
    let granted = serde_json::json!({"toolsListChanged": true, "resourceSubscriptions": []});
    assert_eq!(first["params"]["notifications"], granted);
    asker.leave(&mut h);
    h.is_empty();
}

#[test]
fn a_wish_that_is_none_is_refused() {
    for mut h in [Harness::main(), Harness::modern_main()] {
        h.sent();
        let mut asker = h.modern_listen("1", "7");
        assert_eq!(asker.stream.refusal(), (code::INVALID_PARAMS, 400));
        assert!(h.sent().is_empty());
        h.is_empty();
    }
}

#[test]
fn a_promise_outlives_the_legacy_child() {
    let mut h = Harness::main();
    let mut asker = h.modern_listen("1", ALL);
    for line in h.sent() {
        h.result(id_of(&line), "{}");
    }
    asker.stream.only();
    let mut waiting = h.modern_listen("2", r#"{"resourceSubscriptions":["u:3"]}"#);
    h.die();
    asker.stream.is_silent();
    h.mux.child_started(h.now);
    let id = id_of(&h.sent_one());
    h.result(id, SERVER);
    let sent = h.sent();
    let uris: Vec<_> = sent
        .iter()
        .filter(|line| method_of(line) == "resources/subscribe")
        .map(|line| json(line)["params"]["uri"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(uris.len(), 3, "{sent:?}");
    let mut again: Vec<_> = asker.stream.all().iter().map(|text| told(text).0).collect();
    again.sort();
    assert_eq!(
        again,
        ["notifications/resources/list_changed", "notifications/tools/list_changed"],
        "no second acknowledgement"
    );
    // What was promised before needs no answer of the new child.
    h.child(&updated("u:1"));
    assert_eq!(told(&asker.stream.only()).0, "notifications/resources/updated");
    waiting.stream.is_silent();
    for line in sent.iter().filter(|line| method_of(line) == "resources/subscribe") {
        h.result(id_of(line), "{}");
    }
    assert_eq!(told(&waiting.stream.only()).0, "notifications/subscriptions/acknowledged");
    asker.stream.is_silent();
    asker.leave(&mut h);
    waiting.leave(&mut h);
    h.is_empty();
}

#[test]
fn with_a_modern_child_it_passes_through() {
    let mut h = Harness::modern_main();
    h.acknowledge_upstream();
    let mut asker = h.modern_listen("\"l\"", TOOLS);
    let sent = h.sent_one();
    let id = id_of(&sent);
    assert_eq!(json(&sent)["params"]["notifications"], json(TOOLS));
    h.tell(id, "subscriptions/acknowledged", &format!(r#""notifications":{TOOLS}"#));
    assert_eq!(
        told(&asker.stream.only()),
        ("notifications/subscriptions/acknowledged".into(), "l".into())
    );
    h.tell(id, "tools/list_changed", "");
    assert_eq!(told(&asker.stream.only()), ("notifications/tools/list_changed".into(), "l".into()));
    // Marked with what nobody knows, or not at all.
    h.tell(id + 7, "tools/list_changed", "");
    h.child(&changed("tools"));
    asker.stream.is_silent();
    h.result(
        id,
        &format!(
            r#"{{"resultType":"complete","_meta":{{"a":1,"io.modelcontextprotocol/subscriptionId":{id}}}}}"#
        ),
    );
    let end = json(&asker.stream.only());
    assert_eq!(end["id"], "l");
    assert_eq!(
        end["result"]["_meta"],
        serde_json::json!({"a": 1, "io.modelcontextprotocol/subscriptionId": "l"})
    );
    h.is_empty();
}

#[test]
fn a_modern_child_is_told_who_leaves_and_may_tear_down() {
    let mut h = Harness::modern_main();
    h.acknowledge_upstream();
    let asker = h.modern_listen("1", TOOLS);
    let id = id_of(&h.sent_one());
    asker.leave(&mut h);
    let cancelled = h.sent_one();
    assert_eq!(json(&cancelled)["params"]["requestId"], id);
    h.is_empty();
    let mut asker = h.modern_listen("1", TOOLS);
    let id = id_of(&h.sent_one());
    h.child(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    ));
    let end = json(&asker.stream.only());
    assert_eq!(end["result"]["resultType"], "complete");
    assert_eq!(end["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    h.is_empty();
}

#[test]
fn a_promise_outlives_the_modern_child() {
    let mut h = Harness::modern_main();
    h.acknowledge_upstream();
    let mut asker = h.modern_listen("1", TOOLS);
    let id = id_of(&h.sent_one());
    h.tell(id, "subscriptions/acknowledged", &format!(r#""notifications":{TOOLS}"#));
    asker.stream.only();
    h.die();
    asker.stream.is_silent();
    h.start_modern();
    let sent = h.sent();
    let again = sent.iter().find(|line| !line.contains("standpipe")).expect("asked again");
    let id = id_of(again);
    h.tell(id, "subscriptions/acknowledged", &format!(r#""notifications":{TOOLS}"#));
    assert_eq!(told(&asker.stream.only()).0, "notifications/tools/list_changed");
    h.tell(id, "tools/list_changed", "");
    assert_eq!(told(&asker.stream.only()).1, 1);
    asker.leave(&mut h);
    h.is_empty();
}

#[test]
fn when_the_service_ends_the_stream_ends_in_good_order() {
    for mut h in [Harness::main(), Harness::modern_main()] {
        let mut asker = h.modern_listen("1", TOOLS);
        asker.stream.all();
        h.mux.end_sessions();
        let end = json(&asker.stream.only());
        assert_eq!(end["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
        h.is_empty();
        let mut asker = h.modern_listen("2", TOOLS);
        asker.stream.all();
        drop(h);
        assert!(asker.stream.only().contains("result"));
    }
}

#[test]
fn who_listens_goes_with_the_others_when_a_process_is_given_away() {
    let mut h = Harness::main();
    let mut asker =
        h.modern_listen("1", r#"{"toolsListChanged":true,"resourceSubscriptions":["u:1"]}"#);
    let id = id_of(&h.sent_one());
    h.result(id, "{}");
    asker.stream.only();
    let owner = h.client(EVERYTHING);
    h.call(&owner, "1", "t");
    h.sent();
    let others = h.mux.dedicate(&owner.session, h.now);
    assert_eq!(others.len(), 1);
    assert_eq!(method_of(&h.sent_one()), "resources/unsubscribe");
    let mut main = Harness::idle(&Arc::clone(&h.world), Role::Main);
    main.start();
    main.mux.adopt(others, main.now);
    let sent = main.sent_one();
    assert_eq!(method_of(&sent), "resources/subscribe");
    main.result(id_of(&sent), "{}");
    assert_eq!(told(&asker.stream.only()).0, "notifications/tools/list_changed");
    main.child(&updated("u:1"));
    assert_eq!(told(&asker.stream.only()).0, "notifications/resources/updated");
    asker.leave(&mut main);
    main.is_empty();
    h.pump();
    h.end(&owner);
    h.is_empty();
}
