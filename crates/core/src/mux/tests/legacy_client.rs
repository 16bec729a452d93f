//! Legacy clients, and modern ones, in front of a modern child.

use std::time::Duration;

use super::eras::*;
use super::harness::*;
use crate::protocol::code;

/// A modern child that has acknowledged what it is listened to, and a client that has opened a
/// session.
fn opened() -> (Harness, Client, u64) {
    let mut h = Harness::modern_main();
    h.acknowledge_upstream();
    let client = h.client(EVERYTHING);
    let upstream = h.acknowledge_upstream();
    h.sent();
    (h, client, upstream)
}

fn input_required(requests: &str) -> String {
    format!(r#"{{"resultType":"input_required","inputRequests":{requests},"requestState":"s"}}"#)
}

const TWO: &str = r#"{"name":{"method":"elicitation/create","params":{"message":"?"}},"where":{"method":"roots/list"}}"#;

#[test]
fn initialize_is_answered_of_what_was_discovered() {
    let mut h = Harness::modern_main();
    let client = h.world.session(NOTHING);
    let answer = json(&h.open(&client).only());
    let result = &answer["result"];
    assert_eq!(result["protocolVersion"], "2025-06-18");
    assert_eq!(
        result["capabilities"],
        serde_json::json!({
            "tools": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "logging": {},
        })
    );
    assert_eq!(
        (&result["serverInfo"]["name"], &result["instructions"]),
        (&"m".into(), &"be kind".into())
    );
}

#[test]
fn what_there_is_no_more_is_answered_here() {
    let (mut h, client, _) = opened();
    for (method, params) in [
        ("ping", "{}"),
        ("logging/setLevel", r#"{"level":"error"}"#),
        ("resources/unsubscribe", r#"{"uri":"nothing"}"#),
    ] {
        let answer = h.ask(&client, "7", method, params).only();
        assert_eq!(answer, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, "{method}");
    }
    let bad = h.ask(&client, "7", "logging/setLevel", r#"{"level":"loud"}"#).only();
    assert_eq!(code_of(&bad), i64::from(code::INVALID_PARAMS));
    for method in ["tasks/list", "server/discover", "subscriptions/listen"] {
        let answer = h.ask(&client, "7", method, "{}").only();
        assert_eq!(code_of(&answer), i64::from(code::METHOD_NOT_FOUND), "{method}");
    }
    h.send(&client, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    h.send(&client, r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#);
    assert!(h.sent().is_empty());
    let call = h.call(&client, "1", "t");
    assert!(h.sent_one().contains(r#"logLevel":"error""#));
    drop(call);
}

#[test]
fn a_call_says_who_makes_it_and_its_answer_comes_as_it_is() {
    let (mut h, client, _) = opened();
    let params = r#"{"name":"t","_meta":{"progressToken":"p"}}"#;
    let mut reply = h.ask(&client, "\"x\"", "tools/call", params);
    let sent = json(&h.sent_one());
    let id = sent["id"].as_u64().unwrap();
    let meta = &sent["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(meta["io.modelcontextprotocol/logLevel"], "info");
    assert!(meta["io.modelcontextprotocol/clientCapabilities"]["elicitation"]["url"].is_object());
    assert_eq!(meta["progressToken"], id);
    h.child(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":1}}}}"#
    ));
    assert_eq!(json(&reply.only())["params"]["progressToken"], "p");
    h.result(id, r#"{"resultType":"complete","content":[ ]}"#);
    assert_eq!(
        reply.only(),
        r#"{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete","content":[ ]}}"#
    );
    h.end(&client);
    h.is_empty();
}

#[test]
fn a_result_that_asks_becomes_questions_and_the_call_is_made_again() {
    let (mut h, client, _) = opened();
    let mut reply =
        h.ask(&client, "1", "tools/call", r#"{"name":"t","_meta":{"progressToken":"p"}}"#);
    let id = id_of(&h.sent_one());
    h.result(id, &input_required(TWO));
    let questions = reply.all();
    let methods: Vec<_> = questions.iter().map(|text| method_of(text)).collect();
    assert_eq!(methods, ["elicitation/create", "roots/list"]);
    assert_eq!(json(&questions[0])["params"]["message"], "?");
    let number = id_of(&questions[1]);
    h.answer(&client, &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{"roots":[]}}}}"#));
    assert!(h.sent().is_empty(), "one is still open");
    let number = id_of(&questions[0]);
    h.answer(
        &client,
        &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{"action":"accept"}}}}"#),
    );
    let again = json(&h.sent_one());
    let params = &again["params"];
    assert_ne!(again["id"], id);
    assert_eq!((&params["name"], &params["requestState"]), (&"t".into(), &"s".into()));
    assert_eq!(
        params["inputResponses"],
        serde_json::json!({"name": {"action": "accept"}, "where": {"roots": []}})
    );
    assert_eq!(params["_meta"]["progressToken"], again["id"]);
    h.result(again["id"].as_u64().unwrap(), "{}");
    assert_eq!(reply.only(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    h.end(&client);
    h.is_empty();
}

#[test]
fn a_result_with_a_state_alone_is_called_again_at_once_but_not_for_ever() {
    let (mut h, client, _) = opened();
    let mut reply = h.call(&client, "1", "t");
    for _ in 0..8 {
        let id = id_of(&h.sent_one());
        reply.is_silent();
        h.result(id, r#"{"resultType":"input_required","requestState":"s"}"#);
    }
    let id = id_of(&h.sent_one());
    h.result(id, r#"{"resultType":"input_required","requestState":"s"}"#);
    assert!(h.sent().is_empty());
    assert!(reply.only().contains("more than 8 times"));
    h.end(&client);
    h.is_empty();
}

#[test]
fn who_cannot_be_asked_is_told_what_was_asked() {
    let (mut h, _, _) = opened();
    let client = h.client(NOTHING);
    h.sent();
    let mut reply = h.call(&client, "1", "t");
    let id = id_of(&h.sent_one());
    h.result(id, &input_required(TWO));
    let answer = reply.only();
    assert!(answer.contains("error") && answer.contains("elicitation/create"), "{answer}");
    assert!(h.sent().is_empty());
    h.end(&client);
}

#[test]
fn a_question_that_stays_unanswered_ends_the_call() {
    let ways: [Way; 4] = [
        ("refused", |h, client| {
            let text = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no way"}}"#;
            h.answer(client, text);
        }),
        ("too late", |h, _| h.pass(QUESTION_TIMEOUT + LATE)),
        ("cancelled", |h, client| h.cancel(client, "1")),
        ("the child died", |h, _| h.die()),
    ];
    for (name, way) in ways {
        let (mut h, client, _) = opened();
        let mut reply = h.call(&client, "1", "t");
        let id = id_of(&h.sent_one());
        h.result(id, &input_required(TWO));
        assert_eq!(reply.all().len(), 2);
        way(&mut h, &client);
        assert!(h.sent().is_empty(), "{name}: the child has no such call open");
        let got = reply.all();
        let withdrawn = got.iter().filter(|text| method_of(text) == "notifications/cancelled");
        assert!(withdrawn.count() >= 1, "{name}: {got:?}");
        let answers = got.iter().filter(|text| text.contains("\"error\"")).count();
        assert_eq!(answers, usize::from(name != "cancelled"), "{name}: {got:?}");
        h.end(&client);
        h.is_empty();
    }
}

#[test]
fn time_stands_still_while_the_client_is_asked() {
    let (mut h, client, _) = opened();
    let mut reply = h.call(&client, "1", "t");
    let id = id_of(&h.sent_one());
    h.pass(ALMOST_REQUEST_TIMEOUT);
    h.result(id, &input_required(r#"{"a":{"method":"roots/list"}}"#));
    let number = id_of(&reply.only());
    h.pass(ALMOST_QUESTION_TIMEOUT);
    h.answer(&client, &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{"roots":[]}}}}"#));
    h.sent_one();
    h.pass(Duration::from_mins(1));
    reply.is_silent();
    h.pass(REQUEST_TIMEOUT);
    assert!(reply.only().contains("error"));
    h.end(&client);
    h.is_empty();
}

#[test]
fn one_request_asks_the_child_for_what_all_want_to_hear() {
    let mut h = Harness::modern_main();
    let wanted = |line: &str| json(line)["params"]["notifications"].clone();
    let first = h.sent_one();
    assert_eq!(wanted(&first), serde_json::json!({"toolsListChanged": true}));
    let first = id_of(&first);
    h.tell(first, "subscriptions/acknowledged", "");
    let mut client = h.client(NOTHING);
    let second = h.sent_one();
    let lists = serde_json::json!({"toolsListChanged": true, "resourcesListChanged": true});
    assert_eq!(wanted(&second), lists);
    let second = id_of(&second);
    // Until the second is acknowledged the first one counts.
    h.tell(first, "tools/list_changed", "");
    assert_eq!(
        client.get.only(),
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#
    );
    let mut done = h.ask(&client, "7", "resources/subscribe", r#"{"uri":"u:1"}"#);
    assert_eq!(done.only(), r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
    assert!(h.sent().is_empty(), "one at a time");
    h.tell(second, "subscriptions/acknowledged", "");
    let sent = h.sent();
    assert_eq!(json(&sent[0])["params"]["requestId"], first);
    assert_eq!(wanted(&sent[1])["resourceSubscriptions"], serde_json::json!(["u:1"]));
    let third = id_of(&sent[1]);
    h.tell(third, "subscriptions/acknowledged", "");
    h.tell(third, "resources/updated", r#""uri":"u:1""#);
    assert_eq!(
        client.get.only(),
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u:1"}}"#
    );
    h.tell(second, "tools/list_changed", "");
    client.get.is_silent();
    h.sent();
    h.end(&client);
    let last = h.sent_one();
    assert_eq!(wanted(&last), serde_json::json!({"toolsListChanged": true}));
    h.is_empty();
}

#[test]
fn a_child_that_ends_our_stream_is_asked_again_after_a_while() {
    let (mut h, client, upstream) = opened();
    h.child(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{upstream}}}}}"#
    ));
    assert!(h.sent().is_empty());
    h.pass(Duration::from_secs(6));
    let again = h.sent_one();
    assert_eq!(method_of(&again), "subscriptions/listen");
    // One that refuses is left alone.
    h.error(id_of(&again), -32601);
    h.pass(Duration::from_mins(1));
    h.ask(&client, "1", "resources/subscribe", r#"{"uri":"u"}"#);
    assert!(h.sent().is_empty());
}

#[test]
fn the_next_child_is_asked_for_the_same() {
    let (mut h, mut client, _) = opened();
    h.ask(&client, "7", "resources/subscribe", r#"{"uri":"u:1"}"#);
    h.acknowledge_upstream();
    h.sent();
    h.die();
    h.start_modern();
    let sent = h.sent_one();
    assert!(sent.contains(r#""resourceSubscriptions":["u:1"]"#), "{sent}");
    let told: Vec<_> = client.get.all().iter().map(|text| method_of(text)).collect();
    assert_eq!(told, ["notifications/tools/list_changed", "notifications/resources/list_changed"]);
    h.end(&client);
    h.is_empty();
}

#[test]
fn log_messages_of_a_modern_child_go_to_the_only_one_that_asked() {
    let log = |level: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1}}}}"#
        )
    };
    let mut h = Harness::modern_main();
    h.acknowledge_upstream();
    let (mut a, mut b) = (h.modern_call(LOGGED, "1", "t"), h.modern_call(SILENT, "1", "t"));
    h.child(&log("error"));
    assert_eq!(method_of(&a.stream.only()), "notifications/message");
    h.child(&log("debug"));
    let mut other = h.modern_call(LOGGED, "1", "t");
    h.child(&log("error"));
    for asker in [&mut a, &mut b, &mut other] {
        asker.stream.is_silent();
        asker.leave(&mut h);
    }
    h.is_empty();
}

#[test]
fn equals_hear_each_other_as_they_are() {
    let mut h = Harness::modern_main();
    h.acknowledge_upstream();
    let members = r#","name":"t","requestState":"child's own","inputResponses":{"k":{"action":"accept"}},"x":[1.0]"#;
    let mut asker = h.modern_with(ASKABLE, "1", "tools/call", members, r#","progressToken":"p""#);
    let sent = h.sent_one();
    assert!(sent.contains(members), "{sent}");
    assert!(sent.contains("io.modelcontextprotocol/clientCapabilities"));
    let id = id_of(&sent);
    assert!(sent.contains(&format!(r#""progressToken":{id}"#)));
    let result = input_required(TWO);
    h.result(id, &result);
    assert_eq!(asker.stream.only(), format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
    let mut unknown = h.modern(SILENT, "2", "x/unknown", r#","y":1"#);
    let id = id_of(&h.sent_one());
    h.error(id, -32601);
    assert_eq!(code_of(&unknown.stream.only()), -32601);
    // A question in the old way is none any more.
    let asker = h.modern_call(ASKABLE, "3", "t");
    h.sent();
    h.asks(9, "elicitation/create", "{}");
    assert_eq!(code_of(&h.sent_one()), -32601);
    asker.leave(&mut h);
    h.is_empty();
}

#[test]
fn a_modern_child_says_what_can_be_spoken_through_here() {
    let mut h = Harness::modern_main();
    h.acknowledge_upstream();
    let mut asker = h.modern(SILENT, "1", "server/discover", "");
    let id = id_of(&h.sent_one());
    let newer = DISCOVERED.replace(r#"["2026-07-28"]"#, r#"["2027-01-01","2026-07-28"]"#);
    h.result(id, &newer);
    let result = &json(&asker.stream.only())["result"];
    assert_eq!(result["supportedVersions"], serde_json::json!(["2026-07-28"]));
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&5.into(), &"public".into()));
    assert!(result["capabilities"]["extensions"]["x/y"].is_object());
}
