//! Owns the ways in which a child cannot be started, worded so that the reader can put it right.
//! It looks at files to find out; it never starts anything.

use std::borrow::Cow;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::LaunchSpec;
use crate::limits;

/// A child could not be started.
#[derive(Debug)]
pub struct LaunchError {
    /// The command that was to be started.
    pub command: OsString,
    /// What went wrong.
    pub fault: LaunchFault,
}

impl LaunchError {
    /// The same with `shown` wherever it would have named `value`, which must not be seen.
    #[must_use]
    pub(crate) fn showing(mut self, value: &OsStr, shown: &str) -> Self {
        let value = value.to_string_lossy();
        let hide = |text: &OsStr| OsString::from(text.to_string_lossy().replace(&*value, shown));
        if value.is_empty() {
            return self;
        }
        self.command = hide(&self.command);
        match &mut self.fault {
            LaunchFault::NoSuchFile { path }
            | LaunchFault::NoInterpreter { script: path, .. }
            | LaunchFault::WorkingDirectory { path, .. }
            | LaunchFault::NotPermitted { path, .. } => *path = hide(path.as_os_str()).into(),
            _ => {}
        }
        self
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start `{}`: {}", self.command.display(), self.fault)
    }
}

impl Error for LaunchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The fault is part of our own message already.
        self.fault.source()
    }
}

