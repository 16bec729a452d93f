//! One measurement: a server is started, worked with, and ended.
//!
//! Owns how the load generator is called and what is taken from its report. Must not know what
//! the figures are for.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::Programs;
use super::contender::{Contender, limited};
use super::metrics::Metrics;
use super::options::Options;
use super::processes::{self, Processes};
use super::scenario::{Call, Client, Kept, Server, Setup, Side, Work};

/// First requests in one measurement of cold starts, each to a service of its own.
const COLD: usize = 20;

/// Large messages need so long, or not one of them ends within the time.
const LARGE: f64 = 1.5;

/// Between two readings of the metrics.
const SCRAPE: Duration = Duration::from_millis(100);

/// How long processes may take to end that are no longer needed.
const SETTLED: Duration = Duration::from_millis(200);

/// How long a server that was started is left alone before its memory is read.
const REST: Duration = Duration::from_millis(500);

/// Measures one side once.
pub(super) fn run(side: &Side, programs: &Programs, options: &Options) -> anyhow::Result<Metrics> {
    match side.work {
        Work::Load { client, sessions, call } => {
            let server = Contender::start(&side.server, programs)?;
            let is_scraped = matches!(side.server, Server::Standpipe(Setup { scraped: true, .. }));
            let _scraper = is_scraped.then(|| Scraper::start(&server.base));
            load(&server, client, sessions, call, programs, options)
        }
        Work::Idle { sessions, kept } => {
            let server = Contender::start(&side.server, programs)?;
            let mut command = limited(&programs.load);
            command.args(["--idle", &sessions.to_string()]);
            match kept {
                Kept::Nothing => {}
                Kept::Connection => drop(command.arg("--hold")),
                Kept::Stream => drop(command.arg("--get-stream")),
            }
            for pid in processes::below(server.pid()?)?.own {
                command.args(["--pid", &pid.to_string()]);
            }
            urls(&mut command, &server, Client::Stream);
            let report = report(&mut command)?;
            Ok(picked(&report, &[("bytes_per_session", "bytes_per_session")]))
        }
        Work::Fanout { streams } => {
            let server = Contender::start(&side.server, programs)?;
            let mut command = limited(&programs.load);
            command.args(["--fanout", &streams.to_string()]);
            for pid in processes::below(server.pid()?)?.own {
                command.args(["--pid", &pid.to_string()]);
            }
            urls(&mut command, &server, Client::Stream);
            let report = report(&mut command)?;
            Ok(picked(
                &report,
                &[
                    ("all_p50_us", "all_p50_us"),
                    ("each_p50_us", "each_p50_us"),
                    ("notification_cpu_us", "cpu_us_per_notification"),
                ],
            ))
        }
        Work::Cold => cold(&side.server, programs),
        Work::Rest => rest(&side.server, programs),
    }
}

fn load(
    server: &Contender,
    client: Client,
    sessions: usize,
    call: Call,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Metrics> {
    let (size, tool) = match call {
        Call::Echo(size) => (size, ["--answer", "json"]),
        Call::Events(size) => (size, ["--answer", "stream"]),
        Call::Blob(size) => (size, ["--tool", "blob"]),
    };
    let transport = match client {
        Client::Stream => "stream",
        Client::Modern => "modern",
        Client::Sse => "sse",
    };
    let command = |sessions: usize| {
        let mut command = limited(&programs.load);
        command
            .args(["--transport", transport, "--sessions", &sessions.to_string()])
            .args(["--bytes", &size.to_string()])
            .args(tool);
        urls(&mut command, server, client);
        command
    };
    let own = processes::below(server.pid()?)?.own;
    // Once to every service, so that all children run and can be found.
    let services = server.urls(client).len();
    let count = services.to_string();
    report(command(services).args(["--warmup-seconds", "0", "--requests", &count]))?;
    // Some end a session's process with the session.
    thread::sleep(SETTLED);
    let children = processes::below(server.pid()?)?.children;
    let is_large = size >= 1024 * 1024;
    let seconds = if is_large { options.seconds.max(LARGE) } else { options.seconds };
    let warmup = (seconds * 0.2).clamp(0.1, 1.0);
    let mut command = command(sessions);
    command.args(["--seconds", &seconds.to_string(), "--warmup-seconds", &warmup.to_string()]);
    for pid in own.iter().chain(&children) {
        command.args(["--pid", &pid.to_string()]);
    }
    let report = report(&mut command)?;
    let mut metrics = picked(
        &report,
        &[
            ("rps", "rps"),
            ("p50_us", "p50_us"),
            ("p99_us", "p99_us"),
            ("load_cpu_us", "load_cpu_us_per_request"),
        ],
    );
    if size >= 1024 {
        metrics.extend(picked(&report, &[("mb_per_s", "mb_per_s")]));
    }
    let sum = |what: &str, pids: &[u32]| -> f64 {
        pids.iter().filter_map(|pid| report[what][pid.to_string()].as_f64()).sum()
    };
    metrics.insert("cpu_us", sum("cpu_us_per_request", &own));
    metrics.insert("rss_peak_kib", sum("rss_peak_kib", &own));
    if !children.is_empty() {
        let child = sum("cpu_us_per_request", &children);
        metrics.insert("child_cpu_us", child);
        metrics.insert("rps_without_children", without(metrics["rps"], child));
    }
    Ok(metrics)
}

/// What the rate would be if the children's work took no time of any core.
fn without(rps: f64, child_us: f64) -> f64 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let cores = f64::from(u32::try_from(cores).unwrap_or(u32::MAX));
    rps / (1.0 - rps * child_us / 1e6 / cores).max(f64::EPSILON)
}

