//! Requests and their answers: whose, how often, and unaltered.

use std::time::Duration;

use super::harness::*;
use crate::fault::FaultKind;
use crate::protocol::code;

const IDS: [&str; 10] = [
    "1",
    "\"1\"",
    "1.0",
    "-1",
    "0",
    "1e3",
    "\"a\\\"b\\u00e9\\/\"",
    "\"\"",
    "123456789012345678901234567890",
    "1.50",
];

#[test]
fn ids_are_given_back_byte_for_byte_even_when_all_clients_use_the_same() {
    for id in IDS {
        let mut h = Harness::main();
        let (a, b) = (h.client(NOTHING), h.client(NOTHING));
        let mut to_a = h.ask(&a, id, "tools/list", "{}");
        let mut to_b = h.ask(&b, id, "tools/list", "{}");
        let sent = h.sent();
        let (for_a, for_b) = (id_of(&sent[0]), id_of(&sent[1]));
        assert_ne!(for_a, for_b);
        h.child(&format!(r#"{{"jsonrpc":"2.0","id":{for_b},"result":{{"for":"b"}}}}"#));
        h.child(&format!(r#"{{"jsonrpc":"2.0","id":{for_a},"result":{{"for":"a"}}}}"#));
        assert_eq!(to_a.only(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"for":"a"}}}}"#));
        assert_eq!(to_b.only(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"for":"b"}}}}"#));
        h.end(&a);
        h.end(&b);
        h.is_empty();
    }
}

#[test]
fn parameters_and_outcomes_pass_byte_for_byte() {
    let payloads = [
        "{}",
        r#"{ "b":1.00 , "a" : "\u0041\/" ,"b2":1e+05,"n":12345678901234567890123 }"#,
        r#"{"a":{"id":1,"method":"x","jsonrpc":"1"},"z":[ null, true ]}"#,
    ];
    for payload in payloads {
        let mut h = Harness::main();
        let a = h.client(NOTHING);
        for outcome in ["result", "error"] {
            let mut to_a = h.ask(&a, "7", "some/method", payload);
            let sent = h.sent_one();
            let id = id_of(&sent);
            let forwarded = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"some/method","params":{payload}}}"#
            );
            assert_eq!(sent, forwarded);
            h.child(&format!(r#"{{"{outcome}": {payload}, "id":{id},"jsonrpc":"2.0"}}"#));
            let expected = format!(r#"{{"jsonrpc":"2.0","id":7,"{outcome}":{payload}}}"#);
            assert_eq!(to_a.only(), expected);
        }
    }
}

#[test]
fn absent_parameters_stay_absent() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    let _to_a = h.send(&a, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert!(!h.sent_one().contains("params"));
}

#[test]
fn line_breaks_of_a_client_never_reach_the_child() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    let hidden = "{\r\n\"x\":\n{\"jsonrpc\":\"2.0\",\"id\":99,\"method\":\"tools/call\"}\n}";
    let _to_a = h.ask(&a, "1", "tools/list", hidden);
    assert_eq!(h.sent().len(), 1);
}

