//! The scenarios, and what each should show.
//!
//! Owns the table. Must not know how anything is measured.

use super::goal::{Goal, Test};
use super::peers::Peer;
use super::scenario::{Call, Client, Era, Kept, Scenario, Server, Setup, Side, Work};

/// Bytes of text where the size is not what is measured.
const SMALL: usize = 64;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Proxies in JavaScript and Python.
const SLOWER: &[&str] = &["supergateway", "mcp-proxy-npm", "mcp-proxy-pypi", "fastmcp"];

/// Threads of the references. Each has as many as suit it best on two cores, of which the load
/// generator takes a part: the scenario `references` shows it.
pub(super) const BARE_THREADS: usize = 1;
pub(super) const FLOOR_THREADS: usize = 1;

/// The references in different numbers of threads.
pub(super) fn references() -> Scenario {
    let work = load(Client::Stream, 32, Call::Echo(SMALL));
    let floor = |threads| Server::Floor { era: Era::Legacy, threads, children: 1 };
    Scenario {
        sides: vec![
            side("bare, 1 thread", Server::Bare { threads: 1 }, work),
            side("bare, 2 threads", Server::Bare { threads: 2 }, work),
            side("floor, 1 thread", floor(1), work),
            side("floor, 2 threads", floor(2), work),
        ],
        ..empty("references", "32 sessions, the references in one and two threads".to_owned())
    }
}

/// Latency and throughput of small calls.
pub(super) fn throughput(peers: &[Peer]) -> Vec<Scenario> {
    let stream = |sessions| load(Client::Stream, sessions, Call::Echo(SMALL));
    let sse = |sessions| load(Client::Sse, sessions, Call::Echo(SMALL));
    let mut scenarios = vec![
        Scenario {
            goals: vec![goal("p50 ≤ 1.3 × floor", "p50_us", Test::TimesAtMost("floor", 1.3))],
            ..usual("one-session", "1 session, Streamable HTTP", stream(1))
        },
        Scenario {
            goals: vec![
                goal("rps ≥ 75 % of floor", "rps", Test::TimesAtLeast("floor", 0.75)),
                goal("CPU ≤ 1.5 × floor", "cpu_us", Test::TimesAtMost("floor", 1.5)),
                goal("p99 ≤ 2 × floor", "p99_us", Test::TimesAtMost("floor", 2.0)),
                goal(
                    "rps ≥ 30 × the best in JavaScript or Python",
                    "rps",
                    Test::TimesBestAtLeast(SLOWER, 30.0),
                ),
            ],
            ..usual("stream-32", "32 sessions, Streamable HTTP", stream(32))
        },
        usual("stream-256", "256 sessions, Streamable HTTP", stream(256)),
        usual(
            "events-32",
            "32 sessions, Streamable HTTP, answers as event streams",
            load(Client::Stream, 32, Call::Events(SMALL)),
        ),
        Scenario {
            goals: vec![
                goal("rps ≥ 65 % of floor", "rps", Test::TimesAtLeast("floor", 0.65)),
                goal("rps ≥ 4 × rmcp-proxy", "rps", Test::TimesBestAtLeast(&["rmcp-proxy"], 4.0)),
            ],
            ..with_floor("sse-32", "32 sessions, HTTP+SSE", sse(32))
        },
        with_floor("sse-256", "256 sessions, HTTP+SSE", sse(256)),
    ];
    for scenario in &mut scenarios {
        if ["one-session", "stream-32", "sse-32"].contains(&scenario.name) {
            join(scenario, peers);
        }
    }
    scenarios
}

