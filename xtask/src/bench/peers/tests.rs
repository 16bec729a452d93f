//! Which peers take part in what.

use std::path::PathBuf;

use super::{KNOWN, Peer};
use crate::bench::scenario::{Call, Client, Work};

fn peer(name: &str, failure: Option<&str>) -> Peer {
    let known = KNOWN.iter().find(|known| known.name == name).unwrap();
    let failure = failure.map(str::to_owned);
    Peer { name: known.name, known, folder: PathBuf::new(), failure }
}

fn joined(peer: &Peer, client: Client, sessions: usize) -> Option<Client> {
    match peer.joins(Work::Load { client, sessions, call: Call::Echo(64) })? {
        Work::Load { client, .. } => Some(client),
        _ => None,
    }
}

#[test]
fn a_peer_takes_part_in_what_it_speaks() {
    let both = peer("mcp-proxy-npm", None);
    assert_eq!(joined(&both, Client::Stream, 32), Some(Client::Stream));
    assert_eq!(joined(&both, Client::Sse, 32), Some(Client::Sse));
    let sse = peer("rmcp-proxy", None);
    assert_eq!(joined(&sse, Client::Stream, 32), None);
    assert_eq!(joined(&sse, Client::Stream, 1), Some(Client::Sse));
    assert_eq!(joined(&sse, Client::Sse, 32), Some(Client::Sse));
}

#[test]
fn one_that_is_not_installed_takes_no_part_and_says_why() {
    let peer = peer("fastmcp", Some("ran /some/where\nerror: no network\nin /else/where"));
    assert_eq!(joined(&peer, Client::Stream, 32), None);
    assert!(peer.described().ends_with("could not be installed: no network"));
}