#[test]
fn an_answer_is_given_once_and_unknown_ones_are_dropped() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    let mut to_a = h.call(&a, "1", "t");
    let id = id_of(&h.sent_one());
    let near = [
        format!("\"{id}\""),
        format!("{id}.0"),
        (id + 1).to_string(),
        "0".into(),
        "99999999999999999999999".into(),
    ];
    for other in near {
        h.child(&format!(r#"{{"jsonrpc":"2.0","id":{other},"result":{{}}}}"#));
        assert_eq!(h.notes(), ["Dropped(UnknownId)"], "{other}");
    }
    to_a.is_silent();
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"n":1}}}}"#));
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"n":2}}}}"#));
    assert!(to_a.only().contains(r#"{"n":1}"#));
    assert_eq!(h.notes(), ["Dropped(UnknownId)"]);
}

#[test]
fn what_is_no_answer_fails_the_call_it_names() {
    let bad = [
        r#"{"jsonrpc":"2.0","id":ID,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":ID,"error":"text"}"#,
        r#"{"jsonrpc":"1.0","id":ID,"result":{}}"#,
        r#"{"id":ID,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":ID}"#,
        r#"{"jsonrpc":"2.0","id":ID,"result":{},"Result":{}}"#,
    ];
    for line in bad {
        let mut h = Harness::main();
        let a = h.client(NOTHING);
        let mut to_a = h.call(&a, "1", "t");
        let id = id_of(&h.sent_one());
        h.child(&line.replace("ID", &id.to_string()));
        assert_eq!(code_of(&to_a.only()), i64::from(code::INTERNAL_ERROR), "{line}");
        assert_eq!(h.mux.open_calls(), 0);
    }
}

#[test]
fn a_bad_request_of_the_child_is_not_taken_for_an_answer() {
    let bad = [
        r#"{"jsonrpc":"2.0","id":ID,"method":"elicitation/create","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":ID,"method":"x","params":{"name":1,"name":2}}"#,
        r#"{"id":ID,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":ID,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":ID,"Method":"ping"}"#,
    ];
    for line in bad {
        let mut h = Harness::main();
        let a = h.client(EVERYTHING);
        let mut to_a = h.call(&a, "1", "t");
        // The child counts its own requests, so its ids and ours are often the same number.
        let id = id_of(&h.sent_one());
        h.child(&line.replace("ID", &id.to_string()));
        to_a.is_silent();
        assert_eq!(h.mux.open_calls(), 1, "{line}");
        let told = h.sent_one();
        assert_eq!(id_of(&told), id);
        assert!(code_of(&told) < 0, "{told}");
    }
}

#[test]
fn an_answer_over_the_limit_fails_its_call() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    let mut to_a = h.call(&a, "\"x\"", "t");
    let id = id_of(&h.sent_one());
    h.mux.oversized(Some(&bytes::Bytes::from(id.to_string())), 70_000, h.now);
    let told = to_a.only();
    assert!(told.starts_with(r#"{"jsonrpc":"2.0","id":"x","error""#), "{told}");
    assert!(told.contains("70000"), "{told}");
    h.mux.oversized(None, 70_000, h.now);
}

#[test]
fn a_question_over_the_limit_is_refused_to_the_child() {
    let mut h = Harness::main();
    h.mux.oversized_question(&bytes::Bytes::from_static(b"\"q\""), 70_000);
    let told = h.sent_one();
    assert!(told.starts_with(r#"{"jsonrpc":"2.0","id":"q","error""#), "{told}");
    assert!(told.contains("70000"), "{told}");
    h.mux.oversized_question(&bytes::Bytes::from_static(b"no json"), 70_000);
    assert!(h.sent().is_empty());
}

#[test]
fn a_call_is_given_up_when_its_time_is_up() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    let mut to_a = h.call(&a, "1", "t");
    let id = id_of(&h.sent_one());
    h.pass(ALMOST_REQUEST_TIMEOUT);
    to_a.is_silent();
    h.pass(LATE);
    h.pass(LATE);
    assert_eq!(code_of(&to_a.only()), i64::from(code::REQUEST_TIMEOUT));
    let told = h.sent_one();
    assert_eq!(method_of(&told), "notifications/cancelled");
    assert_eq!(json(&told)["params"]["requestId"], id);
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    assert_eq!(h.notes(), ["Dropped(UnknownId)"]);
    h.end(&a);
    h.is_empty();
    h.pass(LATE);
    assert_eq!(h.mux.next_tick(), None, "nothing is left to watch");
}

#[test]
fn any_duration_can_be_configured() {
    for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let world = std::sync::Arc::new(World::new());
        let mut h = Harness::with(&world, crate::mux::Role::Main, |settings| {
            settings.request_timeout = timeout;
            settings.request_max = timeout;
            settings.question_timeout = timeout;
        });
        h.start();
        let a = h.client(EVERYTHING);
        let mut to_a = h.ask(&a, "1", "tools/call", r#"{"_meta":{"progressToken":1}}"#);
        let id = id_of(&h.sent_one());
        let progress = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id}}}}}"#
        );
        h.child(&progress);
        h.child(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#);
        h.pass(Duration::from_millis(10));
        h.pass(Duration::from_millis(10));
        let answered = to_a.all().iter().any(|text| text.contains("\"error\""));
        assert_eq!(answered, timeout != Duration::MAX, "{timeout:?}");
    }
}

