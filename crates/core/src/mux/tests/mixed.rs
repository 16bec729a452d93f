//! Random histories of clients of both eras and children of both eras, one after the other. As in
//! `histories`, everything carries a tag that says whose it is.

mod child;
mod driver;
mod reader;

use std::time::Duration;

use driver::Driver;
use proptest::prelude::*;

/// What may happen next. Numbers pick one of what there is.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A legacy client opens a session, or closes it.
    Toggle(usize),
    /// It sends a request.
    Legacy {
        place: usize,
        what: What,
        token: bool,
    },
    /// It cancels its newest call.
    Cancel(usize),
    /// A modern client sends a request.
    Modern {
        what: What,
        token: bool,
        can: bool,
        level: bool,
    },
    /// A modern client listens.
    Listen {
        uri: Option<usize>,
        tools: bool,
    },
    /// A modern client closes a connection.
    Leave(usize),
    /// Somebody answers a question, or refuses to.
    Answer {
        which: usize,
        refuse: bool,
    },
    /// The child reads what was written to it.
    Read,
    Reply {
        call: usize,
        how: Reply,
    },
    /// A legacy child asks in the middle of a call.
    Ask(usize),
    Withdraw(usize),
    Progress(usize),
    Log(usize),
    ToolsChanged,
    Updated(usize),
    /// A modern child acknowledges, ends or tears down a stream.
    Stream {
        which: usize,
        how: Stream,
    },
    /// The child dies; the next one may be of the other era.
    Die {
        modern: bool,
    },
    Pass(Duration),
}

#[derive(Debug, Clone, Copy)]
enum What {
    Tool(usize),
    List,
    Subscribe(usize),
    Unsubscribe(usize),
}

#[derive(Debug, Clone, Copy)]
enum Reply {
    Result,
    Twice,
    Error,
    ToolError,
    /// Only a modern child can.
    Input {
        questions: usize,
    },
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Acknowledge,
    End,
    TearDown,
}

fn event() -> impl Strategy<Value = Event> {
    let one = || 0..64_usize;
    let what = || {
        prop_oneof![
            6 => (0..4_usize).prop_map(What::Tool),
            2 => Just(What::List),
            1 => (0..2_usize).prop_map(What::Subscribe),
            1 => (0..2_usize).prop_map(What::Unsubscribe),
        ]
    };
    let reply = prop_oneof![
        5 => Just(Reply::Result),
        1 => Just(Reply::Twice),
        1 => Just(Reply::Error),
        1 => Just(Reply::ToolError),
        4 => (0..3_usize).prop_map(|questions| Reply::Input { questions }),
    ];
    let stream = prop_oneof![4 => Just(Stream::Acknowledge), 1 => Just(Stream::End), 1 => Just(Stream::TearDown)];
    let times = prop::sample::select(vec![1, 6, 30, 61, 181, 301]);
    prop_oneof![
        3 => (0..2_usize).prop_map(Event::Toggle),
        6 => (0..2_usize, what(), any::<bool>())
            .prop_map(|(place, what, token)| Event::Legacy { place, what, token }),
        1 => (0..2_usize).prop_map(Event::Cancel),
        10 => (what(), any::<bool>(), prop::bool::weighted(0.7), any::<bool>())
            .prop_map(|(what, token, can, level)| Event::Modern { what, token, can, level }),
        3 => (prop::option::of(0..2_usize), any::<bool>())
            .prop_map(|(uri, tools)| Event::Listen { uri, tools }),
        3 => one().prop_map(Event::Leave),
        6 => (one(), prop::bool::weighted(0.2))
            .prop_map(|(which, refuse)| Event::Answer { which, refuse }),
        12 => Just(Event::Read),
        8 => (one(), reply).prop_map(|(call, how)| Event::Reply { call, how }),
        6 => one().prop_map(Event::Ask),
        1 => one().prop_map(Event::Withdraw),
        2 => one().prop_map(Event::Progress),
        2 => one().prop_map(Event::Log),
        2 => Just(Event::ToolsChanged),
        2 => (0..2_usize).prop_map(Event::Updated),
        4 => (one(), stream).prop_map(|(which, how)| Event::Stream { which, how }),
        1 => any::<bool>().prop_map(|modern| Event::Die { modern }),
        2 => times.prop_map(|seconds| Event::Pass(Duration::from_secs(seconds))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_gets_what_is_theirs_and_nothing_is_left(
        modern in any::<bool>(),
        events in prop::collection::vec(event(), 1..150),
    ) {
        let mut driver = Driver::new(modern);
        for event in events {
            driver.happen(event);
        }
        driver.finish();
    }
}
