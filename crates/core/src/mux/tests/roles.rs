//! Processes that serve one session: its own, and those beside the main one.

use std::sync::Arc;

use super::harness::*;
use crate::connection::Input;
use crate::mux::{Note, Role};
use crate::protocol::code;

const ROOTS: &str = r#"{"jsonrpc":"2.0","id":0,"method":"roots/list"}"#;
const ELICIT: &str = r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#;
const UPDATED: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u:a"}}"#;

fn own() -> (Harness, Client) {
    let world = Arc::new(World::new());
    let client = world.session(EVERYTHING);
    let mut h = Harness::idle(&world, Role::Own(Arc::clone(&client.session)));
    client.session.set_own(Some(h.inbox.clone()));
    let mut opened = h.open(&client);
    h.mux.child_started(h.now);
    let sent = h.sent_one();
    let words = INITIALIZE.split_once("\"params\":").map(|(_, params)| params);
    assert!(sent.ends_with(words.expect("has them")), "the client's own words: {sent}");
    let id = id_of(&sent);
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{SERVER}}}"#));
    assert_eq!(opened.only(), format!(r#"{{"jsonrpc":"2.0","id":"open","result":{SERVER}}}"#));
    assert!(h.notes().contains(&"Ready".to_owned()));
    (h, client)
}

/// A main process in which the roots of its only client `a` were asked for, with `b` attached.
fn dedicated() -> (Harness, Client, Client, [Stream; 2]) {
    let mut h = Harness::main();
    let (a, b) = (h.client(EVERYTHING), h.client(NOTHING));
    let mut to_a = h.call(&a, "1", "t");
    h.sent();
    h.child(ROOTS);
    let number = id_of(&to_a.only());
    let to_b = h.call(&b, "1", "other");
    assert!(h.answer(&a, &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{"roots":[]}}}}"#)));
    a.session.set_own(Some(h.inbox.clone()));
    let notes = h.mux.take_notes();
    let Some(Note::RootsGiven { owner, others }) = notes.last() else { panic!("{notes:?}") };
    assert_eq!(owner.id(), a.session.id());
    assert_eq!(others.iter().map(|o| o.id()).collect::<Vec<_>>(), [b.session.id()]);
    h.sent();
    (h, a, b, [to_a, to_b])
}