#[test]
fn progress_gives_a_call_its_time_again_up_to_a_limit() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    let mut to_a = h.ask(&a, "1", "tools/call", r#"{"_meta":{"progressToken":"p"}}"#);
    let id = id_of(&h.sent_one());
    let progress = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":1}}}}"#
    );
    let step = ALMOST_REQUEST_TIMEOUT;
    let mut passed = Duration::ZERO;
    while passed + step + LATE < REQUEST_MAX {
        h.pass(step);
        passed += step;
        h.child(&progress);
        assert!(to_a.only().contains("progress"), "after {passed:?}");
    }
    h.pass(REQUEST_MAX.saturating_sub(passed) + LATE);
    h.pass(LATE);
    let told = to_a.only();
    assert_eq!(code_of(&told), i64::from(code::REQUEST_TIMEOUT));
    assert!(told.contains(&format!("within {REQUEST_MAX:?}")), "{told}");
}

#[test]
fn progress_tokens_of_any_kind_come_back_as_they_were() {
    let tokens = ["1", "\"1\"", "\"a\\\"\\u0041\"", "123456789012345678901234567890", "1.50", "-0"];
    for token in tokens {
        let mut h = Harness::main();
        let (a, b) = (h.client(NOTHING), h.client(NOTHING));
        let params = |name: &str| {
            format!(r#"{{"name":"{name}","_meta":{{"progressToken":{token}, "k":1}}}}"#)
        };
        let mut to_a = h.ask(&a, "1", "tools/call", &params("a"));
        let mut to_b = h.ask(&b, "1", "tools/call", &params("b"));
        let sent = h.sent();
        let id = id_of(&sent[1]);
        let rewritten = format!(r#"{{"name":"b","_meta":{{"progressToken":{id}, "k":1}}}}"#);
        assert!(sent[1].ends_with(&format!("\"params\":{rewritten}}}")), "{}", sent[1]);
        let progress = |token: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progress": 1.0,"progressToken":{token}}}}}"#
            )
        };
        h.child(&progress(&id.to_string()));
        assert_eq!(to_b.only(), progress(token));
        to_a.is_silent();
        // Nobody's: a token that is not ours, and one of a call that is over.
        h.child(&progress("\"a\""));
        h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        h.child(&progress(&id.to_string()));
        assert_eq!(h.notes(), ["Dropped(UnownedProgress)", "Dropped(UnownedProgress)"]);
        assert_eq!(to_b.all().len(), 1);
        to_a.is_silent();
    }
}

#[test]
fn progress_that_nobody_asked_for_is_dropped() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    let mut to_a = h.call(&a, "1", "t");
    let id = id_of(&h.sent_one());
    h.child(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id}}}}}"#
    ));
    to_a.is_silent();
    assert_eq!(h.notes(), ["Dropped(UnownedProgress)"]);
}

#[test]
fn everybody_is_told_of_the_childs_end_once() {
    let mut h = Harness::main();
    let (mut a, b) = (h.client(NOTHING), h.client(NOTHING));
    let mut streams = vec![h.call(&a, "1", "t"), h.call(&a, "2", "t"), h.call(&b, "1", "t")];
    // One has been written, two have not.
    drop(h.mux.outgoing().next_batch());
    h.die();
    for stream in &mut streams {
        let told = stream.only();
        assert_eq!(code_of(&told), i64::from(code::CONNECTION_CLOSED));
        assert!(told.contains("exit status 1"), "{told}");
    }
    assert!(h.mux.outgoing().is_empty());
    assert_eq!(h.mux.open_calls(), 0);
    assert_eq!(code_of(&h.call(&a, "3", "t").only()), i64::from(code::UNAVAILABLE));
    h.start();
    assert_eq!(h.mux.sessions(), 2, "sessions live on");
    let mut to_a = h.call(&a, "4", "t");
    let id = id_of(&h.sent_one());
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    assert!(to_a.only().contains("\"id\":4"));
    // After a restart, to those who were there: look again.
    let told: Vec<_> = a.get.all();
    assert_eq!(told.len(), 2, "{told:?}");
    h.mux.child_ended(FaultKind::Draining);
    h.end(&a);
    h.end(&b);
    h.is_empty();
}
