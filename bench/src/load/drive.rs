//! Load on many sessions at once, and what it took.
//!
//! Owns the clock, the counting and the waiting for sockets. Must not know what is said on them.
//! Each session has one call open at any time; the next begins when the answer was judged.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::process;
use super::session::{Kind, Outcome, Session};
use super::statistics::{Latencies, float, rounded};
use super::target::Target;

/// Readiness taken from the kernel at once; the rest waits for the next round.
const EVENTS: usize = 256;

/// How long calls may be open when the time is over, or without any answer before.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) targets: Vec<Target>,
    pub(super) kind: Kind,
    pub(super) sessions: usize,
    pub(super) warmup: Duration,
    pub(super) length: Duration,
    /// Ends earlier once so many answers have come.
    pub(super) requests: u64,
    pub(super) pids: Vec<i32>,
}

struct Driver {
    epoll: Epoll,
    sessions: Vec<Session>,
    begun: Vec<Option<Instant>>,
    open: usize,
    latencies: Latencies,
    bytes: u64,
    wrong: u64,
    errors: u64,
    first_error: Option<String>,
}

/// Processor time used so far.
struct Used {
    own: Duration,
    others: BTreeMap<i32, Duration>,
}

impl Used {
    fn now(pids: &[i32]) -> io::Result<Self> {
        let others = pids
            .iter()
            .map(|pid| Ok((*pid, process::cpu_time(*pid)?)))
            .collect::<io::Result<_>>()?;
        Ok(Self { own: process::own_cpu_time()?, others })
    }
}

/// Runs the load; gives the report, and whether every answer was right.
pub(super) fn run(load: &Load) -> io::Result<(Value, bool)> {
    let mut sessions = Vec::with_capacity(load.sessions);
    for (number, target) in load.targets.iter().cycle().take(load.sessions).enumerate() {
        sessions.push(Session::open(target, load.kind, number)?);
    }
    let mut driver = Driver::new(sessions)?;
    driver.until(load.warmup, u64::MAX, true)?;
    if driver.is_good() {
        driver.latencies = Latencies::default();
        driver.bytes = 0;
    }
    for pid in &load.pids {
        process::forget_peak(*pid);
    }
    let before = Used::now(&load.pids)?;
    let start = Instant::now();
    let requests = driver.until(load.length, load.requests, true)?;
    let seconds = start.elapsed().as_secs_f64();
    let after = Used::now(&load.pids)?;
    let peaks = load
        .pids
        .iter()
        .map(|pid| Ok((pid.to_string(), json!(process::peak(*pid)?))))
        .collect::<io::Result<serde_json::Map<_, _>>>()?;
    let bytes = driver.bytes;
    driver.until(PATIENCE, u64::MAX, false)?;
    driver.errors += driver.open as u64;
    let each = |used: Duration| rounded(used.as_secs_f64() * 1e6 / float(requests.max(1)));
    let cpu = after
        .others
        .iter()
        .map(|(pid, used)| (pid.to_string(), json!(each(used.saturating_sub(before.others[pid])))))
        .collect::<serde_json::Map<_, _>>();
    driver.latencies.sort();
    let report = json!({
        "requests": requests,
        "seconds": rounded(seconds),
        "rps": rounded(float(requests) / seconds),
        "p50_us": rounded(driver.latencies.permille(500)),
        "p90_us": rounded(driver.latencies.permille(900)),
        "p99_us": rounded(driver.latencies.permille(990)),
        "max_us": rounded(driver.latencies.permille(1000)),
        "mb_per_s": rounded(float(bytes) / seconds / 1e6),
        "errors": driver.errors,
        "wrong": driver.wrong,
        "first_error": driver.first_error,
        "load_cpu_us_per_request": each(after.own.saturating_sub(before.own)),
        "cpu_us_per_request": cpu,
        "rss_peak_kib": peaks,
    });
    let is_good = driver.is_good() && requests > 0;
    for session in driver.sessions {
        session.close();
    }
    Ok((report, is_good))
}