/// 2026-07-28, and clients and children of different eras.
pub(super) fn eras() -> Vec<Scenario> {
    let modern = |sessions| load(Client::Modern, sessions, Call::Echo(SMALL));
    let legacy = load(Client::Stream, 32, Call::Echo(SMALL));
    let floor = Server::Floor { era: Era::Modern, threads: FLOOR_THREADS, children: 1 };
    let modern_child = Server::Standpipe(Setup { era: Era::Modern, ..Setup::default() });
    let legacy_child = standpipe();
    let same = |name, sessions: usize| Scenario {
        sides: vec![
            side("bare", bare(), modern(sessions)),
            side("floor", floor.clone(), modern(sessions)),
            side("standpipe", modern_child.clone(), modern(sessions)),
        ],
        against: Some("floor"),
        ..empty(name, format!("{sessions} callers, 2026-07-28"))
    };
    let bridge = |name, title: &str, sides| Scenario {
        sides,
        against: Some("same-era"),
        goals: vec![Goal {
            side: "bridge",
            ..goal("rps ≥ 85 % of same-era", "rps", Test::TimesAtLeast("same-era", 0.85))
        }],
        ..empty(name, title.to_owned())
    };
    vec![
        same("modern-32", 32),
        same("modern-256", 256),
        bridge(
            "bridge-modern-client",
            "32 callers of 2026-07-28, a child of 2025-11-25",
            vec![
                side("same-era", modern_child.clone(), modern(32)),
                side("bridge", legacy_child.clone(), modern(32)),
            ],
        ),
        bridge(
            "bridge-legacy-client",
            "32 sessions of 2025-11-25, a child of 2026-07-28",
            vec![side("same-era", legacy_child, legacy), side("bridge", modern_child, legacy)],
        ),
    ]
}

/// Messages of every size.
pub(super) fn sizes(peers: &[Peer]) -> Vec<Scenario> {
    let echo = |sessions, size| load(Client::Stream, sessions, Call::Echo(size));
    let mut answers = Scenario {
        goals: vec![
            goal("MB/s ≥ 75 % of floor", "mb_per_s", Test::TimesAtLeast("floor", 0.75)),
            goal("peak RSS ≤ 64 MB", "rss_peak_kib", Test::AtMost(62_500.0)),
        ],
        ..usual(
            "answers-1mib",
            "8 sessions, answers of 1 MiB",
            load(Client::Stream, 8, Call::Blob(MIB)),
        )
    };
    join(&mut answers, peers);
    vec![
        answers,
        usual("both-1kib", "8 sessions, 1 KiB both ways", echo(8, KIB)),
        usual("both-64kib", "8 sessions, 64 KiB both ways", echo(8, 64 * KIB)),
        usual("both-1mib", "8 sessions, 1 MiB both ways", echo(8, MIB)),
        usual("both-16mib", "2 sessions, 16 MiB both ways", echo(2, 16 * MIB)),
    ]
}

/// What services, sessions and features cost.
pub(super) fn costs(peers: &[Peer], quick: bool) -> Vec<Scenario> {
    let mut few = idle("idle-200", 200);
    join(&mut few, peers);
    let scenarios = [services(), few, fanout(if quick { 100 } else { 1000 })];
    let many =
        if quick { vec![] } else { vec![idle("idle-2000", 2000), idle("idle-10000", 10_000)] };
    let small = load(Client::Stream, 32, Call::Echo(SMALL));
    let feature = |off: (&str, Setup), on: (&str, Setup)| {
        vec![
            side(off.0, Server::Standpipe(off.1), small),
            side(on.0, Server::Standpipe(on.1), small),
        ]
    };
    let quiet = Setup { log: Some("warn"), ..Setup::default() };
    let last = [
        Scenario {
            sides: vec![
                side("child", Server::Child, Work::Cold),
                side("standpipe", standpipe(), Work::Cold),
            ],
            goals: vec![goal(
                "≤ 10 ms over the child's own start",
                "start_us",
                Test::MoreAtMost("child", 10_000.0),
            )],
            ..empty("cold-start", "the first request, with no child running".to_owned())
        },
        Scenario {
            sides: vec![side(
                "standpipe",
                Server::Standpipe(Setup { services: 200, ..Setup::default() }),
                Work::Rest,
            )],
            goals: vec![
                goal("RSS ≤ 20 MB", "rss_kib", Test::AtMost(19_531.0)),
                goal("start ≤ 50 ms", "listening_us", Test::AtMost(50_000.0)),
            ],
            ..empty("configured-200", "200 configured services, none running".to_owned())
        },
        Scenario {
            sides: feature(
                ("not-scraped", Setup::default()),
                ("scraped", Setup { scraped: true, ..Setup::default() }),
            ),
            against: Some("not-scraped"),
            goals: vec![Goal {
                side: "scraped",
                ..goal("rps ≥ 95 %", "rps", Test::TimesAtLeast("not-scraped", 0.95))
            }],
            ..empty("metrics", "32 sessions, metrics scraped ten times a second".to_owned())
        },
        Scenario {
            sides: feature(("warn", quiet), ("info", Setup { log: Some("info"), ..quiet })),
            against: Some("warn"),
            goals: vec![Goal {
                side: "info",
                ..goal("rps ≥ 85 %", "rps", Test::TimesAtLeast("warn", 0.85))
            }],
            ..empty("log", "32 sessions, log level info against warn".to_owned())
        },
    ];
    scenarios.into_iter().chain(many).chain(last).collect()
}

