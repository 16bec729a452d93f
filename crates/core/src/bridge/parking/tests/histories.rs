//! Random histories of modern requests, a legacy child that asks, and time. Everything carries a tag
//! that says whose it is; whatever happens, a question reaches its own caller alone, and nothing is
//! left when everybody has gone.

mod child;
mod world;

use std::time::Duration;

use proptest::prelude::*;
use world::World;

/// What may happen next. Numbers pick one of what there is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Call {
        capable: bool,
    },
    Listen,
    /// The client closes its response.
    GoAway(usize),
    /// The child reads what was written to it.
    Read,
    Ask(usize),
    Withdraw(usize),
    Reply(usize),
    /// What was asked of a call is put to its client.
    Park(usize),
    Retry {
        call: usize,
        how: Retry,
    },
    Die,
    Pass(Duration),
}

/// How a client calls again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Retry {
    Right,
    WithoutAnswers,
    Malformed,
    OtherParameters,
    OtherService,
    OtherPrincipal,
    Used,
}

fn retry() -> impl Strategy<Value = Retry> {
    prop_oneof![
        6 => Just(Retry::Right),
        1 => Just(Retry::WithoutAnswers),
        1 => Just(Retry::Malformed),
        1 => Just(Retry::OtherParameters),
        1 => Just(Retry::OtherService),
        1 => Just(Retry::OtherPrincipal),
        2 => Just(Retry::Used),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let one = 0..64_usize;
    let times = prop::sample::select(vec![1, 30, 61, 181, 301]);
    prop_oneof![
        3 => prop::bool::weighted(0.9).prop_map(|capable| Event::Call { capable }),
        1 => Just(Event::Listen),
        2 => one.clone().prop_map(Event::GoAway),
        4 => Just(Event::Read),
        9 => one.clone().prop_map(Event::Ask),
        1 => one.clone().prop_map(Event::Withdraw),
        3 => one.clone().prop_map(Event::Reply),
        9 => one.clone().prop_map(Event::Park),
        7 => (one, retry()).prop_map(|(call, how)| Event::Retry { call, how }),
        1 => Just(Event::Die),
        2 => times.prop_map(|seconds| Event::Pass(Duration::from_secs(seconds))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_left_and_nobody_answers_for_another(
        events in prop::collection::vec(event(), 1..120)
    ) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        world.finish();
    }
}