#[test]
fn a_sessions_own_process_gets_everything_and_gives_everything() {
    let (mut h, mut a) = own();
    h.send(&a, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    h.send(&a, r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#);
    assert_eq!(h.sent().len(), 2);
    // Outside of any call, on the session's stream; within one, on the call's.
    h.child(ROOTS);
    let number = id_of(&a.get.only());
    assert!(h.answer(&a, &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#)));
    assert_eq!(id_of(&h.sent_one()), 0);
    let mut to_a = h.call(&a, "1", "t");
    h.child(r#"{"jsonrpc":"2.0","id":9,"method":"something/new"}"#);
    assert_eq!(method_of(&to_a.only()), "something/new");
    for line in [UPDATED, r#"{"jsonrpc":"2.0","method":"notifications/tasks/status"}"#] {
        h.child(line);
        assert_eq!(a.get.only(), line);
    }
    assert_eq!(h.notes(), Vec::<String>::new());
}

#[test]
fn the_death_of_its_own_process_ends_a_session() {
    let (mut h, a) = own();
    let mut to_a = h.call(&a, "1", "t");
    h.die();
    assert_eq!(code_of(&to_a.only()), i64::from(code::CONNECTION_CLOSED));
    assert!(a.session.is_over());
    h.is_empty();
}

#[test]
fn an_opening_is_answered_whatever_happens() {
    let ways: [Way; 5] = [
        ("never launched", |h, _| h.die()),
        ("dies", |h, _| {
            h.mux.child_started(h.now);
            h.die();
        }),
        ("refuses", |h, _| {
            h.mux.child_started(h.now);
            let id = id_of(&h.sent_one());
            h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":1,"message":""}}}}"#));
        }),
        ("answers nonsense", |h, _| {
            h.mux.child_started(h.now);
            let id = id_of(&h.sent_one());
            h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":7}}"#));
        }),
        ("the client leaves before the child runs", |h, a| {
            h.end(a);
            h.mux.child_started(h.now);
            assert!(h.notes().contains(&"Vacant".to_owned()), "nobody needs the process");
        }),
    ];
    for (way, happen) in ways {
        let world = Arc::new(World::new());
        let a = world.session(EVERYTHING);
        let mut h = Harness::idle(&world, Role::Own(Arc::clone(&a.session)));
        let mut opened = h.open(&a);
        happen(&mut h, &a);
        code_of(&opened.only());
        assert!(a.session.is_over(), "{way}");
        h.pump();
        h.is_empty();
    }
}

#[test]
fn a_second_opening_of_an_own_process_is_refused() {
    let (mut h, a) = own();
    assert_eq!(code_of(&h.open(&a).only()), i64::from(code::INVALID_REQUEST));
    let refused = h.ask(&a, "1", "initialize", "{}").only();
    assert_eq!(code_of(&refused), i64::from(code::INVALID_REQUEST));
    assert_eq!(h.sent(), Vec::<String>::new());
}

#[test]
fn a_side_process_says_when_it_is_free_and_what_its_client_can_do() {
    let world = Arc::new(World::new());
    let mut main = Harness::idle(&world, Role::Main);
    main.start();
    let a = main.client(crate::protocol::ClientCapabilities { elicitation: true, ..NOTHING });
    a.session.set_log_level(crate::protocol::LogLevel::Error);
    let mut h = Harness::idle(&world, Role::Side(Arc::clone(&a.session)));
    h.mux.child_started(h.now);
    let id = id_of(&h.sent_one());
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{SERVER}}}"#));
    assert!(h.sent()[1].contains(r#"{"level":"error"}"#), "its client's level");
    let mut to_a = h.call(&a, "1", "t");
    let id = id_of(&h.sent_one());
    h.notes();
    h.child(ROOTS);
    assert_eq!(h.notes(), ["Refused(Undeclared)"]);
    h.child(ELICIT);
    assert_eq!(method_of(&to_a.only()), "elicitation/create");
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    assert_eq!(h.notes(), ["SideFree"]);
    main.end(&a);
    h.pump();
    assert!(h.notes().contains(&"Vacant".to_owned()));
    h.is_empty();
}

#[test]
fn a_side_process_whose_session_ended_before_it_was_ready_is_vacant() {
    let world = Arc::new(World::new());
    let a = world.session(EVERYTHING);
    a.session.end();
    let mut h = Harness::idle(&world, Role::Side(Arc::clone(&a.session)));
    h.mux.child_started(h.now);
    let id = id_of(&h.sent_one());
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{SERVER}}}"#));
    assert!(h.notes().contains(&"Vacant".to_owned()));
}

#[test]
fn a_process_that_was_given_roots_asks_nobody_for_a_call_that_may_be_anothers() {
    let (mut h, mut a, mut b, mut streams) = dedicated();
    // The other client's call is still open here: whose question is it?
    h.child(ELICIT);
    assert_eq!(h.notes(), ["Refused(Ambiguous)"]);
    a.get.is_silent();
    b.get.is_silent();
    streams.iter_mut().for_each(Stream::is_silent);
    let others = h.mux.calls.iter().find(|(_, call)| {
        matches!(&call.kind, crate::mux::calls::CallKind::Client(c) if c.session.id() == b.session.id())
    });
    let id = *others.expect("it is open").0;
    assert_eq!(b.session.others_than(&Harness::main().inbox).len(), 1);
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    assert!(b.session.others_than(&Harness::main().inbox).is_empty(), "nothing of it is left");
    h.sent();
    h.child(ELICIT);
    assert_eq!(h.notes(), Vec::<String>::new());
    assert_eq!(method_of(&streams[0].only()), "elicitation/create");
}

#[test]
fn whatever_comes_for_a_process_that_is_somebody_elses_is_passed_on() {
    let (mut h, a, b, _streams) = dedicated();
    let c = h.world.session(EVERYTHING);
    let _opening = h.open(&c);
    let _call = h.call(&b, "7", "t");
    h.send(&b, r#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
    let notes = h.mux.take_notes();
    let misrouted = notes.iter().filter_map(|note| match note {
        Note::Misrouted(input) => Some(input),
        _ => None,
    });
    let misrouted: Vec<_> = misrouted.collect();
    assert!(matches!(
        misrouted[..],
        [Input::Open { .. }, Input::Request { .. }, Input::Notification { .. }]
    ));
    assert_eq!(h.sent(), Vec::<String>::new());
    assert_eq!(h.mux.sessions(), 1);
    // But a call that was begun here is cancelled here, and one that was not goes nowhere.
    h.cancel(&b, "1");
    assert_eq!(method_of(&h.sent_one()), "notifications/cancelled");
    h.cancel(&b, "1");
    assert_eq!(h.notes(), ["Dropped(AmbiguousCancel)"]);
    h.end(&a);
    h.end(&b);
    drop(notes);
    h.is_empty();
}

#[test]
fn the_owner_of_a_process_can_subscribe_and_log_there() {
    let (mut h, mut a, mut b, _streams) = dedicated();
    let mut subscribed = h.ask(&a, "5", "resources/subscribe", r#"{"uri":"u:a"}"#);
    let id = id_of(&h.sent_one());
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    assert!(subscribed.only().contains("result"));
    h.child(UPDATED);
    assert_eq!(a.get.only(), UPDATED);
    h.ask(&a, "6", "logging/setLevel", r#"{"level":"error"}"#);
    assert_eq!(a.session.log_level(), Some(crate::protocol::LogLevel::Error));
    h.child(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    assert_eq!((a.get.all().len(), b.get.all().len()), (1, 0));
}

#[test]
fn an_owner_that_has_left_is_not_asked() {
    let (mut h, a, _b, _streams) = dedicated();
    h.end(&a);
    h.sent();
    h.notes();
    h.child(ROOTS);
    assert_eq!(h.notes(), ["Refused(Unanswered)"]);
    assert!(code_of(&h.sent_one()) < 0);
}

#[test]
fn those_who_have_nothing_open_in_a_process_that_was_given_away_forget_it() {
    let mut h = Harness::main();
    let (a, b) = (h.client(EVERYTHING), h.client(NOTHING));
    let mut pending = h.ask(&a, "1", "resources/subscribe", r#"{"uri":"u:a"}"#);
    let mut waiting = h.ask(&b, "1", "resources/subscribe", r#"{"uri":"u:a"}"#);
    let subscribing = id_of(&h.sent_one());
    let mut to_a = h.call(&a, "2", "t");
    h.sent();
    h.child(ROOTS);
    let number = id_of(&to_a.only());
    assert!(h.answer(&a, &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{"roots":[]}}}}"#)));
    assert_eq!(code_of(&waiting.only()), i64::from(code::UNAVAILABLE), "to be tried again");
    assert!(b.session.others_than(&Harness::main().inbox).is_empty());
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{subscribing},"result":{{}}}}"#));
    assert!(pending.only().contains("result"));
    assert_eq!(h.mux.subscribers_of("u:a").len(), 1);
}

/// The main process may serve others that make the same call: modern clients, where each legacy session
/// has a process of its own.
#[test]
fn what_is_asked_in_a_process_of_one_client_is_known_in_the_main_one() {
    let asks = |world: &World, tool: &str| world.learnt.marks().is_marked("tools/call", tool);
    let (mut own, a) = own();
    let world = Arc::clone(&own.world);
    let _call = own.call(&a, "1", "asks-in-its-own");
    own.child(ELICIT);
    assert!(asks(&world, "asks-in-its-own"));

    let mut side = Harness::idle(&world, Role::Side(Arc::clone(&a.session)));
    side.mux.child_started(side.now);
    let id = id_of(&side.sent_one());
    side.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{SERVER}}}"#));
    let _call = side.call(&a, "2", "asks-aside");
    side.child(ELICIT);
    assert!(asks(&world, "asks-aside"));
    assert!(!asks(&world, "asks-nothing"));
}

#[test]
fn nobody_waits_for_a_table_that_is_gone() {
    let mut h = Harness::main();
    let (a, b) = (h.client(EVERYTHING), h.client(EVERYTHING));
    h.world.learnt.marks().mark("tools/call", "marked");
    let mut streams = [h.call(&a, "1", "t"), h.call(&b, "1", "marked")];
    drop(h.mux);
    for stream in &mut streams {
        assert_eq!(code_of(&stream.only()), i64::from(code::UNAVAILABLE));
    }
    let world = Arc::new(World::new());
    let a = world.session(EVERYTHING);
    let mut h = Harness::idle(&world, Role::Own(Arc::clone(&a.session)));
    let mut opened = h.open(&a);
    drop(h.mux);
    code_of(&opened.only());
    assert!(a.session.is_over());
}
