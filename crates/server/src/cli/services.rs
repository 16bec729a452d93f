//! The one service of `standpipe run`.
//!
//! Owns the way from `run`'s flags to a service. It must not know the other settings. It exists
//! because `run` describes in flags what `serve` reads from files.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use standpipe_core::secret::Redacted;
use standpipe_core::service::{
    MAX_SERVICE_ID_LEN, ServiceId, ServiceIdError, ServiceSpec, Sharing, SpecError,
};

use super::{RunArgs, SharingArg};
use crate::config::Tuning;

/// The service that the flags describe, with the defaults in `tuning`.
pub fn run_service(args: &RunArgs, tuning: &Tuning) -> Result<ServiceSpec, RunError> {
    let (command, rest) = command(args)?;
    let id = match &args.id {
        Some(id) => ServiceId::new(id).map_err(|source| RunError::Id { id: id.clone(), source })?,
        None if args.demo => name_of(OsStr::new("demo")),
        None => name_of(&command),
    };
    let mut spec = ServiceSpec::new(id, command);
    spec.args = rest;
    for given in &args.env {
        let (name, value) = variable(given)?;
        spec.env.insert(name, Redacted::new(value));
    }
    spec.cwd.clone_from(&args.cwd);
    tuning.apply(&mut spec);
    match args.sharing {
        Some(SharingArg::Shared) => spec.sharing = Sharing::Shared,
        Some(SharingArg::Session) => spec.sharing = Sharing::Session,
        None => {}
    }
    spec.validate()?;
    if let Some(cwd) = &spec.cwd
        && !cwd.is_dir()
    {
        return Err(RunError::Cwd { cwd: cwd.clone() });
    }
    Ok(spec)
}

/// Flags of `run` that make no service.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// `--id` is no service id.
    #[error("--id {id:?}: {source}")]
    Id {
        /// What was given.
        id: String,
        /// Why not.
        #[source]
        source: ServiceIdError,
    },
    /// `--env` is neither `K=V` nor a name.
    #[error("--env: {} has no name; write K=V to set a variable, or NAME to copy one",
            given.display())]
    EnvName {
        /// What was given.
        given: OsString,
    },
    /// `--env NAME` of a variable that is not set here.
    #[error(
        "--env {name}: this variable is not set here, so it cannot be copied; write {name}=VALUE"
    )]
    EnvUnset {
        /// The variable.
        name: String,
    },
    /// A variable that is not UTF-8.
    #[error("--env {name}: the name or the value is not UTF-8 text")]
    EnvText {
        /// The variable, as far as it can be shown.
        name: String,
    },
    /// `--cwd` is no folder.
    #[error("--cwd {}: no such folder", cwd.display())]
    Cwd {
        /// What was given.
        cwd: PathBuf,
    },
    /// Our own binary cannot be found to run `demo`.
    #[error("cannot find this program's own file, which is the demo server")]
    OwnPath(#[source] io::Error),
    /// No command, which the command line's parser does not let through.
    #[error("there is no command to run; write it after `--`")]
    NoCommand,
    /// The values contradict each other.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

fn command(args: &RunArgs) -> Result<(OsString, Vec<OsString>), RunError> {
    if args.demo {
        let own = env::current_exe().map_err(RunError::OwnPath)?;
        return Ok((own.into(), vec!["demo".into()]));
    }
    let (command, rest) = args.cmd.split_first().ok_or(RunError::NoCommand)?;
    Ok((command.clone(), rest.to_vec()))
}

/// A service id made from a command: `/usr/bin/my server.py` becomes `my-server`.
fn name_of(command: &OsStr) -> ServiceId {
    let stem = Path::new(command).file_stem().unwrap_or(command).to_string_lossy();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = stem
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .skip_while(|c| matches!(c, '.' | '-'))
        .take(MAX_SERVICE_ID_LEN)
        .collect();
    ServiceId::new(&name).or_else(|_| ServiceId::new("server")).expect("`server` is a service id")
}

pub(super) fn variable(given: &OsStr) -> Result<(String, String), RunError> {
    let text = given.to_str().ok_or_else(|| RunError::EnvText {
        // Only the name: what follows may be secret.
        name: given.to_string_lossy().split('=').next().unwrap_or_default().to_owned(),
    })?;
    if let Some((name, value)) = text.split_once('=') {
        if name.is_empty() {
            return Err(RunError::EnvName { given: "=…".into() });
        }
        return Ok((name.to_owned(), value.to_owned()));
    }
    if text.is_empty() {
        return Err(RunError::EnvName { given: "\"\"".into() });
    }
    match env::var(text) {
        Ok(value) => Ok((text.to_owned(), value)),
        Err(env::VarError::NotPresent) => Err(RunError::EnvUnset { name: text.to_owned() }),
        Err(env::VarError::NotUnicode(_)) => Err(RunError::EnvText { name: text.to_owned() }),
    }
}
