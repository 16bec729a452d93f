//! In which era a child is opened, and what is learnt from it.

use std::sync::Arc;
use std::time::Duration;

use super::eras::*;
use super::harness::*;
use crate::fault::FaultKind;
use crate::learnt::Known;
use crate::mux::Role;
use crate::protocol::Era;
use crate::service::EraChoice;

fn auto() -> Harness {
    chosen(EraChoice::Auto)
}

fn chosen(era: EraChoice) -> Harness {
    let mut h = Harness::with(&Arc::new(World::new()), Role::Main, |s| s.era = era);
    h.mux.child_started(h.now);
    h
}

fn known(h: &Harness) -> Known {
    h.world.learnt.opening(h.now)
}

fn failed(h: &mut Harness) -> bool {
    h.notes().iter().any(|note| note.starts_with("HandshakeFailed"))
}

#[test]
fn whoever_answers_the_probe_is_modern() {
    let mut h = auto();
    let probe = h.sent_one();
    assert_eq!(method_of(&probe), "server/discover");
    let meta = &json(&probe)["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert!(h.mux.awaits_discover());
    h.result(id_of(&probe), DISCOVERED);
    assert!(h.mux.is_ready() && !h.mux.awaits_discover());
    assert_eq!((h.mux.child_era(), known(&h)), (Era::Modern, Known::Era(Era::Modern)));
    assert_eq!(h.mux.next_tick(), None);
}

#[test]
fn any_other_error_is_followed_by_initialize_in_the_same_process() {
    for code in [-32601, -32602, -32600, -32000, 7] {
        let mut h = auto();
        let id = id_of(&h.sent_one());
        h.error(id, code);
        let next = h.sent_one();
        assert_eq!(method_of(&next), "initialize", "{code}");
        assert!(!h.mux.awaits_discover());
        h.result(id_of(&next), SERVER);
        assert!(h.mux.is_ready());
        assert_eq!(method_of(&h.sent_one()), "notifications/initialized");
        assert_eq!((h.mux.child_era(), known(&h)), (Era::Legacy, Known::Era(Era::Legacy)));
    }
}

#[test]
fn an_answer_that_is_none_is_followed_by_initialize_too() {
    for result in ["{}", "[]", r#"{"supportedVersions":["2099-01-01"],"capabilities":{}}"#] {
        let mut h = auto();
        let id = id_of(&h.sent_one());
        h.result(id, result);
        assert_eq!(method_of(&h.sent_one()), "initialize", "{result}");
    }
    let mut h = auto();
    let id = id_of(&h.sent_one());
    h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":"no object"}}"#));
    assert_eq!(method_of(&h.sent_one()), "initialize");
}

#[test]
fn a_modern_error_is_not() {
    for code in [-32020, -32021, -32022] {
        let mut h = auto();
        let id = id_of(&h.sent_one());
        h.error(id, code);
        assert!(h.sent().is_empty() && failed(&mut h), "{code}");
    }
}

#[test]
fn silence_counts_after_a_while_only() {
    let mut h = auto();
    let probe = id_of(&h.sent_one());
    h.pass(Duration::from_millis(9_900));
    assert!(h.sent().is_empty());
    h.pass(Duration::from_millis(200));
    let initialize = h.sent_one();
    assert_eq!(method_of(&initialize), "initialize");
    h.result(id_of(&initialize), SERVER);
    assert_eq!(h.mux.child_era(), Era::Legacy);
    // It answers what it was asked first after all.
    h.error(probe, -32601);
    assert!(h.mux.is_ready() && !failed(&mut h));
}

#[test]
fn a_slow_modern_child_is_modern_when_it_refuses_initialize() {
    for late_first in [true, false] {
        let mut h = auto();
        let probe = id_of(&h.sent_one());
        h.pass(Duration::from_secs(11));
        let initialize = id_of(&h.sent_one());
        if late_first {
            h.result(probe, DISCOVERED);
            assert!(!h.mux.is_ready(), "its answer to `initialize` decides");
            h.error(initialize, -32022);
        } else {
            h.error(initialize, -32022);
            assert!(!failed(&mut h), "it may yet say what it is");
            h.result(probe, DISCOVERED);
        }
        assert!(h.mux.is_ready());
        assert_eq!(h.mux.child_era(), Era::Modern);
    }
    // One that serves either is what it was opened as last.
    let mut h = auto();
    let probe = id_of(&h.sent_one());
    h.pass(Duration::from_secs(11));
    let initialize = id_of(&h.sent_one());
    h.result(probe, DISCOVERED);
    h.result(initialize, SERVER);
    assert_eq!(h.mux.child_era(), Era::Legacy);
}

#[test]
fn a_child_that_dies_of_the_probe_is_not_asked_again() {
    let mut h = auto();
    h.sent();
    h.die();
    assert_eq!(known(&h), Known::DiesOfProbe);
    h.mux.child_started(h.now);
    let next = h.sent_one();
    assert_eq!(method_of(&next), "initialize");
    h.result(id_of(&next), SERVER);
    assert_eq!(known(&h), Known::Era(Era::Legacy));
    // Stopped by us is not dead of it.
    let mut h = auto();
    h.mux.child_ended(FaultKind::Draining);
    assert_eq!(known(&h), Known::Nothing);
    // Nor is one that dies in any case.
    let mut h = auto();
    h.die();
    h.mux.child_started(h.now);
    h.die();
    assert_eq!(known(&h), Known::Nothing);
}

#[test]
fn what_was_learnt_is_not_asked_again() {
    let mut h = auto();
    let id = id_of(&h.sent_one());
    h.error(id, -32601);
    let id = id_of(&h.sent_one());
    h.result(id, SERVER);
    h.sent();
    h.die();
    h.mux.child_started(h.now);
    let initialize = h.sent_one();
    assert_eq!(method_of(&initialize), "initialize");
    // It has been replaced by one that knows better.
    h.error(id_of(&initialize), -32022);
    let probe = h.sent_one();
    assert_eq!(method_of(&probe), "server/discover");
    h.result(id_of(&probe), DISCOVERED);
    assert_eq!((h.mux.child_era(), known(&h)), (Era::Modern, Known::Era(Era::Modern)));
}

#[test]
fn the_configuration_may_decide() {
    let mut h = chosen(EraChoice::Legacy);
    let initialize = h.sent_one();
    assert_eq!(method_of(&initialize), "initialize");
    h.error(id_of(&initialize), -32022);
    assert!(failed(&mut h));
    let mut h = chosen(EraChoice::Modern);
    let probe = h.sent_one();
    assert_eq!(method_of(&probe), "server/discover");
    h.pass(Duration::from_secs(30));
    assert!(h.sent().is_empty(), "silence does not make it a legacy one");
    h.error(id_of(&probe), -32601);
    assert!(failed(&mut h) && h.sent().is_empty());
}

#[test]
fn a_sessions_own_process_is_opened_by_its_client_and_found_to_be_modern() {
    let world = Arc::new(World::new());
    let client = world.session(EVERYTHING);
    let role = Role::Own(Arc::clone(&client.session));
    let mut h = Harness::with(&world, role, |s| s.era = EraChoice::Auto);
    h.mux.child_started(h.now);
    let mut opened = h.open(&client);
    let own = h.sent_one();
    assert_eq!(method_of(&own), "initialize");
    assert_eq!(json(&own)["params"]["protocolVersion"], "2025-06-18", "in its client's own words");
    h.error(id_of(&own), -32601);
    opened.is_silent();
    let probe = h.sent_one();
    assert_eq!(method_of(&probe), "server/discover");
    h.result(id_of(&probe), DISCOVERED);
    let answer = json(&opened.only());
    assert_eq!(answer["id"], "open");
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answer["result"]["serverInfo"]["name"], "m");
    h.acknowledge_upstream();
    let mut reply = h.call(&client, "1", "t");
    let sent = h.sent_one();
    assert!(sent.contains("io.modelcontextprotocol/protocolVersion"), "{sent}");
    h.result(id_of(&sent), "{}");
    reply.only();
    h.end(&client);
    h.is_empty();
}

