//! What the load generator was asked to do.
//!
//! Owns its command line. Must not know how anything is measured.

use std::io;
use std::time::Duration;

use serde_json::Value;

use super::cold;
use super::drive::{self, Load};
use super::fanout;
use super::http::broken;
use super::idle::{self, Idle, Kept};
use super::session::Kind;
use super::target::Target;
use super::template::{Tool, Transport};
use crate::arguments::Arguments;

/// Does what the command line says; gives the report, and whether everything was right.
pub fn run(mut arguments: Arguments) -> io::Result<(Value, bool)> {
    let targets = arguments
        .all::<String>("--url")?
        .iter()
        .map(|url| Target::new(url))
        .collect::<io::Result<Vec<_>>>()?;
    if let Some(times) = arguments.one("--child-start")? {
        return cold::child(times, &arguments.finish()?);
    }
    let Some(first) = targets.first().cloned() else {
        return Err(broken("--url is missing"));
    };
    if arguments.flag("--cold") {
        arguments.finish()?;
        return cold::servers(&targets);
    }
    let pids = arguments.all("--pid")?;
    if let Some(count) = arguments.one("--idle")? {
        let has_stream = arguments.flag("--get-stream");
        let kept = match (has_stream, arguments.flag("--hold")) {
            (true, _) => Kept::Stream,
            (false, true) => Kept::Connection,
            (false, false) => Kept::Nothing,
        };
        arguments.finish()?;
        return idle::run(&Idle { target: first, count, kept, pids });
    }
    if let Some(count) = arguments.one("--fanout")? {
        let rounds = arguments.one("--requests")?.unwrap_or(20);
        arguments.finish()?;
        return fanout::run(&first, count, rounds, &pids);
    }
    let transport = match arguments.one::<String>("--transport")?.as_deref() {
        None | Some("stream") => Transport::Stream,
        Some("modern") => Transport::Modern,
        Some("sse") => Transport::Sse,
        Some(_) => return Err(broken("--transport is stream, modern or sse")),
    };
    let tool = arguments.one::<String>("--tool")?;
    let answer = arguments.one::<String>("--answer")?;
    let tool = match (tool.as_deref(), answer.as_deref()) {
        (None | Some("echo"), None | Some("json")) => Tool::Echo,
        (None | Some("echo"), Some("stream")) => Tool::ProgressEcho,
        (Some("blob"), None | Some("json")) => Tool::Blob,
        _ => return Err(broken("--tool is echo or blob, --answer is json or stream (echo only)")),
    };
    let size = arguments.one("--bytes")?.unwrap_or(64);
    let requests = arguments.one("--requests")?;
    let seconds = arguments.one("--seconds")?;
    let warmup = arguments.one("--warmup-seconds")?.unwrap_or(0.5);
    let sessions = arguments.one("--sessions")?.unwrap_or(1);
    arguments.finish()?;
    let length = match (seconds, requests) {
        (Some(seconds), _) => Duration::from_secs_f64(seconds),
        (None, Some(_)) => Duration::from_mins(10),
        (None, None) => Duration::from_secs(3),
    };
    drive::run(&Load {
        targets,
        kind: Kind { transport, tool, size },
        sessions,
        warmup: Duration::from_secs_f64(warmup),
        length,
        requests: requests.unwrap_or(u64::MAX),
        pids,
    })
}
