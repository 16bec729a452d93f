//! The commands, and how the program ends.
//!
//! Owns the way from a parsed command line to an exit code. It must not know HTTP. It exists so
//! that `main` is short, and exit codes are given in one place.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use standpipe_core::service::ServiceSpec;
use standpipe_process::watchdog::{self, EnterError, WatchdogLink};

use crate::cli::{self, Cli, Command, ConfigCommand, RunArgs, ServeArgs, ServersArgs};
use crate::config::{self, ConfigError, FlagLayer, Layers, Reading, Settings};
use crate::control::OpenError;
use crate::control::commands::{self as control_commands, ServersError};
use crate::reload::Origin;
use crate::runtimes::{Runtimes, threads_by_default};
use crate::serve::ServeError;
use crate::{demo, serve, telemetry};

/// Exit code of bad usage and bad configuration (`EX_USAGE` of sysexits.h).
const BAD_USAGE: u8 = 64;

/// How a command failed.
enum Failure {
    /// The caller's mistake.
    Usage(anyhow::Error),
    /// Anything else.
    Other(anyhow::Error),
}

type Done = Result<(), Failure>;

/// What came of setting up the watchdog.
type Entered = Result<WatchdogLink, EnterError>;

/// Runs the command that the arguments of this process ask for. Must be called before any thread
/// is started.
pub fn main() -> ExitCode {
    // Whatever is read or made before this, the watchdog's parent keeps for as long as it lives.
    let entered = serves(env::args_os()).then(watchdog::enter);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; only the rest is a mistake.
            let code =
                if error.use_stderr() { ExitCode::from(BAD_USAGE) } else { ExitCode::SUCCESS };
            // Where even this cannot be printed, the code has to say it.
            drop(error.print());
            return code;
        }
    };
    let done = match cli.command {
        Command::Run(args) => run(&args, entered),
        Command::Serve(args) => serve(&args, entered),
        Command::Config(command) => configuration(&command),
        Command::Servers(args) => servers(&args),
        Command::Demo => be_the_demo(),
        Command::Completions { shell } => print(&cli::completions(shell)),
        Command::Man => match cli::manual() {
            Ok(page) => print(&page),
            Err(error) => Err(Failure::Other(error.into())),
        },
    };
    let (error, code) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => (error, ExitCode::from(BAD_USAGE)),
        Err(Failure::Other(error)) => (error, ExitCode::FAILURE),
    };
    // There is nobody left to tell if stderr is closed.
    drop(writeln!(io::stderr(), "standpipe: {}", explained(&error)));
    code
}

/// Whether the arguments, glanced at, ask for a server. What this misses enters later.
fn serves(mut arguments: env::ArgsOs) -> bool {
    arguments.nth(1).is_some_and(|command| command == "run" || command == "serve")
}

fn run(args: &RunArgs, entered: Option<Entered>) -> Done {
    let settings = load(Vec::new(), args.common.layer(), false)?;
    let spec =
        cli::run_service(args, &settings.tuning).map_err(|error| Failure::Usage(error.into()))?;
    start(settings, Some(spec), None, entered)
}

fn serve(args: &ServeArgs, entered: Option<Entered>) -> Done {
    let files = files_or_default(args.files.files.clone())?;
    let layers = layers(files, args.common.layer(), true);
    let Reading { files, settings } = config::read_layers(&layers);
    let settings = settings.map_err(|error| Failure::Usage(error.into()))?;
    start(settings, None, Some(Origin { layers, files, watch: args.watch }), entered)
}

