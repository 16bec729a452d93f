//! What the child asks: delivered to the one right client, or refused.

use super::harness::*;
use crate::learnt::Marks;
use crate::protocol::{ClientCapabilities, code};

fn question(id: u64, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"m": "x"}}}}"#)
}

fn answer(id: u64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{ "ok":1.0 }}}}"#)
}

fn finish(h: &mut Harness, id: u64) {
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
}

#[test]
fn a_question_goes_to_the_only_open_call_and_its_answer_comes_back_unaltered() {
    for method in ["elicitation/create", "sampling/createMessage"] {
        let mut h = Harness::main();
        let (a, mut b) = (h.client(EVERYTHING), h.client(EVERYTHING));
        let mut to_a = h.call(&a, "1", "t");
        let call = id_of(&h.sent_one());
        h.child(&question(0, method));
        let asked = to_a.only();
        let number = id_of(&asked);
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":{number},"method":"{method}","params":{{"m": "x"}}}}"#
        );
        assert_eq!(asked, expected);
        assert!(!h.answer(&b, &answer(number)), "somebody else's answer");
        assert!(h.answer(&a, &answer(number)));
        assert_eq!(h.sent_one(), r#"{"jsonrpc":"2.0","id":0,"result":{ "ok":1.0 }}"#);
        assert!(!h.answer(&a, &answer(number)), "a second answer");
        finish(&mut h, call);
        assert!(to_a.only().contains("result"));
        b.get.is_silent();
        h.end(&a);
        h.end(&b);
        h.is_empty();
    }
}

#[test]
fn an_answer_that_names_another_sessions_question_is_dropped() {
    let mut h = Harness::main();
    let (a, b) = (h.client(EVERYTHING), h.client(EVERYTHING));
    let mut to_a = h.call(&a, "1", "t");
    h.sent();
    h.child(&question(5, "elicitation/create"));
    let number = id_of(&to_a.only());
    // Even one that goes round the look-up that transports make first.
    h.send(&b, &answer(number));
    assert_eq!(h.notes(), ["Dropped(UnknownQuestion)"]);
    assert_eq!(h.sent(), Vec::<String>::new());
    h.send(&a, &answer(number));
    assert_eq!(id_of(&h.sent_one()), 5);
}

/// Who has which call open.
type Open = &'static [(usize, &'static str)];

/// What is open while the child asks, and what becomes of the question.
#[test]
fn a_question_that_could_be_anybodys_is_refused() {
    let roots_only = ClientCapabilities { roots: true, ..NOTHING };
    let table: [(&str, Open, &str); 6] = [
        ("two clients", &[(0, "tools/call"), (1, "tools/call")], "Refused(Ambiguous)"),
        ("two kinds", &[(0, "prompts/get"), (1, "resources/read")], "Refused(Ambiguous)"),
        ("nothing", &[], "Refused(NoCall)"),
        ("only a list", &[(0, "tools/list")], "Refused(NoCall)"),
        ("undeclared", &[(2, "tools/call")], "Refused(Undeclared)"),
        ("none declared", &[(3, "tools/call"), (0, "tools/list")], "Refused(Undeclared)"),
    ];
    for (what, open, expected) in table {
        let mut h = Harness::main();
        let mut clients = [EVERYTHING, EVERYTHING, roots_only, NOTHING].map(|can| h.client(can));
        let mut streams: Vec<_> =
            open.iter().map(|(who, method)| h.ask(&clients[*who], "1", method, "{}")).collect();
        h.sent();
        h.child(&question(3, "elicitation/create"));
        assert_eq!(h.notes(), [expected], "{what}");
        let told = h.sent_one();
        assert_eq!((id_of(&told), code_of(&told)), (3, i64::from(code::METHOD_NOT_FOUND)));
        streams.iter_mut().for_each(Stream::is_silent);
        for client in &mut clients {
            client.get.is_silent();
        }
        assert!(h.mux.questions.is_empty());
    }
}

#[test]
fn calls_of_one_session_do_not_make_a_question_ambiguous() {
    let mut h = Harness::main();
    let (a, b) = (h.client(EVERYTHING), h.client(EVERYTHING));
    let mut streams = [h.call(&a, "1", "t"), h.call(&a, "2", "u")];
    let _listing = h.ask(&b, "1", "tools/list", "{}");
    h.sent();
    h.child(&question(3, "elicitation/create"));
    let asked: Vec<_> = streams.iter_mut().flat_map(Stream::all).collect();
    assert_eq!(asked.len(), 1, "on one stream only");
    // Neither runs out of time while the client is asked.
    h.pass(ALMOST_QUESTION_TIMEOUT);
    assert!(h.answer(&a, &answer(id_of(&asked[0]))));
    h.pass(ALMOST_REQUEST_TIMEOUT);
    assert_eq!(h.mux.open_calls(), 3 - 1, "only the list has run out of time");
}

