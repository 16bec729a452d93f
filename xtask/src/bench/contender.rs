//! A server that is measured: its start, its address, its end.
//!
//! Owns how each is started. Must not know what is done with it. It is started anew for every
//! measurement, so that none finds what another one left behind.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::Programs;
use super::peers::Peer;
use super::scenario::{Client, Era, Server, Setup};
use crate::command;
use crate::workspace;

/// How long a server may take until it listens. Those of Node and Python need seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Above what any scenario opens; the default is 10,000.
const CONNECTIONS: usize = 12_000;

/// A server that runs. It ends when this is dropped.
pub(super) struct Contender {
    child: Option<Child>,
    /// `http://HOST:PORT`
    pub(super) base: String,
    paths: Paths,
    /// From the start of the program until it listened.
    pub(super) listening: Duration,
}

enum Paths {
    /// A reference answers everywhere alike.
    Reference,
    /// `/servers/{id}/…`
    Services(usize),
    Peer(Box<Peer>),
}

impl Contender {
    pub(super) fn start(server: &Server, programs: &Programs) -> anyhow::Result<Self> {
        match server {
            Server::Bare { threads } => {
                let mut command = limited(&programs.bare);
                command.args(["--threads", &threads.to_string()]);
                Self::ours(command, Paths::Reference)
            }
            Server::Floor { era, threads, children } => {
                let mut command = limited(&programs.floor);
                command.args(["--threads", &threads.to_string()]);
                if *era == Era::Modern {
                    command.arg("--modern");
                }
                command.args(["--children", &children.to_string()]);
                command.arg("--").arg(&programs.echo).args(["--era", word(*era)]);
                let paths = match children {
                    1 => Paths::Reference,
                    several => Paths::Services(*several),
                };
                Self::ours(command, paths)
            }
            Server::Standpipe(setup) => standpipe(setup, programs),
            Server::Peer(peer) => Self::peer(peer, programs),
            Server::Child => bail!("a child alone is no server"),
        }
    }

    /// One that prints where it listens.
    fn ours(mut command: Command, paths: Paths) -> anyhow::Result<Self> {
        let start = SystemTime::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", command::shown(&command)))?;
        let lines = command::lines_of(child.stdout.take().context("the child has no stdout")?);
        let mut contender =
            Self { child: Some(child), base: String::new(), paths, listening: Duration::ZERO };
        let line = lines.recv_timeout(PATIENCE).context("it does not say where it listens")?;
        contender.listening = start.elapsed().unwrap_or_default();
        let base = line.strip_prefix("listening on ").context("it printed something else first")?;
        base.clone_into(&mut contender.base);
        Ok(contender)
    }

    /// One that is told where to listen.
    fn peer(peer: &Peer, programs: &Programs) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = peer.command(port, &programs.echo);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", command::shown(&command)))?;
        let start = SystemTime::now();
        let mut contender = Self {
            child: Some(child),
            base: format!("http://127.0.0.1:{port}"),
            paths: Paths::Peer(Box::new(peer.clone())),
            listening: Duration::ZERO,
        };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(child) = &mut contender.child
                && let Some(status) = child.try_wait()?
            {
                contender.child = None;
                bail!("it ended with {status}");
            }
            if start.elapsed().unwrap_or_default() > PATIENCE {
                bail!("it does not listen on port {port}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        // Some listen before they can answer.
        thread::sleep(Duration::from_secs(1));
        contender.listening = start.elapsed().unwrap_or_default();
        Ok(contender)
    }

    /// Its first process.
    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        self.child.as_ref().map(Child::id).context("it has ended")
    }

    /// Where such clients connect, for each service.
    pub(super) fn urls(&self, client: Client) -> Vec<String> {
        let end = if client == Client::Sse { "sse" } else { "mcp" };
        match &self.paths {
            Paths::Reference => vec![format!("{}/{end}", self.base)],
            Paths::Services(count) => {
                (0..*count).map(|number| format!("{}/servers/s{number}/{end}", self.base)).collect()
            }
            Paths::Peer(peer) => vec![format!("{}{}", self.base, peer.path(client))],
        }
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // It is killed when it does not end; there is nobody to tell.
            let _ = command::stop(child, GRACE);
        }
    }
}

/// A program that may open as many files as this machine allows.
pub(super) fn limited(program: &Path) -> Command {
    if open_files().is_some_and(|files| files >= CONNECTIONS + 1000) {
        return Command::new(program);
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]).arg(program);
    command
}

/// How many files we may open, and what we start.
fn open_files() -> Option<usize> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn standpipe(setup: &Setup, programs: &Programs) -> anyhow::Result<Contender> {
    let folder = folder()?;
    let file = folder.join("standpipe.json");
    let servers: Map<String, Value> = (0..setup.services)
        .map(|number| {
            let entry = json!({
                "command": programs.echo,
                "args": ["--era", word(setup.era)],
            });
            (format!("s{number}"), entry)
        })
        .collect();
    let mut config = json!({
        "listen": "127.0.0.1:0",
        "max_connections": CONNECTIONS,
        "control": { "socket": "off" },
        "mcpServers": servers,
    });
    if let Some(log) = setup.log {
        config["log"] = log.into();
    }
    fs::write(&file, config.to_string())
        .with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = limited(&programs.standpipe);
    // To a file, as a service manager does: logs that nobody writes cost nothing.
    let log = File::create(folder.join("standpipe.log")).context("cannot create the log file")?;
    command.args(["serve", "--config"]).arg(&file).stderr(log);
    Contender::ours(command, Paths::Services(setup.services))
}

fn word(era: Era) -> &'static str {
    match era {
        Era::Legacy => "legacy",
        Era::Modern => "modern",
    }
}

/// Where files of a running benchmark are.
fn folder() -> anyhow::Result<PathBuf> {
    let folder = workspace::target_dir()?.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr()?.port())
}
