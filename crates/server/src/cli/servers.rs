//! `standpipe servers`: what can be typed.
//!
//! Owns the flags of every call on a running Standpipe, and the way from there to a service's
//! description. It must not call anything. It exists beside the other commands because its flags are
//! many and its own.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::SharingArg;
use super::services::{RunError, variable};

/// `standpipe servers`
#[derive(Debug, Args)]
#[command(
    after_help = "Without --socket or --url, STANDPIPE_CONTROL_URL or STANDPIPE_CONTROL_SOCKET say \
                        whom to ask, and else it is the usual socket: \
                        $XDG_RUNTIME_DIR/standpipe/control.sock, or /run/standpipe/control.sock \
                        without that variable."
)]
pub struct ServersArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment would become the help text of the command")]
    pub reach: ReachArgs,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: ServersCommand,
}

/// How to reach the running Standpipe.
#[derive(Debug, Args)]
pub struct ReachArgs {
    /// The control socket of the Standpipe to ask
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
    /// The control address of the Standpipe to ask, like <http://127.0.0.1:9086>
    #[arg(long, value_name = "URL", global = true)]
    pub url: Option<String>,
    /// The token for --url; safer in the environment, where other users do not see it
    #[arg(
        long,
        value_name = "TOKEN",
        global = true,
        env = "STANDPIPE_CONTROL_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
}

/// What to do with services of a running Standpipe.
#[derive(Debug, Subcommand)]
pub enum ServersCommand {
    /// List the services
    #[command(visible_alias = "list")]
    Ls,
    /// Show how a service is, and what holds for it, secrets redacted
    Show {
        /// The service
        id: String,
    },
    /// Add a service, or describe one anew; it takes precedence over configuration files
    #[command(override_usage = "standpipe servers add [OPTIONS] ID -- CMD [ARG]...\n       \
                                standpipe servers add [OPTIONS] ID --entry FILE")]
    Add(Box<AddArgs>),
    /// Remove services; their open calls may end
    #[command(visible_alias = "remove")]
    Rm(IdArgs),
    /// Start services without waiting for a request
    Start(IdArgs),
    /// End what runs; the next request starts it again
    Stop(IdArgs),
    /// End what runs and start again; the way out of a crash loop
    Restart(IdArgs),
    /// Print what a service's processes wrote to their stderr
    Logs(LogsArgs),
}

/// `standpipe servers add`
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The name of the service
    pub id: String,
    /// Read the whole entry from a file as JSON, with the keys of an entry under `mcpServers`; `-` is
    /// stdin
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["cmd", "env", "cwd", "sharing", "lifecycle", "idle_timeout"])]
    pub entry: Option<PathBuf>,
    /// Set a variable for the server, or copy one from here; may be repeated
    #[arg(long, value_name = "K=V|NAME")]
    pub env: Vec<OsString>,
    /// The server's working directory
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// One process for all clients, or one for each client session
    #[arg(long, value_enum)]
    pub sharing: Option<SharingArg>,
    /// Whether it is kept running
    #[arg(long, value_enum)]
    pub lifecycle: Option<LifecycleArg>,
    /// Stop it when it was unused for so long, or `never`
    #[arg(long, value_name = "DURATION")]
    pub idle_timeout: Option<String>,
    /// The server's command and its arguments
    #[arg(last = true, value_name = "CMD", required_unless_present = "entry")]
    pub cmd: Vec<OsString>,
}

/// Some services.
#[derive(Debug, Args)]
pub struct IdArgs {
    /// The services
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
}

/// `standpipe servers logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The service
    pub id: String,
    /// So many of the last lines
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub lines: u32,
    /// Go on with the lines that come
    #[arg(long, short = 'f')]
    pub follow: bool,
}

/// Whether a service is kept running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum LifecycleArg {
    /// Kept running
    Persistent,
    /// Started by a request, stopped when idle
    OneShot,
}

impl AddArgs {
    /// The entry that the flags describe, or that the file holds.
    pub fn body(&self) -> Result<Value, AddError> {
        match &self.entry {
            Some(file) => read_entry(file),
            None => self.described(),
        }
    }

    fn described(&self) -> Result<Value, AddError> {
        let (command, rest) = self.cmd.split_first().ok_or(RunError::NoCommand)?;
        let mut entry = Map::new();
        entry.insert("command".to_owned(), text(command)?.into());
        let args: Vec<_> = rest.iter().map(|arg| text(arg)).collect::<Result<_, _>>()?;
        entry.insert("args".to_owned(), args.into());
        let mut env = Map::new();
        for given in &self.env {
            let (name, value) = variable(given)?;
            env.insert(name, literal(&value).into());
        }
        entry.insert("env".to_owned(), env.into());
        if let Some(cwd) = &self.cwd {
            // It is meant from here, and Standpipe is elsewhere.
            let cwd = std::path::absolute(cwd).map_err(AddError::Cwd)?;
            entry.insert("cwd".to_owned(), text(cwd.as_os_str())?.into());
        }
        match self.sharing {
            Some(SharingArg::Shared) => drop(entry.insert("sharing".into(), json!("shared"))),
            Some(SharingArg::Session) => drop(entry.insert("sharing".into(), json!("session"))),
            None => {}
        }
        match self.lifecycle {
            Some(LifecycleArg::Persistent) => {
                drop(entry.insert("lifecycle".into(), json!("persistent")));
            }
            Some(LifecycleArg::OneShot) => {
                drop(entry.insert("lifecycle".into(), json!("one_shot")));
            }
            None => {}
        }
        if let Some(idle) = &self.idle_timeout {
            entry.insert("idle_timeout".to_owned(), idle.as_str().into());
        }
        Ok(entry.into())
    }
}

/// Flags of `add` that make no entry.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// As with `run`.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An argument that is not UTF-8, which JSON cannot carry.
    #[error("{} is not UTF-8 text", given.display())]
    Text {
        /// The argument.
        given: OsString,
    },
    /// The current folder is gone.
    #[error("--cwd cannot be made absolute")]
    Cwd(#[source] io::Error),
    /// The file cannot be read.
    #[error("--entry {} cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not JSON.
    #[error("--entry {}: not valid JSON: {source}", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

fn read_entry(file: &PathBuf) -> Result<Value, AddError> {
    let unreadable = |source| AddError::Read { file: file.clone(), source };
    let bytes = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = bytes.map_err(unreadable)?;
    serde_json::from_slice(&bytes).map_err(|source| AddError::Json { file: file.clone(), source })
}

fn text(given: &OsStr) -> Result<String, AddError> {
    let text = given.to_str().ok_or_else(|| AddError::Text { given: given.to_owned() })?;
    Ok(literal(text))
}

/// What the shell has passed on is meant as it is, never as a reference.
fn literal(text: &str) -> String {
    text.replace("${env:", "$${env:").replace("${file:", "$${file:")
}
