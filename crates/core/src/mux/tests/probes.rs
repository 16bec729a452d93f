//! What a silence means, and what it does not.

use std::time::Duration;

use super::harness::*;

const TIMEOUT: Duration = Duration::from_secs(5);
const ALMOST: Duration = Duration::from_millis(4999);
const NOISE: &str = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;

/// The id of the ping that the child reads.
#[track_caller]
fn ping(h: &mut Harness) -> u64 {
    h.mux.probe(TIMEOUT, h.now);
    let sent = h.sent_one();
    assert_eq!(method_of(&sent), "ping");
    id_of(&sent)
}

fn pong(h: &mut Harness, id: u64) {
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
}

#[test]
fn an_answer_in_time_is_life_and_so_is_an_error_or_anything_else() {
    let mut h = Harness::main();
    let id = ping(&mut h);
    h.pass(ALMOST);
    pong(&mut h, id);
    assert_eq!(h.notes(), ["Probed(Alive)"]);
    let id = ping(&mut h);
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"?"}}}}"#));
    assert_eq!(h.notes(), ["Probed(Alive)"]);
    ping(&mut h);
    h.pass(Duration::from_millis(1));
    h.child(NOISE);
    h.notes();
    h.pass(TIMEOUT);
    assert_eq!(h.notes(), ["Probed(Alive)"]);
    h.is_empty();
}

#[test]
fn silence_is_told_once_and_a_late_answer_is_no_surprise() {
    let mut h = Harness::main();
    let id = ping(&mut h);
    assert_eq!(h.mux.next_tick(), Some(h.now + TIMEOUT));
    h.mux.probe(TIMEOUT, h.now);
    assert_eq!(h.sent(), Vec::<String>::new(), "one at a time");
    h.pass(ALMOST);
    assert_eq!(h.notes(), Vec::<String>::new());
    h.pass(TIMEOUT);
    h.pass(TIMEOUT);
    assert_eq!(h.notes(), ["Probed(Silent)"]);
    let before = h.mux.last_heard();
    pong(&mut h, id);
    assert_eq!(h.notes(), Vec::<String>::new());
    assert!(h.mux.last_heard() > before, "it lives");
    pong(&mut h, id);
    assert_eq!(h.notes(), ["Dropped(UnknownId)"]);
    h.is_empty();
}

#[test]
fn a_ping_that_was_not_written_is_taken_back() {
    let mut h = Harness::main();
    h.mux.probe(TIMEOUT, h.now);
    h.pass(TIMEOUT);
    assert_eq!(h.notes(), ["Probed(Silent)"]);
    assert_eq!(h.sent(), Vec::<String>::new());
}

#[test]
fn a_child_at_work_is_not_asked_and_its_silence_says_nothing() {
    let mut h = Harness::main();
    let a = h.client(NOTHING);
    let mut call = h.call(&a, "1", "t");
    let id = id_of(&h.sent_one());
    h.mux.probe(TIMEOUT, h.now);
    assert_eq!((h.notes(), h.sent()), (vec!["Probed(Busy)".to_owned()], Vec::new()));
    // It was given up by its client; the child may go on with it.
    h.cancel(&a, "1");
    h.sent();
    h.mux.probe(TIMEOUT, h.now);
    assert_eq!(h.notes(), ["Probed(Busy)"]);
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    call.is_silent();
    h.notes();
    h.pass(TIMEOUT);
    // A call that comes while an answer is waited for keeps the child from giving it.
    ping(&mut h);
    h.pass(Duration::from_secs(1));
    h.call(&a, "2", "t");
    h.pass(TIMEOUT);
    assert_eq!(h.notes(), ["Probed(Busy)"]);
    h.end(&a);
}

#[test]
fn the_next_child_has_nothing_to_do_with_it() {
    let mut h = Harness::main();
    ping(&mut h);
    h.die();
    h.start();
    h.pass(TIMEOUT);
    assert_eq!(h.notes(), Vec::<String>::new());
    ping(&mut h);
    h.pass(TIMEOUT);
    assert_eq!(h.notes(), ["Probed(Silent)"]);
}