impl Driver {
    fn new(sessions: Vec<Session>) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (number, session) in sessions.iter().enumerate() {
            session.unblock()?;
            let key = number as u64 * 2;
            epoll.add(session.posts.fd(), EpollEvent::new(EpollFlags::EPOLLIN, key))?;
            if let Some(events) = &session.events {
                epoll.add(events.fd(), EpollEvent::new(EpollFlags::EPOLLIN, key + 1))?;
            }
        }
        Ok(Self {
            begun: vec![None; sessions.len()],
            epoll,
            sessions,
            open: 0,
            latencies: Latencies::default(),
            bytes: 0,
            wrong: 0,
            errors: 0,
            first_error: None,
        })
    }

    fn is_good(&self) -> bool {
        self.wrong == 0 && self.errors == 0
    }

    /// Answers what comes for so long, or until so many answers have come, and says how many did.
    /// Where no further calls are made it ends with the last open one.
    fn until(&mut self, length: Duration, answers: u64, calls: bool) -> io::Result<u64> {
        let end = Instant::now() + length;
        let mut count = 0;
        if calls {
            for number in 0..self.sessions.len() {
                if self.begun[number].is_none() && self.is_good() {
                    self.call(number);
                }
            }
        }
        let mut events = vec![EpollEvent::empty(); EVENTS];
        let mut last = Instant::now();
        loop {
            let now = Instant::now();
            let is_silent = self.open > 0 && now > last + PATIENCE;
            if now >= end || count >= answers || self.open == 0 || is_silent {
                return Ok(count);
            }
            let wait = (end - now).min(Duration::from_secs(1));
            let wait = EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::NONE);
            let ready = self.epoll.wait(&mut events, wait)?;
            if ready > 0 {
                last = now;
            }
            for event in &events[..ready] {
                let number = usize::try_from(event.data() / 2).unwrap_or_default();
                if self.ready(number, event.data() % 2 == 1, event.events()) {
                    count += 1;
                    if calls && self.begun[number].is_none() && self.is_good() {
                        self.call(number);
                    }
                }
            }
        }
    }

    fn call(&mut self, number: usize) {
        self.begun[number] = Some(Instant::now());
        self.open += 1;
        match self.sessions[number].call() {
            Ok(true) => {}
            Ok(false) => self.listen(number, EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT),
            Err(error) => self.failed(number, &error),
        }
    }

    /// A socket can be read or written. True when a right answer came of it.
    fn ready(&mut self, number: usize, is_events: bool, flags: EpollFlags) -> bool {
        if flags.contains(EpollFlags::EPOLLOUT) && !is_events {
            match self.sessions[number].write() {
                Ok(true) => self.listen(number, EpollFlags::EPOLLIN),
                Ok(false) => {}
                Err(error) => self.failed(number, &error),
            }
        }
        if !flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
            return false;
        }
        let session = &mut self.sessions[number];
        let outcome = if is_events { session.read_events() } else { session.read_posts() };
        match outcome {
            Ok(Outcome::Waiting) => false,
            Ok(Outcome::Right) => {
                let length = self.sessions[number].template.text_length();
                self.bytes += length as u64;
                if let Some(begun) = self.begun[number].take() {
                    self.open -= 1;
                    self.latencies.add(begun.elapsed());
                }
                true
            }
            Ok(Outcome::Wrong) => {
                self.wrong += 1;
                self.open -= usize::from(self.begun[number].take().is_some());
                false
            }
            Err(error) => {
                self.failed(number, &error);
                false
            }
        }
    }

    fn listen(&mut self, number: usize, flags: EpollFlags) {
        let fd = self.sessions[number].posts.fd();
        let mut event = EpollEvent::new(flags, number as u64 * 2);
        if let Err(error) = self.epoll.modify(fd, &mut event) {
            self.failed(number, &error.into());
        }
    }

    /// The session is out from here on; one error is enough to fail the whole measurement.
    fn failed(&mut self, number: usize, error: &io::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
        self.open -= usize::from(self.begun[number].take().is_some());
        let session = &self.sessions[number];
        let _ = self.epoll.delete(session.posts.fd());
        if let Some(events) = &session.events {
            let _ = self.epoll.delete(events.fd());
        }
    }
}