/// One of its kind was killed while it was being asked for its era, by whomever.
#[test]
fn a_sessions_own_modern_process_is_found_out_even_where_it_is_thought_to_die_of_being_asked() {
    let world = Arc::new(World::new());
    world.learnt.died_of_probe();
    let client = world.session(EVERYTHING);
    let role = Role::Own(Arc::clone(&client.session));
    let mut h = Harness::with(&world, role, |s| s.era = EraChoice::Auto);
    let mut opened = h.open(&client);
    h.mux.child_started(h.now);
    let own = h.sent_one();
    h.error(id_of(&own), -32022);
    opened.is_silent();
    let probe = id_of(&h.sent_one());
    h.result(probe, DISCOVERED);
    assert_eq!(json(&opened.only())["result"]["serverInfo"]["name"], "m");
    assert_eq!(known(&h), Known::Era(Era::Modern));
}

#[test]
fn a_refused_initialize_reaches_its_client_as_it_was() {
    for dies in [false, true] {
        let world = Arc::new(World::new());
        let client = world.session(EVERYTHING);
        let role = Role::Own(Arc::clone(&client.session));
        let mut h = Harness::with(&world, role, |s| s.era = EraChoice::Auto);
        let mut opened = h.open(&client);
        h.mux.child_started(h.now);
        let id = id_of(&h.sent_one());
        h.child(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"not you"}}}}"#
        ));
        let probe = id_of(&h.sent_one());
        assert!(h.mux.awaits_discover());
        if dies {
            h.die();
        } else {
            h.error(probe, -32601);
        }
        let answer = json(&opened.only());
        assert_eq!(answer["error"]["message"], "not you", "{dies}");
        assert!(client.session.is_over());
    }
}
