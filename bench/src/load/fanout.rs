//! How long a notification takes to reach everybody.
//!
//! Owns many GET streams and the call that sets off a notification on all of them. Must not know
//! how it gets there.

use std::io;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::Connection;
use super::http::broken;
use super::idle::stream;
use super::process;
use super::session::{say, shake_hands};
use super::statistics::{Latencies, float, rounded};
use super::target::Target;
use super::template::Transport;
use crate::scan;

/// How long the last stream may take.
const PATIENCE: Duration = Duration::from_secs(30);

const CALL: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","#,
    r#""params":{"name":"announce","arguments":{"text":"x"}}}"#
);

/// Opens the streams and announces so often; gives the times until all of them had it.
pub(super) fn run(
    target: &Target,
    count: usize,
    rounds: u32,
    pids: &[i32],
) -> io::Result<(Value, bool)> {
    let mut caller = Connection::open(target)?;
    let session = shake_hands(target, Transport::Stream, &mut caller, None)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut streams = Vec::with_capacity(count);
    for number in 0..count {
        let mut connection = Connection::open(target)?;
        let session = shake_hands(target, Transport::Stream, &mut connection, None)?;
        stream(target, session.as_deref(), &mut connection)?;
        connection.incoming.shrink();
        connection.unblock()?;
        epoll.add(connection.fd(), EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
        streams.push(connection);
    }
    let mut all = Latencies::default();
    let mut each = Latencies::default();
    let before = cpu(pids)?;
    for _ in 0..rounds {
        let start = Instant::now();
        let (head, _) = say(target, Transport::Stream, session.as_deref(), CALL, &mut caller)?;
        if head.status != 200 {
            return Err(broken("announce was refused"));
        }
        let mut left = streams.len();
        let mut events = vec![EpollEvent::empty(); 256];
        while left > 0 {
            let wait = EpollTimeout::try_from(PATIENCE).unwrap_or(EpollTimeout::NONE);
            let ready = epoll.wait(&mut events, wait)?;
            if ready == 0 {
                return Err(broken("a stream did not get the notification"));
            }
            for event in &events[..ready] {
                let number = usize::try_from(event.data()).unwrap_or_default();
                let got = notified(&mut streams[number])?;
                for _ in 0..got {
                    each.add(start.elapsed());
                }
                left = left.checked_sub(got).ok_or_else(|| broken("a notification came twice"))?;
            }
        }
        all.add(start.elapsed());
    }
    let used = cpu(pids)?.saturating_sub(before);
    all.sort();
    each.sort();
    let notifications = float(u64::from(rounds) * count as u64);
    let report = json!({
        "streams": count,
        "rounds": rounds,
        "all_p50_us": rounded(all.permille(500)),
        "all_max_us": rounded(all.permille(1000)),
        "each_p50_us": rounded(each.permille(500)),
        "cpu_us_per_notification": rounded(used.as_secs_f64() * 1e6 / notifications),
    });
    Ok((report, true))
}

fn cpu(pids: &[i32]) -> io::Result<Duration> {
    pids.iter().map(|pid| process::cpu_time(*pid)).sum()
}

/// Reads once, and counts the notifications in it.
fn notified(connection: &mut Connection) -> io::Result<usize> {
    connection.read()?;
    let mut count = 0;
    while let Some(event) = connection.incoming.event()? {
        let method = scan::message(event.data).and_then(|message| message.method);
        if method.is_some_and(|m| m.of(event.data) == b"notifications/tools/list_changed") {
            count += 1;
        }
    }
    Ok(count)
}
