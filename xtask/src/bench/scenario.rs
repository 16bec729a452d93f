//! What a scenario is: sides that do the same work in the same round.
//!
//! Owns the words for servers and for work. Must not know how either is run.

use super::goal::Goal;
use super::peers::Peer;
use super::table;

/// Sides that are compared.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) sides: Vec<Side>,
    /// The side that ratios are taken to, if any.
    pub(super) against: Option<&'static str>,
    pub(super) goals: Vec<Goal>,
}

impl Scenario {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// A side's number.
    pub(super) fn side(&self, name: &str) -> Option<usize> {
        self.sides.iter().position(|side| side.name == name)
    }
}

/// A server and its work.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) name: String,
    pub(super) server: Server,
    pub(super) work: Work,
}

impl Side {
    pub(super) fn is_peer(&self) -> bool {
        matches!(self.server, Server::Peer(_))
    }
}

/// Which program is measured.
#[derive(Debug, Clone)]
pub(super) enum Server {
    /// No child behind.
    Bare { threads: usize },
    /// One child behind, or several, ids replaced, nothing else.
    Floor { era: Era, threads: usize, children: usize },
    /// The product.
    Standpipe(Setup),
    /// Another proxy.
    Peer(Box<Peer>),
    /// None: the child alone.
    Child,
}

/// What the child speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Legacy,
    Modern,
}

/// How Standpipe is set up. Everything else is as by default.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) services: usize,
    pub(super) era: Era,
    pub(super) log: Option<&'static str>,
    /// Its metrics are read ten times a second.
    pub(super) scraped: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { services: 1, era: Era::Legacy, log: None, scraped: false }
    }
}

/// Which protocol the clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Stream,
    Modern,
    Sse,
}

/// What is done with a server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// Calls, one at a time in each session.
    Load { client: Client, sessions: usize, call: Call },
    /// Sessions that do nothing.
    Idle { sessions: usize, kept: Kept },
    /// GET streams, and a notification to all of them.
    Fanout { streams: usize },
    /// First requests, each to a service whose child is not running.
    Cold,
    /// Nothing: what it takes to be there.
    Rest,
}

/// What of an idle session is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Nothing,
    Connection,
    Stream,
}

/// What is called.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    /// The text comes back, as JSON.
    Echo(usize),
    /// The text comes back behind a progress notification, so on an event stream.
    Events(usize),
    /// A text comes.
    Blob(usize),
}

/// Every scenario, with the peers where they take part. `quick` ones are smaller.
pub(super) fn all(peers: &[Peer], quick: bool) -> Vec<Scenario> {
    let mut scenarios = vec![table::references()];
    scenarios.extend(table::throughput(peers));
    scenarios.extend(table::eras());
    scenarios.extend(table::sizes(peers));
    scenarios.extend(table::costs(peers, quick));
    scenarios
}