#[test]
fn what_nobody_can_be_asked_is_refused() {
    let mut h = Harness::main();
    let a = h.client(EVERYTHING);
    let mut to_a = h.call(&a, "1", "t");
    h.sent();
    h.child(&question(3, "tasks/get"));
    assert_eq!(h.notes(), ["Refused(UnknownMethod)"]);
    to_a.is_silent();
    h.sent();
    h.child(&question(4, "ping"));
    assert_eq!(h.sent_one(), r#"{"jsonrpc":"2.0","id":4,"result":{}}"#);
}

#[test]
fn a_service_that_is_not_interactive_asks_nobody() {
    let world = std::sync::Arc::new(World::new());
    let mut h =
        Harness::with(&world, crate::mux::Role::Main, |settings| settings.interactive = false);
    h.mux.child_started(h.now);
    assert!(h.sent_one().contains(r#""capabilities":{}"#));
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{SERVER}}}"#));
    let a = h.client(EVERYTHING);
    let mut to_a = h.call(&a, "1", "t");
    h.notes();
    h.child(&question(3, "elicitation/create"));
    assert_eq!(h.notes(), ["Refused(Disabled)"]);
    to_a.is_silent();
}

#[test]
fn refusals_and_questions_teach_what_to_run_aside() {
    let marked = |marks: &Marks, name: &str| marks.is_marked("tools/call", name);
    let mut h = Harness::main();
    let (a, b, c) = (h.client(EVERYTHING), h.client(EVERYTHING), h.client(NOTHING));
    let _streams = [h.call(&a, "1", "t"), h.call(&b, "1", "u")];
    let open: Vec<_> = h.sent().iter().map(|line| id_of(line)).collect();
    h.child(&question(1, "elicitation/create"));
    let marks = h.world.learnt.marks();
    assert!(marked(marks, "t") && marked(marks, "u") && !marked(marks, "v"));
    h.notes();
    h.sent();
    // Marked calls go aside while others are served too, if their client can be asked at all.
    let _aside = h.call(&a, "2", "u");
    assert!(h.notes()[0].starts_with("NeedsSide"));
    let _stays = [h.call(&a, "3", "v"), h.call(&c, "1", "u"), h.ask(&a, "4", "tools/list", "{}")];
    assert_eq!(h.notes(), Vec::<String>::new());
    let more: Vec<_> = h.sent().iter().map(|line| id_of(line)).collect();
    assert_eq!(more.len(), 3);
    open.into_iter().chain(more).for_each(|id| finish(&mut h, id));
    h.end(&b);
    h.end(&c);
    h.notes();
    let _alone = h.call(&a, "5", "u");
    assert_eq!(h.notes(), Vec::<String>::new(), "nobody else can be asked by mistake");
}

#[test]
fn while_one_client_is_asked_others_that_could_be_go_aside() {
    let mut h = Harness::main();
    let (a, b, c) = (h.client(EVERYTHING), h.client(EVERYTHING), h.client(NOTHING));
    let mut to_a = h.call(&a, "1", "t");
    h.sent();
    h.child(&question(1, "elicitation/create"));
    let number = id_of(&to_a.only());
    let _aside = h.call(&b, "1", "unmarked");
    assert!(h.notes()[0].starts_with("NeedsSide"));
    let _stay = [h.call(&c, "1", "unmarked"), h.ask(&b, "2", "tools/list", "{}")];
    assert_eq!(h.notes(), Vec::<String>::new());
    h.answer(&a, &answer(number));
    let _stays = h.call(&b, "3", "unmarked");
    assert_eq!(h.notes(), Vec::<String>::new());
}

#[test]
fn time_stands_still_for_a_call_while_its_client_is_asked() {
    let mut h = Harness::main();
    let a = h.client(EVERYTHING);
    let mut to_a = h.call(&a, "1", "t");
    h.sent();
    for round in 0..5 {
        h.child(&question(round, "elicitation/create"));
        let number = id_of(&to_a.only());
        h.pass(ALMOST_QUESTION_TIMEOUT);
        assert!(h.answer(&a, &answer(number)), "round {round}");
    }
    h.pass(ALMOST_REQUEST_TIMEOUT);
    to_a.is_silent();
    h.pass(LATE * 2);
    assert_eq!(code_of(&to_a.only()), i64::from(code::REQUEST_TIMEOUT));
}

#[test]
fn a_question_that_nobody_answers_is_given_up_and_the_calls_time_runs_on() {
    let mut h = Harness::main();
    let a = h.client(EVERYTHING);
    let mut to_a = h.call(&a, "1", "t");
    h.sent();
    h.child(&question(8, "elicitation/create"));
    let number = id_of(&to_a.only());
    h.pass(QUESTION_TIMEOUT + LATE);
    let told = h.sent_one();
    assert_eq!((id_of(&told), code_of(&told)), (8, i64::from(code::REQUEST_TIMEOUT)));
    let withdrawn = to_a.only();
    assert_eq!(method_of(&withdrawn), "notifications/cancelled");
    assert_eq!(json(&withdrawn)["params"]["requestId"], number);
    assert!(!h.answer(&a, &answer(number)), "too late");
    h.pass(REQUEST_TIMEOUT + LATE);
    assert_eq!(code_of(&to_a.only()), i64::from(code::REQUEST_TIMEOUT));
}

#[test]
fn the_child_may_withdraw_its_question() {
    let mut h = Harness::main();
    let a = h.client(EVERYTHING);
    let mut to_a = h.call(&a, "1", "t");
    h.sent();
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}}"#;
    h.child(&question(8, "elicitation/create"));
    let number = id_of(&to_a.only());
    h.child(cancel);
    assert_eq!(json(&to_a.only())["params"]["requestId"], number);
    assert!(!h.answer(&a, &answer(number)));
    // One that fits no question, or two, is nobody's.
    h.child(cancel);
    h.child(&question(8, "elicitation/create"));
    h.child(&question(8, "elicitation/create"));
    h.child(cancel);
    assert_eq!(h.notes(), ["Dropped(AmbiguousCancel)", "Dropped(AmbiguousCancel)"]);
    assert_eq!(to_a.all().len(), 2);
    h.pass(REQUEST_TIMEOUT);
    h.pass(REQUEST_TIMEOUT + LATE);
    assert_eq!(h.mux.open_calls(), 0, "its time ran on after each");
}