fn services() -> Scenario {
    let work = load(Client::Stream, 64, Call::Echo(SMALL));
    let many = |services| Server::Standpipe(Setup { services, ..Setup::default() });
    let floor = |children| Server::Floor { era: Era::Legacy, threads: FLOOR_THREADS, children };
    Scenario {
        sides: vec![
            side("1-service", many(1), work),
            side("8-services", many(8), work),
            side("64-services", many(64), work),
            side("floor, 1 child", floor(1), work),
            side("floor, 64 children", floor(64), work),
        ],
        against: Some("1-service"),
        goals: vec![Goal {
            side: "64-services",
            ..goal(
                "rps without the children ≥ 90 % of one service",
                "rps_without_children",
                Test::TimesAtLeast("1-service", 0.9),
            )
        }],
        ..empty("services", "64 sessions on 1, 8 and 64 services".to_owned())
    }
}

fn idle(name: &'static str, sessions: usize) -> Scenario {
    let idle = |kept| Work::Idle { sessions, kept };
    Scenario {
        sides: vec![
            side("bare, connection", bare(), idle(Kept::Connection)),
            side("bare, GET stream", bare(), idle(Kept::Stream)),
            side("no connection", standpipe(), idle(Kept::Nothing)),
            side("connection", standpipe(), idle(Kept::Connection)),
            side("GET stream", standpipe(), idle(Kept::Stream)),
        ],
        goals: vec![
            Goal {
                side: "no connection",
                ..goal("≤ 2 KiB without a connection", "bytes_per_session", Test::AtMost(2048.0))
            },
            Goal {
                side: "GET stream",
                ..goal("≤ 30 KiB with its GET stream", "bytes_per_session", Test::AtMost(30_720.0))
            },
        ],
        ..empty(name, format!("{sessions} idle sessions"))
    }
}

fn fanout(streams: usize) -> Scenario {
    Scenario {
        sides: vec![side("standpipe", standpipe(), Work::Fanout { streams })],
        ..empty("fanout", format!("a notification to {streams} open GET streams"))
    }
}

/// Both references and the product at the same work.
fn usual(name: &'static str, title: &str, work: Work) -> Scenario {
    let mut scenario = with_floor(name, title, work);
    scenario.sides.insert(0, side("bare", bare(), work));
    scenario
}

fn with_floor(name: &'static str, title: &str, work: Work) -> Scenario {
    Scenario {
        sides: vec![
            side(
                "floor",
                Server::Floor { era: Era::Legacy, threads: FLOOR_THREADS, children: 1 },
                work,
            ),
            side("standpipe", standpipe(), work),
        ],
        against: Some("floor"),
        ..empty(name, title.to_owned())
    }
}

fn empty(name: &'static str, title: String) -> Scenario {
    Scenario { name, title, sides: Vec::new(), against: None, goals: Vec::new() }
}

/// Adds the peers that speak what the scenario is about.
fn join(scenario: &mut Scenario, peers: &[Peer]) {
    let Some(Side { work, .. }) = scenario.sides.first().cloned() else {
        return;
    };
    for peer in peers {
        if let Some(work) = peer.joins(work) {
            scenario.sides.push(side(peer.name, Server::Peer(Box::new(peer.clone())), work));
        }
    }
}

fn side(name: &str, server: Server, work: Work) -> Side {
    Side { name: name.to_owned(), server, work }
}

fn load(client: Client, sessions: usize, call: Call) -> Work {
    Work::Load { client, sessions, call }
}

fn standpipe() -> Server {
    Server::Standpipe(Setup::default())
}

fn bare() -> Server {
    Server::Bare { threads: BARE_THREADS }
}

/// A goal of the side `standpipe`.
fn goal(says: &'static str, metric: &'static str, test: Test) -> Goal {
    Goal { says, side: "standpipe", metric, test }
}
