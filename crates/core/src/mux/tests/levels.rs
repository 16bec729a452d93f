//! Log levels and log messages of a shared child.

use super::harness::*;
use crate::protocol::LogLevel;

fn log(level: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1}}}}"#
    )
}

fn set(h: &mut Harness, client: &Client, level: &str) -> String {
    h.ask(client, "1", "logging/setLevel", &format!(r#"{{"level":"{level}"}}"#));
    h.sent_one()
}

#[test]
fn a_log_message_goes_to_the_only_call_or_the_only_session_or_nobody() {
    let mut h = Harness::main();
    let mut a = h.client(NOTHING);
    h.child(&log("info"));
    assert_eq!(a.get.only(), log("info"));
    let mut b = h.client(NOTHING);
    h.child(&log("info"));
    assert_eq!(h.notes(), ["Dropped(UnownedLog)"]);
    let mut to_a = h.call(&a, "1", "t");
    h.child(&log("info"));
    assert_eq!(to_a.only(), log("info"));
    let mut to_b = h.ask(&b, "1", "tools/list", "{}");
    h.child(&log("info"));
    assert_eq!(h.notes(), ["Dropped(UnownedLog)"]);
    for stream in [&mut to_a, &mut to_b, &mut a.get, &mut b.get] {
        stream.is_silent();
    }
}

#[test]
fn the_child_is_set_to_the_lowest_level_and_each_client_sees_its_own() {
    let mut h = Harness::main();
    let (a, b) = (h.client(NOTHING), h.client(NOTHING));
    assert!(set(&mut h, &a, "error").ends_with(r#""params":{"level":"error"}}"#));
    assert!(set(&mut h, &b, "debug").ends_with(r#""params":{"level":"debug"}}"#));
    assert!(set(&mut h, &a, "warning").ends_with(r#""params":{"level":"debug"}}"#));
    h.die();
    h.start();
    let again = h.mux.level_sent.map(LogLevel::as_str);
    assert_eq!(again, Some("debug"), "a new child is told again");
    let mut to_a = h.call(&a, "5", "t");
    for (level, seen) in [("debug", 0), ("notice", 0), ("warning", 1), ("alert", 1), ("odd", 1)] {
        h.child(&log(level));
        assert_eq!(to_a.all().len(), seen, "{level}");
    }
    h.sent();
    h.end(&b);
    assert!(h.sent_one().contains(r#"{"level":"warning"}"#), "nobody wants more any longer");
}

#[test]
fn who_never_asked_sees_the_usual_level_once_somebody_did() {
    let mut h = Harness::main();
    let (a, b) = (h.client(NOTHING), h.client(NOTHING));
    let mut to_a = h.call(&a, "5", "t");
    h.child(&log("debug"));
    assert_eq!(to_a.all().len(), 1, "the child decides");
    h.sent();
    set(&mut h, &b, "debug");
    // The only open call is the first client's again.
    let id = h.mux.calls.keys().max().copied().unwrap();
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    h.child(&log("debug"));
    to_a.is_silent();
    h.child(&log("info"));
    to_a.only();
}

#[test]
fn a_level_that_does_not_exist_is_the_childs_to_refuse() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    assert!(set(&mut h, &a, "loud").contains(r#"{"level":"loud"}"#));
    assert_eq!(a.session.log_level(), None);
}

#[test]
fn no_token_of_a_client_reaches_the_child_with_a_lowered_level() {
    let mut h = Harness::main();
    let (a, b) = (h.client(NOTHING), h.client(NOTHING));
    set(&mut h, &b, "debug");
    h.ask(&a, "1", "logging/setLevel", r#"{"level":"error","_meta":{"progressToken":"mine"}}"#);
    let sent = h.sent_one();
    assert!(sent.contains(r#""level":"debug""#) && !sent.contains("mine"), "{sent}");
}
