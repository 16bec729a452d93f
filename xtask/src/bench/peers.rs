//! Other proxies: where they come from and how they are started.
//!
//! Owns `target/peers` and the table of peers. Must not know what they are measured at. Versions
//! are exact, so that a figure says whose it is.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::json;

use super::contender::limited;
use super::scenario::{Call, Client, Work};
use crate::command;
use crate::workspace;

/// Where a peer is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registry {
    Npm,
    Pypi,
    Crates,
}

/// How a peer is known and started. In its arguments `{port}`, `{echo}` and `{config}` stand for
/// the port, the echo child's program, and a file (or, `{json}`, a text) that describes that child.
#[derive(Debug)]
struct Known {
    name: &'static str,
    registry: Registry,
    package: &'static str,
    version: &'static str,
    program: &'static str,
    stream: Option<&'static str>,
    sse: Option<&'static str>,
    arguments: &'static [&'static str],
}

/// A peer, installed or not.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    known: &'static Known,
    folder: PathBuf,
    /// Why it could not be installed.
    failure: Option<String>,
}

const KNOWN: &[Known] = &[
    Known {
        name: "supergateway",
        registry: Registry::Npm,
        package: "supergateway",
        version: "4.0.0",
        program: "supergateway",
        stream: Some("/mcp"),
        sse: None,
        arguments: &[
            "--stdio",
            "{echo}",
            "--outputTransport",
            "streamableHttp",
            "--stateful",
            "--logLevel",
            "none",
            "--port",
            "{port}",
        ],
    },
    Known {
        name: "supergateway-sse",
        registry: Registry::Npm,
        package: "supergateway",
        version: "4.0.0",
        program: "supergateway",
        stream: None,
        sse: Some("/sse"),
        arguments: &["--stdio", "{echo}", "--logLevel", "none", "--port", "{port}"],
    },
    Known {
        name: "mcp-proxy-npm",
        registry: Registry::Npm,
        package: "mcp-proxy",
        version: "6.7.19",
        program: "mcp-proxy",
        stream: Some("/mcp"),
        sse: Some("/sse"),
        arguments: &["--host", "127.0.0.1", "--port", "{port}", "--", "{echo}"],
    },
    Known {
        name: "mcp-proxy-pypi",
        registry: Registry::Pypi,
        package: "mcp-proxy",
        version: "0.13.0",
        program: "mcp-proxy",
        stream: Some("/mcp"),
        sse: Some("/sse"),
        arguments: &["--log-level", "ERROR", "--port", "{port}", "--", "{echo}"],
    },
    Known {
        name: "fastmcp",
        registry: Registry::Pypi,
        package: "fastmcp",
        version: "4.2.3",
        program: "fastmcp",
        stream: Some("/mcp"),
        sse: None,
        arguments: &[
            "run",
            "{config}",
            "--transport",
            "http",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--no-banner",
            "--log-level",
            "ERROR",
        ],
    },
    Known {
        name: "origin",
        registry: Registry::Crates,
        package: "mcp-stdio-proxy",
        version: "0.2.10",
        program: "mcp-proxy",
        stream: Some("/mcp"),
        sse: None,
        arguments: &["proxy", "--protocol", "stream", "--port", "{port}", "--config", "{json}"],
    },
    Known {
        name: "origin-sse",
        registry: Registry::Crates,
        package: "mcp-stdio-proxy",
        version: "0.2.10",
        program: "mcp-proxy",
        stream: None,
        sse: Some("/sse"),
        arguments: &["proxy", "--protocol", "sse", "--port", "{port}", "--config", "{json}"],
    },
    Known {
        name: "rmcp-proxy",
        registry: Registry::Crates,
        package: "rmcp-proxy",
        version: "0.1.3",
        program: "mcp-proxy",
        stream: None,
        sse: Some("/sse"),
        arguments: &["--sse-port", "{port}", "--", "{echo}"],
    },
];

/// Installs every peer that can be; the others say why they could not.
pub(super) fn install() -> anyhow::Result<Vec<Peer>> {
    println!("\n==> install peers");
    let root = workspace::root().join("target").join("peers");
    fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
    let mut peers: Vec<Peer> = Vec::new();
    for known in KNOWN {
        let folder = root.join(known.folder());
        let failure = match peers.iter().find(|peer| peer.folder == folder) {
            // Two ways to run one program.
            Some(twin) => twin.failure.clone(),
            None => known.install_once(&folder).err().map(|error| format!("{error:#}")),
        };
        match &failure {
            None => println!("    {} {}", known.name, known.version),
            Some(why) => {
                println!("    {} {} cannot be installed: {why}", known.name, known.version);
            }
        }
        peers.push(Peer { name: known.name, known, folder, failure });
    }
    Ok(peers)
}

