//! What is remembered about opening a child, and for how long.

use super::*;

#[test]
fn an_era_that_was_answered_counts_for_a_day() {
    let (learnt, now) = (Learnt::default(), Instant::now());
    assert_eq!(learnt.opening(now), Known::Nothing);
    learnt.answered_as(Era::Modern, now);
    assert_eq!(learnt.opening(now + ERA_KEPT / 2), Known::Era(Era::Modern));
    assert_eq!(learnt.opening(now + ERA_KEPT), Known::Nothing);
}

#[test]
fn a_death_by_the_probe_counts_until_a_child_has_answered_without_it() {
    let (learnt, now) = (Learnt::default(), Instant::now());
    learnt.answered_as(Era::Modern, now);
    learnt.died_of_probe();
    assert_eq!(learnt.opening(now), Known::DiesOfProbe);
    learnt.answered_as(Era::Legacy, now);
    assert_eq!(learnt.opening(now), Known::Era(Era::Legacy));
    learnt.forget_era();
    assert_eq!(learnt.opening(now), Known::Nothing);
}

#[test]
fn the_version_of_the_tools_only_grows() {
    let learnt = Learnt::default();
    let before = learnt.tools_version();
    learnt.tools_changed();
    assert!(learnt.tools_version() > before);
}