/// What went wrong when a child was to be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchFault {
    /// No executable of that name in any directory of the child's `PATH`.
    #[error("no such command on PATH ({})", searched.display())]
    NotOnPath {
        /// The `PATH` that was searched.
        searched: OsString,
    },
    /// The child would have no `PATH` to search.
    #[error("PATH is not set, so give the full path of the command")]
    NoPath,
    /// The command is a path, and nothing is there.
    #[error("there is no file {}", path.display())]
    NoSuchFile {
        /// The path as it was looked for, in the child's working directory if relative.
        path: PathBuf,
    },
    /// The script exists; what its first line names to run it does not.
    #[error("{} needs the interpreter {}, which does not exist", script.display(), interpreter.display())]
    NoInterpreter {
        /// The file that was to be run.
        script: PathBuf,
        /// What its `#!` line names.
        interpreter: PathBuf,
    },
    /// The working directory cannot be entered.
    #[error("the working directory {} cannot be used: {source}", path.display())]
    WorkingDirectory {
        /// The configured directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is there but may not be executed by us.
    #[error("permission denied: {} is not an executable we may run", path.display())]
    NotPermitted {
        /// The file that was found.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The file is no program for this machine.
    #[error("it is not a program this machine can run")]
    NotAProgram {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Arguments and environment together are larger than the kernel allows.
    #[error("its arguments and environment are too long")]
    TooLong {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The command, an argument or a variable contains a NUL byte, or a variable's name is invalid.
    #[error("the command, an argument or a variable contains a NUL byte")]
    Nul,
    /// No file descriptor is left for the pipes (`EMFILE`, `ENFILE`); passes when others close.
    #[error("no file descriptors are left (raise the limit on open files)")]
    Descriptors {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// No further process or thread may be created (`EAGAIN`); passes when others end.
    #[error("no more processes can be created (raise the limit on processes)")]
    Processes {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The machine is out of memory.
    #[error("there is not enough memory")]
    Memory {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel does not accept one of the configured resource limits.
    #[error("its resource limits cannot be set")]
    Limits {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// We are ending, so nothing is started any more.
    #[error("Standpipe is shutting down")]
    ShuttingDown,
    /// Anything else the kernel said.
    #[error("{source}")]
    Other {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl LaunchFault {
    /// Whether the same start may succeed in a moment although nothing is reconfigured.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Descriptors { .. } | Self::Processes { .. } | Self::Memory { .. })
    }

    /// What went wrong, for those who call the service: what kind of failure it is and where it is put
    /// right, but nothing of how the machine is set up.
    pub fn in_brief(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::NotOnPath { .. } | Self::NoPath | Self::NoSuchFile { .. } => {
                "its command was not found; its operator has to check `command` (the log says more)"
            }
            Self::NoInterpreter { .. } => {
                "the interpreter of its command was not found; its operator has to check `command` \
                 (the log says more)"
            }
            Self::WorkingDirectory { .. } => {
                "its working directory cannot be used; its operator has to check `cwd` (the log says \
                 more)"
            }
            Self::NotPermitted { .. } => {
                "its command may not be run; its operator has to check its permissions (the log says \
                 more)"
            }
            Self::Other { .. } => "the operating system does not run its command; the log says why",
            plain => return plain.to_string().into(),
        })
    }

    /// The fault that needs nothing but the error number.
    pub(crate) fn from_errno(source: io::Error) -> Self {
        match Errno::from_io_error(&source) {
            Some(Errno::MFILE | Errno::NFILE) => Self::Descriptors { source },
            Some(Errno::AGAIN) => Self::Processes { source },
            Some(Errno::NOMEM) => Self::Memory { source },
            Some(limits::REFUSED) => Self::Limits { source },
            Some(Errno::TOOBIG) => Self::TooLong { source },
            Some(Errno::NOEXEC) => Self::NotAProgram { source },
            _ if source.kind() == io::ErrorKind::InvalidInput => Self::Nul,
            _ => Self::Other { source },
        }
    }
}

/// Looks at the file system to tell causes apart for which the kernel has one number only.
pub(super) fn diagnose(
    spec: &LaunchSpec,
    environment: &[(OsString, OsString)],
    source: io::Error,
) -> LaunchFault {
    let errno = Errno::from_io_error(&source);
    if !matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::PERM)) {
        return LaunchFault::from_errno(source);
    }
    if let Some(path) = &spec.cwd
        && let Err(source) = usable_directory(path)
    {
        return LaunchFault::WorkingDirectory { path: path.clone(), source };
    }
    let search = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value);
    match locate(spec, search) {
        Found::Executable(path) => match interpreter_of(&path) {
            Some(interpreter) if !interpreter.exists() => {
                LaunchFault::NoInterpreter { script: path, interpreter }
            }
            _ if errno == Some(Errno::NOENT) => LaunchFault::NotAProgram { source },
            _ => LaunchFault::NotPermitted { path, source },
        },
        Found::Forbidden(path) => LaunchFault::NotPermitted { path, source },
        Found::Nothing(Some(path)) => LaunchFault::NoSuchFile { path },
        Found::Nothing(None) => match search {
            Some(searched) => LaunchFault::NotOnPath { searched: searched.clone() },
            None => LaunchFault::NoPath,
        },
    }
}

enum Found {
    Executable(PathBuf),
    Forbidden(PathBuf),
    /// With the path that was looked at, if there was just one.
    Nothing(Option<PathBuf>),
}

fn locate(spec: &LaunchSpec, search: Option<&OsString>) -> Found {
    let base = spec.cwd.as_deref().unwrap_or(Path::new(""));
    if spec.command.as_encoded_bytes().contains(&b'/') {
        let path = base.join(&spec.command);
        return match is_executable(&path) {
            Some(true) => Found::Executable(path),
            Some(false) => Found::Forbidden(path),
            None => Found::Nothing(Some(path)),
        };
    }
    let mut forbidden = None;
    for directory in search.map(std::env::split_paths).into_iter().flatten() {
        let path = base.join(directory).join(&spec.command);
        match is_executable(&path) {
            Some(true) => return Found::Executable(path),
            Some(false) => forbidden = forbidden.or(Some(path)),
            None => {}
        }
    }
    forbidden.map_or(Found::Nothing(None), Found::Forbidden)
}

/// `None` if there is nothing there at all.
fn is_executable(path: &Path) -> Option<bool> {
    match fs::metadata(path) {
        Ok(found) => Some(found.is_file() && found.permissions().mode() & 0o111 != 0),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(false),
        Err(_) => None,
    }
}

fn usable_directory(path: &Path) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        return Err(Errno::NOTDIR.into());
    }
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK)?;
    Ok(())
}

/// What the file's `#!` line names, if it has one.
fn interpreter_of(path: &Path) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut head = [0; 256];
    let length = fs::File::open(path).ok()?.read(&mut head).ok()?;
    let line = head.get(..length)?.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let name = line.trim_ascii().split(u8::is_ascii_whitespace).next()?;
    (!name.is_empty()).then(|| OsStr::from_bytes(name).into())
}
