//! Modern clients in front of a legacy child.

use super::eras::*;
use super::harness::*;
use crate::mux::{Note, Role};
use crate::protocol::{LogLevel, code};

#[test]
fn discover_is_answered_from_the_handshake() {
    let mut h = Harness::main();
    let mut asker = h.modern(SILENT, "\"d\"", "server/discover", "");
    assert!(h.sent().is_empty());
    let answer = json(&asker.stream.only());
    let result = &answer["result"];
    assert_eq!(answer["id"], "d");
    assert_eq!(result["supportedVersions"], serde_json::json!(["2026-07-28"]));
    assert_eq!(result["capabilities"], json(SERVER)["capabilities"]);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "s");
    assert_eq!(
        (&result["resultType"], &result["cacheScope"]),
        (&"complete".into(), &"private".into())
    );
    assert!(result["ttlMs"].is_u64());
    h.is_empty();
}

#[test]
fn a_call_goes_to_the_child_in_its_own_words_and_leaves_nothing() {
    let mut h = Harness::main();
    let mut asker = h.modern_with(
        SILENT,
        "1.0",
        "tools/call",
        r#","name":"t","arguments":{"a":[1.0]},"inputResponses":{"k":{}}"#,
        r#","progressToken":"p","traceparent":"x""#,
    );
    let sent = h.sent_one();
    let id = id_of(&sent);
    assert_eq!(
        sent,
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"_meta":{{"traceparent":"x","progressToken":{id}}},"name":"t","arguments":{{"a":[1.0]}}}}}}"#
        )
    );
    assert_eq!(h.mux.sessions(), 1);
    h.child(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":1}}}}"#
    ));
    assert_eq!(json(&asker.stream.only())["params"]["progressToken"], "p");
    h.result(id, r#"{"content":[]}"#);
    let answer = asker.stream.only();
    assert!(answer.starts_with(r#"{"jsonrpc":"2.0","id":1.0,"result":{"resultType":"complete""#));
    h.is_empty();
    assert!(asker.session.others_than(&Harness::main().inbox).is_empty());
}

#[test]
fn what_there_is_no_more_is_not_reached() {
    let mut h = Harness::main();
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/list"] {
        let mut asker = h.modern(SILENT, "1", method, r#","uri":"u","level":"info""#);
        assert_eq!(code_of(&asker.stream.only()), i64::from(code::METHOD_NOT_FOUND), "{method}");
    }
    let mut asker = h.modern(SILENT, "1", "tools/call", r#","name":"t","requestState":"s""#);
    assert_eq!(asker.stream.refusal(), (code::INVALID_PARAMS, 400));
    assert!(h.sent().is_empty());
    h.is_empty();
}

#[test]
fn errors_have_the_numbers_of_their_time() {
    let mut h = Harness::main();
    for (sent, got) in [(-32002, -32602), (-32601, -32601), (-32042, -32042)] {
        let mut asker = h.modern(SILENT, "1", "resources/read", r#","uri":"u""#);
        let id = id_of(&h.sent_one());
        h.error(id, sent);
        assert_eq!(code_of(&asker.stream.only()), got);
    }
    h.is_empty();
}

#[test]
fn who_leaves_cancels() {
    let mut h = Harness::main();
    let asker = h.modern_call(ASKABLE, "1", "t");
    let id = id_of(&h.sent_one());
    h.asks(9, "elicitation/create", "{}");
    asker.leave(&mut h);
    let sent = h.sent();
    assert!(sent.iter().any(|line| method_of(line) == "notifications/cancelled"));
    assert!(sent.iter().any(|line| json(line)["id"] == 9 && line.contains("error")));
    h.result(id, "{}");
    assert!(h.notes().iter().any(|note| note.contains("UnknownId")));
    h.is_empty();
}

#[test]
fn a_question_goes_to_the_one_call_that_can_have_caused_it() {
    let mut h = Harness::main();
    let mut asker = h.modern_call(ASKABLE, "1", "t");
    let id = id_of(&h.sent_one());
    h.asks(9, "elicitation/create", r#"{"message":"?"}"#);
    let question = asker.stream.only();
    assert_eq!(method_of(&question), "elicitation/create");
    assert!(asker.answer(&mut h, id_of(&question), r#"{"action":"accept"}"#));
    assert!(!asker.answer(&mut h, id_of(&question), "{}"), "answered once");
    assert_eq!(h.sent_one(), r#"{"jsonrpc":"2.0","id":9,"result":{"action":"accept"}}"#);
    h.result(id, "{}");
    asker.stream.only();
    h.is_empty();
}

#[test]
fn a_call_that_ends_before_its_question_leaves_none() {
    let mut h = Harness::main();
    let mut asker = h.modern_call(ASKABLE, "1", "t");
    let id = id_of(&h.sent_one());
    h.asks(9, "roots/list", "{}");
    asker.stream.only();
    h.result(id, "{}");
    let got = asker.stream.all();
    assert_eq!(method_of(&got[0]), "notifications/cancelled");
    assert!(got[1].contains("result") && got.len() == 2, "{got:?}");
    assert_eq!(json(&h.sent_one())["id"], 9);
    h.is_empty();
}

#[test]
fn what_was_not_declared_is_refused_and_named() {
    let mut h = Harness::main();
    for (end, is_error) in [
        (r#""error":{"code":-32603,"message":"no"}"#, true),
        (r#""result":{"isError":true,"content":[]}"#, true),
        (r#""result":{"content":[]}"#, false),
    ] {
        let mut asker = h.modern_call(SILENT, "1", "t");
        let id = id_of(&h.sent_one());
        h.asks(9, "elicitation/create", r#"{"mode":"url","url":"u"}"#);
        asker.stream.is_silent();
        assert!(h.sent_one().contains("-32601"));
        h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},{end}}}"#));
        let answer = json(&asker.stream.only());
        if is_error {
            assert_eq!(answer["error"]["code"], -32021, "{end}");
            let needed = &answer["error"]["data"]["requiredCapabilities"];
            assert_eq!(needed, &serde_json::json!({"elicitation": {"url": {}}}));
        } else {
            assert_eq!(answer["result"]["resultType"], "complete");
        }
    }
    h.is_empty();
}

#[test]
fn two_requests_of_one_principal_are_two_askers() {
    let mut h = Harness::main();
    let (mut a, mut b) = (h.modern_call(ASKABLE, "1", "t"), h.modern_call(ASKABLE, "1", "t"));
    let ids: Vec<u64> = h.sent().iter().map(|line| id_of(line)).collect();
    h.asks(9, "elicitation/create", "{}");
    a.stream.is_silent();
    b.stream.is_silent();
    assert!(h.sent_one().contains("several calls are open"));
    h.error(ids[0], -32603);
    h.result(ids[1], r#"{"isError":true,"content":[]}"#);
    let said = json(&a.stream.only())["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("`elicitation/create` was refused"), "{said}");
    assert!(b.stream.only().contains("`elicitation/create` was refused"));
    h.is_empty();
}

#[test]
fn one_who_could_not_be_asked_is_told_so_even_next_to_a_parked_call() {
    let mut h = Harness::main();
    let mut parked = h.modern_call(ASKABLE, "1", "t");
    h.sent();
    h.asks(8, "elicitation/create", "{}");
    parked.stream.only();
    let mut asker = h.modern_call(SILENT, "2", "u");
    let id = id_of(&h.sent_one());
    h.asks(9, "sampling/createMessage", "{}");
    parked.stream.is_silent();
    h.sent();
    h.result(id, r#"{"isError":true,"content":[]}"#);
    assert_eq!(code_of(&asker.stream.only()), -32021);
}

#[test]
fn a_call_that_asks_runs_aside_where_others_are_about() {
    let needs_side =
        |h: &mut Harness| h.mux.take_notes().iter().any(|n| matches!(n, Note::NeedsSide(_)));
    let mut h = Harness::main();
    let asker = h.modern_call(ASKABLE, "1", "t");
    h.sent();
    h.asks(9, "elicitation/create", "{}");
    assert!(!needs_side(&mut h));
    // Its client is being asked: no other that can be asked comes in between.
    h.modern_call(ASKABLE, "2", "u");
    assert!(needs_side(&mut h));
    h.modern_call(SILENT, "3", "u");
    assert!(!needs_side(&mut h), "whoever cannot be asked is not held up");
    asker.leave(&mut h);
    let id = id_of(h.sent().iter().find(|line| method_of(line) == "tools/call").unwrap());
    h.result(id, "{}");
    assert_eq!(h.mux.open_calls(), 0);
    // Two were here at the same time a moment ago: a call that is known to ask stays apart.
    h.modern_call(ASKABLE, "4", "t");
    assert!(needs_side(&mut h));
    h.modern_call(SILENT, "5", "t");
    assert!(needs_side(&mut h), "it is to be told what it would have had to declare");
    h.modern(ASKABLE, "6", "tools/list", "");
    assert!(!needs_side(&mut h), "lists are never held up");
}

#[test]
fn log_messages_go_to_a_request_that_asked_for_them() {
    let log = |level: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1}}}}"#
        )
    };
    let mut h = Harness::main();
    let mut asker = h.modern_call(LOGGED, "1", "t");
    let sent = h.sent();
    assert_eq!(method_of(&sent[0]), "logging/setLevel");
    assert_eq!(json(&sent[0])["params"]["level"], "info");
    let id = id_of(&sent[1]);
    h.child(&log("debug"));
    asker.stream.is_silent();
    h.child(&log("error"));
    assert_eq!(method_of(&asker.stream.only()), "notifications/message");
    h.result(id, "{}");
    asker.stream.only();
    let mut silent = h.modern_call(SILENT, "1", "t");
    let id = id_of(&h.sent_one());
    h.child(&log("error"));
    h.result(id, "{}");
    assert!(silent.stream.only().contains("result"));
    // With two calls open it is nobody's, whoever asked.
    let (mut a, mut b) = (h.modern_call(LOGGED, "1", "t"), h.modern_call(SILENT, "1", "t"));
    h.child(&log("error"));
    a.stream.is_silent();
    b.stream.is_silent();
}

#[test]
fn the_child_logs_no_more_than_somebody_wants() {
    let mut h = Harness::main();
    let debug = Wants { level: Some(LogLevel::Debug), ..SILENT };
    let level = |line: &str| json(line)["params"]["level"].as_str().map(str::to_owned);
    let a = h.modern_call(debug, "1", "t");
    assert_eq!(level(&h.sent()[0]).as_deref(), Some("debug"));
    let b = h.modern_call(LOGGED, "1", "t");
    assert_eq!(h.sent().len(), 1, "no level");
    a.leave(&mut h);
    h.sent();
    h.pass(LATE);
    assert_eq!(level(&h.sent_one()).as_deref(), Some("info"));
    b.leave(&mut h);
    h.pass(LATE);
}

#[test]
fn who_gave_roots_is_the_last_to_be_served() {
    let mut h = Harness::main();
    let legacy = h.client(EVERYTHING);
    let mut asker = h.modern_call(ASKABLE, "1", "t");
    let id = id_of(&h.sent_one());
    h.asks(9, "roots/list", "{}");
    let number = id_of(&asker.stream.only());
    assert!(asker.answer(&mut h, number, r#"{"roots":[]}"#));
    assert!(matches!(h.mux.role, Role::SideOf(_)));
    let notes = h.mux.take_notes();
    let given = notes.iter().find_map(|note| match note {
        Note::RootsGiven { others, .. } => Some(others.iter().map(|s| s.id()).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(given, Some(vec![legacy.session.id()]));
    h.result(id, "{}");
    asker.stream.only();
    assert!(h.notes().iter().any(|note| note == "SideFree"));
    h.call(&legacy, "1", "t");
    assert!(h.notes().iter().any(|note| note.starts_with("Misrouted")));
    // Another request of the same principal may be another client's, with other roots.
    assert!(h.mux.is_tainted(h.now));
    let other = h.modern_call(ASKABLE, "2", "t");
    assert!(h.notes().iter().any(|note| note.starts_with("Misrouted")));
    assert!(!h.sent().iter().any(|line| line.contains("tools/call")));
    other.leave(&mut h);
    h.is_empty();
}

#[test]
fn a_death_answers_and_forgets() {
    let mut h = Harness::main();
    let mut asker = h.modern_call(ASKABLE, "1", "t");
    h.asks(9, "elicitation/create", "{}");
    h.die();
    let got = asker.stream.all();
    assert_eq!(got.len(), 3, "{got:?}");
    assert_eq!(method_of(&got[1]), "notifications/cancelled");
    assert_eq!(code_of(&got[2]), i64::from(code::CONNECTION_CLOSED));
    h.is_empty();
}

#[test]
fn a_question_outlasts_the_call_that_is_parked_with_it() {
    let mut h = Harness::main();
    let mut asker = h.modern(ASKABLE, "1", "tools/call", r#","name":"t""#);
    let call = id_of(&h.sent_one());
    h.child(r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{}}"#);
    let question = id_of(&asker.stream.only());
    // It was asked before the call was parked; whoever answers in time must not be too late.
    h.pass(QUESTION_TIMEOUT + LATE);
    assert!(h.sent().is_empty());
    assert!(asker.answer(&mut h, question, r#"{"action":"decline"}"#));
    assert_eq!(json(&h.sent_one())["id"], "q");
    h.result(call, r#"{"content":[]}"#);
    h.is_empty();
}
