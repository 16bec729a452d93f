//! Resource subscriptions and lists that change, for many sessions on one child.

use std::sync::Arc;

use super::harness::*;
use crate::mux::Role;
use crate::protocol::code;

const URI: &str = r#"{"uri":"file:///a"}"#;
const UPDATED: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a"}}"#;
const TOOLS: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

fn subscribe(h: &mut Harness, client: &Client) -> Stream {
    h.ask(client, "1", "resources/subscribe", URI)
}

fn unsubscribe(h: &mut Harness, client: &Client) -> Stream {
    h.ask(client, "2", "resources/unsubscribe", URI)
}

fn confirm(h: &mut Harness, line: &str) {
    let id = id_of(line);
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
}

#[test]
fn the_child_is_asked_once_and_each_subscriber_is_told() {
    let mut h = Harness::main();
    let (mut a, mut b, mut c) = (h.client(NOTHING), h.client(NOTHING), h.client(NOTHING));
    let (mut to_a, mut to_b) = (subscribe(&mut h, &a), subscribe(&mut h, &b));
    let sent = h.sent_one();
    assert!(sent.contains("resources/subscribe"));
    to_b.is_silent();
    confirm(&mut h, &sent);
    assert_eq!(
        (to_a.only(), to_b.only().len()),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.into(), 36)
    );
    h.child(UPDATED);
    assert_eq!((a.get.only(), b.get.only()), (UPDATED.into(), UPDATED.into()));
    c.get.is_silent();
    assert!(unsubscribe(&mut h, &a).only().contains("result"));
    assert_eq!(h.sent(), Vec::<String>::new(), "the other one still listens");
    h.child(UPDATED);
    a.get.is_silent();
    b.get.only();
    let mut last = unsubscribe(&mut h, &b);
    let sent = h.sent_one();
    confirm(&mut h, &sent);
    assert!(last.only().contains("result"));
    h.child(UPDATED);
    b.get.is_silent();
    assert_eq!(h.mux.subscriptions(), 0);
}

#[test]
fn a_refusal_is_everybodys() {
    let mut h = Harness::main();
    let (a, b) = (h.client(NOTHING), h.client(NOTHING));
    let (mut to_a, mut to_b) = (subscribe(&mut h, &a), subscribe(&mut h, &b));
    let id = id_of(&h.sent_one());
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32002,"message":"no"}}}}"#));
    assert_eq!((code_of(&to_a.only()), code_of(&to_b.only())), (-32002, -32002));
    assert!(a.session.subscriptions().is_empty() && b.session.subscriptions().is_empty());
    assert_eq!(h.mux.subscriptions(), 0);
}

#[test]
fn who_waits_for_anothers_subscription_is_answered_whatever_becomes_of_the_other() {
    let ways: [Way; 2] =
        [("cancelled", |h, a| h.cancel(a, "1")), ("session over", |h, a| h.end(a))];
    for (way, leave) in ways {
        let mut h = Harness::main();
        let (mut a, mut b) = (h.client(NOTHING), h.client(NOTHING));
        let (mut to_a, mut to_b) = (subscribe(&mut h, &a), subscribe(&mut h, &b));
        let sent = h.sent_one();
        leave(&mut h, &a);
        assert!(a.session.subscriptions().is_empty());
        to_b.is_silent();
        assert_eq!(h.sent(), Vec::<String>::new(), "{way}: the child goes on for the other");
        confirm(&mut h, &sent);
        assert!(to_b.only().contains("\"result\""), "{way}");
        assert!(!to_a.all().iter().any(|text| text.contains("\"result\"")), "{way}");
        h.child(UPDATED);
        a.get.is_silent();
        assert_eq!(b.get.all().len(), 1);
        h.end(&a);
        h.end(&b);
        assert!(h.sent_one().contains("resources/unsubscribe"));
    }
}

#[test]
fn who_waits_may_leave() {
    let mut h = Harness::main();
    let (a, b, c) = (h.client(NOTHING), h.client(NOTHING), h.client(NOTHING));
    let mut streams = [&a, &b, &c].map(|client| subscribe(&mut h, client));
    let sent = h.sent_one();
    h.cancel(&b, "1");
    assert!(streams[1].was_cancelled());
    h.end(&c);
    assert_eq!(code_of(&streams[2].only()), i64::from(code::SESSION_NOT_FOUND));
    confirm(&mut h, &sent);
    assert!(streams[0].only().contains("result"));
    streams[1].is_silent();
    assert_eq!(h.mux.subscribers_of("file:///a").len(), 1);
}

#[test]
fn everybody_who_waits_is_told_of_the_childs_end_and_of_time_outs() {
    type End = (i32, fn(&mut Harness));
    let ways: [End; 2] = [
        (code::CONNECTION_CLOSED, Harness::die),
        (code::REQUEST_TIMEOUT, |h| h.pass(REQUEST_TIMEOUT + LATE)),
    ];
    for (expected, happen) in ways {
        let mut h = Harness::main();
        let (a, b) = (h.client(NOTHING), h.client(NOTHING));
        let mut streams = [&a, &b].map(|client| subscribe(&mut h, client));
        h.sent();
        happen(&mut h);
        for stream in &mut streams {
            assert_eq!(code_of(&stream.only()), i64::from(expected));
        }
        assert!(a.session.subscriptions().is_empty() && b.session.subscriptions().is_empty());
        h.end(&a);
        h.end(&b);
        h.is_empty();
    }
}

