//! Calls that nobody waits for any more: cancelled by a client, or their session has ended.

use std::sync::Arc;

use super::harness::*;
use crate::connection::Input;
use crate::fault::FaultKind;
use crate::message::Message;
use crate::mux::abandoned::ABANDONED_FOR;
use crate::mux::{Note, Role};
use crate::protocol::code;

const ASK: &str = r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#;
const LOG: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}"#;

#[test]
fn a_cancelled_call_gets_no_answer_and_the_child_is_told() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    let mut to_a = h.call(&a, "\"x\"", "t");
    let id = id_of(&h.sent_one());
    h.send(
        &a,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId" : "x","reason":"no"}}"#,
    );
    let expected = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId" : {id},"reason":"no"}}}}"#
    );
    assert_eq!(h.sent_one(), expected);
    assert!(to_a.was_cancelled());
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    to_a.is_silent();
    assert_eq!(h.notes(), ["Dropped(UnknownId)"]);
    h.end(&a);
    h.is_empty();
}

#[test]
fn a_call_that_was_not_written_yet_is_taken_back() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    let to_a = h.call(&a, "1", "t");
    h.cancel(&a, "1");
    assert!(to_a.was_cancelled());
    assert_eq!(h.sent(), Vec::<String>::new());
    assert_eq!(h.world.bodies.used(), 0);
}

#[test]
fn a_call_that_waits_for_the_child_can_be_cancelled_by_whoever_holds_it() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    h.mux.child_ended(FaultKind::Draining);
    h.cancel(&a, "1");
    assert!(!passed_on(&mut h));
}

#[test]
fn cancelling_reaches_only_the_one_call_that_is_meant() {
    let mut h = Harness::main();
    let (a, b) = (h.client(NOTHING), h.client(NOTHING));
    let (mut one, mut other) = (h.call(&a, "1", "t"), h.call(&b, "1", "t"));
    let mut twice = [h.call(&a, "2", "t"), h.call(&a, "2", "t")];
    h.sent();
    h.cancel(&a, "2");
    assert_eq!(h.notes(), ["Dropped(AmbiguousCancel)"]);
    for id in ["\"1\"", "1.0", "3"] {
        h.cancel(&a, id);
        assert!(!passed_on(&mut h), "{id}");
    }
    h.send(&a, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}"#);
    assert_eq!(h.notes(), ["Dropped(AmbiguousCancel)"]);
    assert_eq!(h.sent(), Vec::<String>::new());
    h.cancel(&a, "1");
    assert_eq!(h.mux.open_calls(), 3);
    assert!(one.was_cancelled() && !other.was_cancelled());
    one.is_silent();
    other.is_silent();
    twice.iter_mut().for_each(Stream::is_silent);
}

#[test]
fn the_end_of_a_session_ends_its_calls_and_nobody_elses() {
    let mut h = Harness::main();
    let (a, b) = (h.client(EVERYTHING), h.client(EVERYTHING));
    let mut to_a = h.call(&a, "1", "t");
    let id = id_of(&h.sent_one());
    h.child(ASK);
    assert!(to_a.only().contains("elicitation/create"));
    let mut to_b = h.ask(&b, "1", "tools/list", "{}");
    h.sent();
    h.end(&a);
    let told = to_a.all();
    assert_eq!(code_of(&told[0]), i64::from(code::SESSION_NOT_FOUND), "{told:?}");
    assert_eq!(h.mux.open_calls(), 1);
    to_b.is_silent();
    let sent = h.sent();
    assert_eq!(json(&sent[0])["params"]["requestId"], id);
    assert_eq!((id_of(&sent[1]), code_of(&sent[1])), (1, i64::from(code::REQUEST_TIMEOUT)));
    assert_eq!(code_of(&h.call(&a, "2", "t").only()), i64::from(code::SESSION_NOT_FOUND));
    h.end(&b);
    h.is_empty();
    assert!(a.session.others_than(&h.inbox).is_empty());
    assert!(a.session.take_question(&crate::message::Id::from_number(1)).is_none());
}