fn cold(server: &Server, programs: &Programs) -> anyhow::Result<Metrics> {
    let mut command = limited(&programs.load);
    let report = match server {
        Server::Standpipe(setup) => {
            let server =
                Contender::start(&Server::Standpipe(Setup { services: COLD, ..*setup }), programs)?;
            command.arg("--cold");
            urls(&mut command, &server, Client::Stream);
            report(&mut command)?
        }
        _ => report(command.args(["--child-start", &COLD.to_string(), "--"]).arg(&programs.echo))?,
    };
    Ok(picked(&report, &[("start_us", "p50_us")]))
}

fn rest(server: &Server, programs: &Programs) -> anyhow::Result<Metrics> {
    let server = Contender::start(server, programs)?;
    thread::sleep(REST);
    let Processes { own, children } = processes::below(server.pid()?)?;
    if !children.is_empty() {
        bail!("children run that nobody asked for");
    }
    let sum = |of: fn(u32) -> anyhow::Result<f64>| -> anyhow::Result<f64> {
        own.iter().map(|pid| of(*pid)).sum()
    };
    Ok(Metrics::from([
        ("listening_us", server.listening.as_secs_f64() * 1e6),
        ("rss_kib", sum(processes::resident)?),
        ("pss_kib", sum(processes::proportional)?),
    ]))
}

fn urls(command: &mut Command, server: &Contender, client: Client) {
    for url in server.urls(client) {
        command.args(["--url", &url]);
    }
}

/// Runs the load generator and reads its report. A wrong or missing answer is an error.
fn report(command: &mut Command) -> anyhow::Result<Value> {
    let output = command.output().context("cannot run the load generator")?;
    let report: Option<Value> = serde_json::from_slice(&output.stdout).ok();
    match report {
        Some(report) if output.status.success() => Ok(report),
        Some(report) => bail!(
            "{} wrong answers, {} errors{}",
            report["wrong"],
            report["errors"],
            report["first_error"].as_str().map_or_else(String::new, |text| format!(": {text}"))
        ),
        None => bail!("{}", String::from_utf8_lossy(&output.stderr).trim()),
    }
}

fn picked(report: &Value, names: &[(&'static str, &str)]) -> Metrics {
    names.iter().filter_map(|(name, key)| Some((*name, report[*key].as_f64()?))).collect()
}

/// Reads a server's metrics again and again, until it is dropped.
struct Scraper {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scraper {
    fn start(base: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let address = base.trim_start_matches("http://").to_owned();
        let seen = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                // A reading that fails is missing from the load, and nothing else.
                let _ = scrape(&address);
                thread::sleep(SCRAPE);
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and nothing is lost if it did.
            let _ = thread.join();
        }
    }
}

fn scrape(address: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    std::io::copy(&mut stream, &mut std::io::sink())?;
    Ok(())
}