#[test]
fn progress_on_a_question_comes_only_from_whom_it_was_put_to() {
    let mut h = Harness::main();
    let (a, b) = (h.client(EVERYTHING), h.client(EVERYTHING));
    let mut to_a = h.call(&a, "1", "t");
    h.sent();
    h.child(
        r#"{"jsonrpc":"2.0","id":3,"method":"sampling/createMessage","params":{"_meta":{"progressToken":"\u0070"}}}"#,
    );
    let asked = json(&to_a.only());
    let number = asked["id"].as_u64().unwrap();
    assert_eq!(asked["params"]["_meta"]["progressToken"], number);
    let progress = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{number},"progress":1}}}}"#
    );
    h.send(&b, &progress);
    assert_eq!(h.notes(), ["Dropped(UnownedProgress)"]);
    h.send(&a, &progress);
    assert_eq!(
        h.sent_one(),
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"\u0070","progress":1}}"#
    );
}

#[test]
fn a_flood_of_questions_is_bounded() {
    let mut h = Harness::main();
    let a = h.client(EVERYTHING);
    let mut to_a = h.call(&a, "1", "t");
    h.sent();
    for id in 0..3000 {
        h.child(&question(id, "elicitation/create"));
    }
    assert_eq!(to_a.all().len(), 256);
    // The child that does not read gets a bounded number of refusals; whatever a client causes in
    // between does not count against it, or for it.
    assert_eq!(h.sent().len(), 1024);
    h.child(&question(3000, "ping"));
    assert_eq!(h.sent().len(), 1);
    h.die();
    h.end(&a);
    h.is_empty();
}

#[test]
fn the_completion_of_a_url_elicitation_follows_its_id() {
    let mut h = Harness::main();
    let (mut a, mut b) = (h.client(EVERYTHING), h.client(EVERYTHING));
    let mut to_a = h.call(&a, "1", "t");
    let call = id_of(&h.sent_one());
    h.child(
        r#"{"jsonrpc":"2.0","id":3,"method":"elicitation/create","params":{"mode":"url","elicitationId":"e1"}}"#,
    );
    let number = id_of(&to_a.only());
    h.answer(&a, &answer(number));
    finish(&mut h, call);
    let done = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{{"elicitationId":"{id}"}}}}"#
        )
    };
    h.child(&done("e2"));
    h.child(&done("e1"));
    h.child(&done("e1"));
    assert_eq!(a.get.only(), done("e1"));
    b.get.is_silent();
}
