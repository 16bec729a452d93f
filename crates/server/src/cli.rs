//! The command line: what can be typed, and the way from there to configuration.
//!
//! Owns names and help texts of commands and flags. It must not act on them. It exists so that the
//! whole surface stands in one place; `completions` and `man` are made from it.

mod servers;
mod services;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
pub use servers::{
    AddArgs, AddError, IdArgs, LifecycleArg, LogsArgs, ReachArgs, ServersArgs, ServersCommand,
};
pub use services::{RunError, run_service};

use crate::config::FlagLayer;

/// Runs MCP servers that speak stdio, and serves each over HTTP to any MCP client.
#[derive(Debug, Parser)]
#[command(name = "standpipe", version, about, max_term_width = 100, propagate_version = true)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve one MCP server, without a configuration file
    #[command(override_usage = "standpipe run [OPTIONS] -- CMD [ARG]...\n       \
                                standpipe run [OPTIONS] --demo")]
    Run(Box<RunArgs>),
    /// Serve the MCP servers of configuration files
    ///
    /// On SIGHUP the files are read again: new servers appear, those that are described differently
    /// are replaced when their calls have ended, those that are not described any more end likewise,
    /// and the others go on with the same process. A mistake changes nothing and is logged. Other
    /// settings, such as `listen`, take a restart. Only a SIGHUP that comes because the terminal of
    /// the start is gone ends the program; `nohup` or `setsid` keep it running then.
    Serve(Box<ServeArgs>),
    /// Look at configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the services of a running Standpipe, and change them
    Servers(Box<ServersArgs>),
    /// Be an MCP server on stdio that shows the protocol off
    Demo,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// `standpipe run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The name of the service, in paths, metrics and logs [default: the command's name]
    #[arg(long, value_name = "NAME")]
    pub id: Option<String>,
    /// One process for all clients, or one for each client session
    #[arg(long, value_enum)]
    pub sharing: Option<SharingArg>,
    /// Set a variable for the server, or copy one from here; may be repeated
    #[arg(long, value_name = "K=V|NAME")]
    pub env: Vec<OsString>,
    /// The server's working directory
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Serve the built-in demo server
    #[arg(long, conflicts_with = "cmd")]
    pub demo: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment would become the help text of the command")]
    pub common: CommonArgs,
    /// The server's command and its arguments
    #[arg(last = true, value_name = "CMD", required_unless_present = "demo")]
    pub cmd: Vec<OsString>,
}

/// `standpipe serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment would become the help text of the command")]
    pub files: FileArgs,
    /// Reload when a configuration file, or one that it refers to, has changed
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment would become the help text of the command")]
    pub common: CommonArgs,
}

/// Which configuration files to read.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// A configuration file, TOML or a desktop client's JSON; may be repeated, later ones win
    /// [default: ./standpipe.toml, or standpipe/standpipe.toml in the configuration folder]
    #[arg(long = "config", short = 'c', value_name = "FILE", env = "STANDPIPE_CONFIG")]
    pub files: Vec<PathBuf>,
}

/// Flags that `run` and `serve` share; each is a configuration key of the same name.
#[derive(Debug, Args)]
pub struct CommonArgs {
    /// Where to listen; port 0 picks one [default: 127.0.0.1:8085]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Answer requests for this host name, besides localhost; may be repeated
    #[arg(long, value_name = "H")]
    pub allow_host: Vec<String>,
    /// Answer requests of web pages of this origin, and CORS preflights; may be repeated
    #[arg(long, value_name = "O")]
    pub allow_origin: Vec<String>,
    /// Longest wait for an answer or progress [default: 5m]
    #[arg(long, value_name = "DURATION")]
    pub request_timeout: Option<String>,
    /// Longest wait for a server to start [default: 60s]
    #[arg(long, value_name = "DURATION")]
    pub start_timeout: Option<String>,
    /// End sessions that were silent for so long [default: 30m]
    #[arg(long, value_name = "DURATION")]
    pub session_idle_timeout: Option<String>,
    /// Stop servers that were unused for so long, or `never` [default: never]
    #[arg(long, value_name = "DURATION")]
    pub idle_timeout: Option<String>,
    /// Largest message in either direction, in bytes or like 16MiB [default: 17MiB]
    #[arg(long, value_name = "SIZE")]
    pub max_message_bytes: Option<String>,
    /// What to log: a level, or a filter such as standpipe=debug,warn [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

/// `standpipe config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the configuration is valid, and every mistake in it
    Check(ConfigFiles),
    /// Print what holds after all layers were merged, without secrets
    Show(ConfigFiles),
    /// Print a commented example
    Example,
}

/// Files for `config check` and `config show`.
#[derive(Debug, Args)]
pub struct ConfigFiles {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment would become the help text of the command")]
    pub files: FileArgs,
    /// Configuration files, like --config
    #[arg(value_name = "FILE")]
    pub more: Vec<PathBuf>,
}

/// Who shares a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SharingArg {
    /// One process for all clients
    Shared,
    /// One process for each client session
    Session,
}

impl CommonArgs {
    /// The flags that were given, as a layer of the configuration.
    pub fn layer(&self) -> FlagLayer {
        let mut layer = FlagLayer::default();
        layer.set("listen", self.listen.clone());
        layer.set_list("allow_host", &self.allow_host);
        layer.set_list("allow_origin", &self.allow_origin);
        layer.set("request_timeout", self.request_timeout.clone());
        layer.set("start_timeout", self.start_timeout.clone());
        layer.set("session_idle_timeout", self.session_idle_timeout.clone());
        layer.set("idle_timeout", self.idle_timeout.clone());
        layer.set("max_message_bytes", self.max_message_bytes.clone());
        layer.set("log", self.log.clone());
        layer
    }
}

impl ConfigFiles {
    /// Every file that was named, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.files.iter().chain(&self.more).cloned().collect()
    }
}

/// The completion script for `shell`.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "standpipe", &mut script);
    script
}

/// The manual page, in roff; subcommands follow the page of the whole.
pub fn manual() -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        page.extend_from_slice(b"\n");
        clap_mangen::Man::new(subcommand.clone()).render(&mut page)?;
    }
    Ok(page)
}
