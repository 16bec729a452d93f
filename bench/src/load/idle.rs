//! What sessions cost that do nothing.
//!
//! Owns the opening of many of them and the memory before and after. Must not know what the server
//! keeps for each.

use std::io;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::connection::Connection;
use super::http::broken;
use super::process;
use super::session::shake_hands;
use super::statistics::{float, rounded};
use super::target::Target;
use super::template::Transport;

/// How long the server may take to give back what opening sessions took.
const REST: Duration = Duration::from_millis(500);

/// What of a session stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Nothing,
    Connection,
    Stream,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) target: Target,
    pub(super) count: usize,
    pub(super) kept: Kept,
    pub(super) pids: Vec<i32>,
}

/// Opens the sessions and reads the memory of each process before and after.
pub(super) fn run(idle: &Idle) -> io::Result<(Value, bool)> {
    // The first one starts the child, which is no part of a session's cost.
    let first = open(idle)?;
    thread::sleep(REST);
    let before = resident(&idle.pids)?;
    let start = Instant::now();
    let mut kept = vec![first];
    for _ in 1..idle.count {
        let connection = open(idle)?;
        if idle.kept != Kept::Nothing {
            kept.push(connection);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    thread::sleep(REST);
    let after = resident(&idle.pids)?;
    let mut each = Map::new();
    let mut total = 0.0;
    for ((pid, before), after) in idle.pids.iter().zip(&before).zip(&after) {
        let bytes = (float(*after) - float(*before)) * 1024.0
            / float((idle.count as u64).saturating_sub(1).max(1));
        total += bytes;
        each.insert(
            pid.to_string(),
            json!({
                "rss_before_kib": before,
                "rss_after_kib": after,
                "bytes_per_session": rounded(bytes),
            }),
        );
    }
    let report = json!({
        "sessions": idle.count,
        "seconds": rounded(seconds),
        "bytes_per_session": rounded(total),
        "processes": each,
    });
    Ok((report, true))
}

fn resident(pids: &[i32]) -> io::Result<Vec<u64>> {
    pids.iter().map(|pid| process::resident(*pid)).collect()
}

fn open(idle: &Idle) -> io::Result<Connection> {
    let mut connection = Connection::open(&idle.target)?;
    let session = shake_hands(&idle.target, Transport::Stream, &mut connection, None)?;
    if idle.kept == Kept::Stream {
        stream(&idle.target, session.as_deref(), &mut connection)?;
    }
    connection.incoming.shrink();
    Ok(connection)
}

/// Opens a session's GET stream.
pub(super) fn stream(
    target: &Target,
    session: Option<&str>,
    connection: &mut Connection,
) -> io::Result<()> {
    let more = format!(
        "Accept: text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {}\r\n\r\n",
        session.unwrap_or_default()
    );
    let head = connection.begin(target.head("GET", &more).as_bytes())?;
    if head.status != 200 || !head.is_events {
        return Err(broken("the GET stream was refused"));
    }
    Ok(())
}