#[test]
fn what_a_given_up_call_asks_or_logs_reaches_nobody_else() {
    let ways: [Way; 3] = [
        ("cancelled", |h, a| h.cancel(a, "1")),
        ("session over", |h, a| h.end(a)),
        ("timed out", |h, _| h.pass(REQUEST_TIMEOUT + LATE)),
    ];
    for (way, give_up) in ways {
        let mut h = Harness::main();
        let (a, mut b) = (h.client(EVERYTHING), h.client(EVERYTHING));
        let _to_a = h.call(&a, "1", "secret");
        let id = id_of(&h.sent_one());
        give_up(&mut h, &a);
        let mut to_b = h.call(&b, "1", "other");
        h.sent();
        // The child has not noticed: it goes on with the first call.
        h.child(ASK);
        h.child(LOG);
        to_b.is_silent();
        b.get.is_silent();
        assert!(h.notes().contains(&"Refused(Ambiguous)".into()), "{way}");
        assert!(code_of(&h.sent_one()) < 0);
        // Its late answer shows that it is done.
        h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        h.child(ASK);
        h.child(LOG);
        assert_eq!(to_b.all().len(), 2, "{way}");
    }
}

#[test]
fn a_given_up_call_is_not_held_against_others_for_ever() {
    let mut h = Harness::main();
    let (a, b) = (h.client(EVERYTHING), h.client(EVERYTHING));
    let _to_a = h.call(&a, "1", "t");
    h.sent();
    h.cancel(&a, "1");
    let mut to_b = h.call(&b, "1", "u");
    h.pass(ABANDONED_FOR);
    h.child(ASK);
    assert!(to_b.only().contains("elicitation/create"));
}

#[test]
fn a_call_in_any_side_process_can_be_cancelled() {
    let mut main = Harness::main();
    let a = main.client(EVERYTHING);
    let world = Arc::clone(&main.world);
    let mut sides: Vec<_> = (0..3)
        .map(|_| {
            let mut side = Harness::idle(&world, Role::Side(Arc::clone(&a.session)));
            side.start();
            side
        })
        .collect();
    let mut streams: Vec<_> =
        sides.iter_mut().zip(1..).map(|(side, id)| side.call(&a, &id.to_string(), "t")).collect();
    for side in &mut sides {
        side.sent_one();
    }
    main.cancel(&a, "2");
    assert!(passed_on(&mut main));
    for side in &mut sides {
        side.pump();
    }
    assert_eq!(sides[1].sent_one().matches("notifications/cancelled").count(), 1);
    assert!(streams[1].was_cancelled());
    for other in [0, 2] {
        assert_eq!(sides[other].sent(), Vec::<String>::new());
        assert_eq!(sides[other].mux.open_calls(), 1);
        streams[other].is_silent();
    }
    assert!(sides[1].mux.take_notes().iter().any(|note| matches!(note, Note::SideFree)));
    // An unknown one goes round once and no more.
    main.cancel(&a, "9");
    assert!(passed_on(&mut main));
    for side in &mut sides {
        side.pump();
    }
    assert!(main.next_input().is_none());
    // A side process that is gone is forgotten.
    drop(sides);
    assert!(a.session.others_than(&main.inbox).is_empty());
    main.cancel(&a, "9");
    assert!(!passed_on(&mut main));
}

/// Does what a supervisor does that has no such call waiting; `false` when there is no side process.
fn passed_on(main: &mut Harness) -> bool {
    let notes = main.mux.take_notes();
    let [Note::Misrouted(Input::Notification { session, notification, .. })] = &notes[..] else {
        panic!("{notes:?}");
    };
    let sides = session.others_than(&main.inbox);
    for side in &sides {
        let message = Message::Notification(notification.clone());
        side.send(session, message, session.outlet(), None).expect("there is room");
    }
    !sides.is_empty()
}