#[test]
fn one_session_cannot_wait_without_bound() {
    let mut h = Harness::main();
    let (a, b) = (h.client(NOTHING), h.client(NOTHING));
    let mut streams: Vec<_> =
        std::iter::once(&a).chain([&b; 100]).map(|client| subscribe(&mut h, client)).collect();
    let sent = h.sent_one();
    let refused = streams.iter_mut().flat_map(Stream::all);
    assert_eq!(refused.filter(|text| text.contains("error")).count(), 99);
    confirm(&mut h, &sent);
    assert_eq!(streams.iter_mut().flat_map(Stream::all).count(), 2);
}

#[test]
fn who_unsubscribes_before_the_answer_is_not_subscribed() {
    let mut h = Harness::main();
    let mut a = h.client(NOTHING);
    let mut to_a = subscribe(&mut h, &a);
    let sent = h.sent_one();
    assert!(unsubscribe(&mut h, &a).only().contains("result"));
    confirm(&mut h, &sent);
    to_a.only();
    assert!(h.sent_one().contains("resources/unsubscribe"));
    h.child(UPDATED);
    a.get.is_silent();
    assert_eq!(h.mux.subscriptions(), 0);
}

#[test]
fn a_new_child_is_subscribed_to_again() {
    let mut h = Harness::main();
    let (mut a, b) = (h.client(NOTHING), h.client(NOTHING));
    subscribe(&mut h, &a);
    let sent = h.sent_one();
    confirm(&mut h, &sent);
    h.die();
    h.mux.child_started(h.now);
    let id = id_of(&h.sent_one());
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{SERVER}}}"#));
    let sent = h.sent();
    assert!(sent[1].contains("resources/subscribe") && sent[1].contains(URI), "{sent:?}");
    a.get.all();
    h.child(UPDATED);
    assert_eq!(a.get.only(), UPDATED);
    h.end(&a);
    assert!(h.sent_one().contains("resources/unsubscribe"));
    h.end(&b);
    // Requests of ours that are never answered do not stay for ever either.
    h.pass(REQUEST_TIMEOUT + LATE);
    assert!(h.mux.calls.is_empty());
    h.is_empty();
}

#[test]
fn what_a_session_had_set_up_comes_with_it() {
    let mut old = Harness::main();
    let mut a = old.client(NOTHING);
    subscribe(&mut old, &a);
    let sent = old.sent_one();
    confirm(&mut old, &sent);
    drop(old.mux);
    // Adopted before the new child is ready, and after.
    for ready in [false, true] {
        let mut new = Harness::idle(&Arc::new(World::new()), Role::Main);
        if ready {
            new.start();
            new.mux.adopt(vec![Arc::clone(&a.session)], new.now);
        } else {
            new.mux.adopt(vec![Arc::clone(&a.session)], new.now);
            new.mux.child_started(new.now);
            let id = id_of(&new.sent_one());
            new.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{SERVER}}}"#));
            assert_eq!(a.get.all().len(), 2, "another child: look again");
        }
        let sent = new.sent();
        assert_eq!(sent.iter().filter(|line| line.contains("resources/subscribe")).count(), 1);
        new.child(UPDATED);
        assert_eq!(a.get.only(), UPDATED);
    }
}

#[test]
fn lists_that_change_are_told_to_everybody_once() {
    let mut h = Harness::main();
    let (mut a, mut b) = (h.client(NOTHING), h.client(NOTHING));
    let mut to_a = h.call(&a, "1", "t");
    for _ in 0..5 {
        h.child(TOOLS);
        h.child(r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#);
    }
    assert_eq!(a.get.all().len(), 2);
    h.child(TOOLS);
    assert_eq!((a.get.only(), b.get.all().len()), (TOOLS.into(), 2));
    to_a.is_silent();
    h.end(&a);
    h.child(TOOLS);
    a.get.is_silent();
    b.get.only();
}

#[test]
fn the_parts_of_a_resource_are_told_to_those_who_watch_the_whole() {
    let table = [
        ("file:///d/", "file:///d/x", true),
        ("file:///d", "file:///d/x", true),
        ("file:///d", "file:///d#x", true),
        ("file:///d", "file:///dx", false),
        ("file:///d/x", "file:///d", false),
    ];
    for (watched, changed, told) in table {
        let mut h = Harness::main();
        let mut a = h.client(NOTHING);
        h.ask(&a, "1", "resources/subscribe", &format!(r#"{{"uri":"{watched}"}}"#));
        let sent = h.sent_one();
        confirm(&mut h, &sent);
        h.child(&UPDATED.replace("file:///a", changed));
        assert_eq!(a.get.all().len(), usize::from(told), "{watched} {changed}");
    }
}
