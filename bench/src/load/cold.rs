//! How long a first answer takes, from a server whose child is not running and from the child alone.
//!
//! Owns the two clocks, which end at the same event: the answer to `initialize`. Must not know what
//! happens in between.

use std::io;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::Connection;
use super::http::broken;
use super::session::{initialize, say};
use super::statistics::{Latencies, rounded};
use super::target::Target;
use super::template::Transport;
use crate::opening;

/// Opens one session with each target; nobody may have asked there before.
pub(super) fn servers(targets: &[Target]) -> io::Result<(Value, bool)> {
    let mut latencies = Latencies::default();
    for target in targets {
        let mut connection = Connection::open(target)?;
        let body = initialize(Transport::Stream);
        let start = Instant::now();
        let (head, _) = say(target, Transport::Stream, None, &body, &mut connection)?;
        latencies.add(start.elapsed());
        if head.status != 200 {
            return Err(broken("initialize was refused"));
        }
    }
    Ok((report(latencies), true))
}

/// Starts a child so often, and ends it each time.
pub(super) fn child(times: u32, command: &[String]) -> io::Result<(Value, bool)> {
    let mut latencies = Latencies::default();
    for _ in 0..times {
        let start = Instant::now();
        let opened = opening::open(command, false)?;
        latencies.add(start.elapsed());
        let opening::Opened { mut child, stdin, stdout, .. } = opened;
        drop((stdin, stdout));
        child.wait()?;
    }
    Ok((report(latencies), true))
}

fn report(mut latencies: Latencies) -> Value {
    latencies.sort();
    json!({
        "p50_us": rounded(latencies.permille(500)),
        "max_us": rounded(latencies.permille(1000)),
    })
}
