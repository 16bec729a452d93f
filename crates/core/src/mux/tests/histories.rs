//! Random histories of clients, a child and time. Everything carries a tag that says whose it is, and
//! the child knows for whom it speaks; so every message that is read can be checked.

mod child;
mod driver;

use std::time::Duration;

use driver::Driver;
use proptest::prelude::*;

/// Clients that come and go.
const CLIENTS: usize = 4;

/// What may happen next. Numbers pick one of what there is.
#[derive(Debug, Clone, Copy)]
enum Event {
    Open(usize),
    Close(usize),
    Request {
        client: usize,
        id: usize,
        what: What,
        token: bool,
    },
    Cancel {
        client: usize,
        id: usize,
    },
    Notify(usize),
    /// Answers a question that it was asked, or that somebody else was.
    Answer {
        client: usize,
        question: usize,
        own: bool,
    },
    /// The child reads what was written to it.
    Read,
    Reply {
        call: usize,
        how: Reply,
    },
    Ask {
        call: usize,
        roots: bool,
    },
    Withdraw(usize),
    Progress(usize),
    Log(usize),
    ListChanged,
    Updated(usize),
    Nonsense {
        call: usize,
        which: usize,
    },
    Die,
    Pass(Duration),
}

#[derive(Debug, Clone, Copy)]
enum What {
    Tool(usize),
    List,
    Subscribe(usize),
    Unsubscribe(usize),
    Level(usize),
}

#[derive(Debug, Clone, Copy)]
enum Reply {
    Result,
    Twice,
    Error,
    Malformed,
    Oversized,
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        5 => (0..9_usize).prop_map(What::Tool),
        2 => Just(What::List),
        2 => (0..2_usize).prop_map(What::Subscribe),
        1 => (0..2_usize).prop_map(What::Unsubscribe),
        1 => (0..3_usize).prop_map(What::Level),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        6 => Just(Reply::Result),
        1 => Just(Reply::Twice),
        1 => Just(Reply::Error),
        1 => Just(Reply::Malformed),
        1 => Just(Reply::Oversized),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let one = 0..64_usize;
    let client = 0..CLIENTS;
    let times = prop::sample::select(vec![1, 30, 61, 181, 301]);
    prop_oneof![
        4 => client.clone().prop_map(Event::Open),
        2 => client.clone().prop_map(Event::Close),
        12 => (client.clone(), 0..4_usize, what(), any::<bool>())
            .prop_map(|(client, id, what, token)| Event::Request { client, id, what, token }),
        3 => (client.clone(), 0..4_usize).prop_map(|(client, id)| Event::Cancel { client, id }),
        1 => client.clone().prop_map(Event::Notify),
        6 => (client, one.clone(), prop::bool::weighted(0.8))
            .prop_map(|(client, question, own)| Event::Answer { client, question, own }),
        10 => Just(Event::Read),
        6 => (one.clone(), reply()).prop_map(|(call, how)| Event::Reply { call, how }),
        6 => (one.clone(), prop::bool::weighted(0.2))
            .prop_map(|(call, roots)| Event::Ask { call, roots }),
        1 => one.clone().prop_map(Event::Withdraw),
        3 => one.clone().prop_map(Event::Progress),
        3 => one.clone().prop_map(Event::Log),
        1 => Just(Event::ListChanged),
        2 => (0..2_usize).prop_map(Event::Updated),
        2 => (one, 0..6_usize).prop_map(|(call, which)| Event::Nonsense { call, which }),
        1 => Just(Event::Die),
        3 => times.prop_map(|seconds| Event::Pass(Duration::from_secs(seconds))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_gets_anothers_message_and_every_call_ends_once(
        events in prop::collection::vec(event(), 1..150)
    ) {
        let mut driver = Driver::new();
        for event in events {
            driver.happen(event);
        }
        driver.finish();
    }
}