/// Serves `only`, or else the services of the configuration, which comes from `origin`.
fn start(
    settings: Settings,
    only: Option<ServiceSpec>,
    origin: Option<Origin>,
    entered: Option<Entered>,
) -> Done {
    let watchdog = entered.unwrap_or_else(watchdog::enter);
    let mut telemetry = telemetry::init(&settings.log, settings.otel.as_ref())
        .map_err(|error| Failure::Usage(error.into()))?;
    let watchdog = watchdog.unwrap_or_else(|error| {
        let error = explained(&error.into());
        tracing::warn!(error, "no watchdog: if Standpipe is killed, grandchildren may survive it");
        WatchdogLink::unwatched()
    });
    for name in &settings.ignored_variables {
        tracing::warn!(name, "this variable is not a configuration key and was ignored");
    }
    // Whoever runs one server watches it; of many, each waits until it is asked for.
    let at_once = only.is_some();
    let services = match only {
        Some(spec) => vec![spec],
        None => settings.services.iter().map(|service| service.spec.clone()).collect(),
    };
    if services.is_empty() {
        tracing::warn!("the configuration names no service under `mcpServers`");
    }
    let runtimes = Runtimes::start(settings.threads.unwrap_or_else(threads_by_default))
        .context("cannot start the runtimes")
        .map_err(Failure::Other)?;
    let traces = telemetry.traces.clone();
    let handles = runtimes.handles();
    let serving = serve::serve(settings, services, at_once, origin, watchdog, handles, traces);
    let served = runtimes.block_on(serving);
    // What is left after a second signal is not waited for; the watchdog clears it away.
    runtimes.end();
    if matches!(served, Err(ServeError::Interrupted { .. })) {
        telemetry.forget_traces();
    }
    drop(telemetry);
    served.map_err(|error| match error {
        // Whoever names a socket has to name one that can be.
        ServeError::Control(OpenError::Socket(_)) => Failure::Usage(error.into()),
        error => Failure::Other(error.into()),
    })
}

fn configuration(command: &ConfigCommand) -> Done {
    match command {
        ConfigCommand::Example => print(config::EXAMPLE.as_bytes()),
        ConfigCommand::Check(files) => {
            let files = files_or_default(files.paths())?;
            let settings = load(files.clone(), FlagLayer::default(), true)?;
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            let count = settings.services.len();
            let services = if count == 1 { "service" } else { "services" };
            print(format!("{}: valid, {count} {services}\n", names.join(", ")).as_bytes())
        }
        ConfigCommand::Show(files) => {
            let files = files_or_default(files.paths())?;
            let settings = load(files, FlagLayer::default(), true)?;
            print(config::show(&settings).as_bytes())
        }
    }
}

fn servers(args: &ServersArgs) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::Other)?;
    match runtime.block_on(control_commands::run(args)) {
        // `standpipe servers logs x --follow | head` is no failure.
        Err(ServersError::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) if error.is_usage() => Err(Failure::Usage(error.into())),
        done => done.map_err(|error| Failure::Other(error.into())),
    }
}

fn be_the_demo() -> Done {
    let mut input = io::stdin().lock();
    demo::run(&mut input, io::stdout()).map_err(|error| Failure::Other(error.into()))
}

fn load(files: Vec<PathBuf>, flags: FlagLayer, services: bool) -> Result<Settings, Failure> {
    let layers = layers(files, flags, services);
    config::load(&layers).map_err(|error| Failure::Usage(error.into()))
}

fn layers(files: Vec<PathBuf>, flags: FlagLayer, services: bool) -> Layers {
    Layers { files, environment: env::vars_os().collect(), flags, services }
}

/// The files that were named, or the first of the usual ones that exists.
fn files_or_default(named: Vec<PathBuf>) -> Result<Vec<PathBuf>, Failure> {
    if !named.is_empty() {
        return Ok(named);
    }
    let searched = usual_files();
    if let Some(found) = searched.iter().find(|path| path.is_file()) {
        return Ok(vec![found.clone()]);
    }
    // The environment alone may describe everything.
    let prefix = "STANDPIPE_MCPSERVERS__";
    if env::vars_os()
        .any(|(name, _)| name.to_string_lossy().to_ascii_uppercase().starts_with(prefix))
    {
        return Ok(Vec::new());
    }
    Err(Failure::Usage(ConfigError::Nothing { searched }.into()))
}

fn usual_files() -> Vec<PathBuf> {
    let folder = env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".config")));
    let mut files = vec![PathBuf::from("standpipe.toml")];
    files.extend(folder.map(|folder| folder.join("standpipe").join("standpipe.toml")));
    files
}

fn print(text: &[u8]) -> Done {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        // `standpipe man | head` is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(anyhow::Error::new(error).context("cannot write to stdout")))
        }
        _ => Ok(()),
    }
}

/// The error and what caused it, as far as the causes say more.
fn explained(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