impl Known {
    fn folder(&self) -> String {
        let registry = match self.registry {
            Registry::Npm => "npm",
            Registry::Pypi => "pypi",
            Registry::Crates => "crates",
        };
        format!("{registry}-{}-{}", self.package, self.version)
    }

    /// What could not be installed is not tried again, for that may take a quarter of an hour.
    fn install_once(&self, folder: &Path) -> anyhow::Result<()> {
        let failed = folder.join("failed");
        if let Ok(why) = fs::read_to_string(&failed) {
            println!("    remove {} to try again", failed.display());
            bail!(why);
        }
        self.install(folder).inspect_err(|error| {
            // Where that cannot be noted it is tried again.
            let _ = fs::write(&failed, reason(&format!("{error:#}")));
        })
    }

    fn install(&self, folder: &Path) -> anyhow::Result<()> {
        if self.program(folder).exists() {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        match self.registry {
            Registry::Npm => {
                fs::write(folder.join("package.json"), r#"{"private":true}"#)?;
                let exact = format!("{}@{}", self.package, self.version);
                let mut npm = Command::new("npm");
                npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", &exact]);
                command::output(npm.current_dir(folder))?;
            }
            Registry::Pypi => {
                command::output(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
                let exact = format!("{}=={}", self.package, self.version);
                let mut pip = Command::new(folder.join("bin").join("python"));
                pip.args(["-m", "pip", "install", "--quiet", "--no-input"]);
                command::output(pip.args(["--disable-pip-version-check", &exact]))?;
            }
            Registry::Crates => {
                let mut cargo = workspace::cargo();
                cargo.args(["install", "--locked", "--version", self.version, "--root"]);
                command::output(cargo.arg(folder).arg(self.package))?;
            }
        }
        Ok(())
    }

    fn program(&self, folder: &Path) -> PathBuf {
        let folder = match self.registry {
            Registry::Npm => folder.join("node_modules").join(".bin"),
            Registry::Pypi | Registry::Crates => folder.join("bin"),
        };
        folder.join(self.program)
    }
}

impl Peer {
    /// The command that serves the echo child on a port.
    pub(super) fn command(&self, port: u16, echo: &Path) -> Command {
        let description = json!({ "mcpServers": { "echo": { "command": echo, "args": [] } } });
        let file = self.folder.join("echo.json");
        // A peer that does not find it says so, and is then a peer that could not be measured.
        let _ = fs::write(&file, description.to_string());
        let mut command = limited(&self.known.program(&self.folder));
        for argument in self.known.arguments {
            match *argument {
                "{port}" => command.arg(port.to_string()),
                "{echo}" => command.arg(echo),
                "{config}" => command.arg(&file),
                "{json}" => command.arg(description.to_string()),
                plain => command.arg(plain),
            };
        }
        // Some log every message, which is not what is measured.
        command.current_dir(&self.folder).env("RUST_LOG", "error");
        command
    }

    /// The same work in a protocol that it speaks; `None` where it takes no part.
    pub(super) fn joins(&self, work: Work) -> Option<Work> {
        if self.failure.is_some() {
            return None;
        }
        let (client, sessions, call) = match work {
            Work::Load { client, sessions, call } => (client, sessions, call),
            Work::Idle { .. } => return self.known.stream.map(|_| work),
            Work::Fanout { .. } | Work::Cold | Work::Rest => return None,
        };
        // Where one session or large answers are measured, any protocol will do.
        let any_will_do = sessions == 1 || matches!(call, Call::Blob(_));
        let client = match client {
            Client::Stream if self.known.stream.is_none() && any_will_do => Client::Sse,
            other => other,
        };
        self.speaks(client).map(|_| Work::Load { client, sessions, call })
    }

    /// Where such clients connect.
    pub(super) fn path(&self, client: Client) -> &'static str {
        self.speaks(client).unwrap_or("/")
    }

    fn speaks(&self, client: Client) -> Option<&'static str> {
        match client {
            Client::Stream => self.known.stream,
            Client::Sse => self.known.sse,
            Client::Modern => None,
        }
    }

    /// Its name and version, and why it takes no part.
    pub(super) fn described(&self) -> String {
        let Known { name, package, version, registry, .. } = self.known;
        let registry = match registry {
            Registry::Npm => "npm",
            Registry::Pypi => "PyPI",
            Registry::Crates => "crates.io",
        };
        let text = format!("{name}: {package} {version} ({registry})");
        match &self.failure {
            None => text,
            Some(why) => format!("{text}, could not be installed: {}", reason(why)),
        }
    }
}

/// The line of an installer's output that says what went wrong, without its whereabouts.
fn reason(output: &str) -> &str {
    let said = output.lines().find_map(|line| line.strip_prefix("error: "));
    said.or_else(|| output.lines().next()).unwrap_or_default()
}
