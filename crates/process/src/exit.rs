//! Owns the one word for "how did the process end". It knows nothing of who asks or what is done
//! about it: the guard, the watchdog and the supervisor's messages all speak of endings, and this
//! keeps them speaking alike.

use std::fmt;

use nix::sys::signal::Signal;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returned from `main` or called `exit` with this status (0 to 255).
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It is gone, but somebody else took its status (for example because `SIGCHLD` is ignored).
    Unknown,
}

impl Exit {
    /// Whether the process reported success: status 0.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }

    /// The exit status, if it exited.
    pub const fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) | Self::Unknown => None,
        }
    }

    /// The signal, if one ended it.
    pub const fn signal(self) -> Option<i32> {
        match self {
            Self::Signal(signal) => Some(signal),
            Self::Code(_) | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exited with status {code}"),
            Self::Signal(signal) => match Signal::try_from(signal) {
                Ok(Signal::SIGXCPU) => {
                    write!(f, "exceeded the CPU limit and was killed by signal {signal} (SIGXCPU)")
                }
                Ok(named) => write!(f, "was killed by signal {signal} ({})", named.as_str()),
                Err(_) => write!(f, "was killed by signal {signal}"),
            },
            Self::Unknown => f.write_str("ended with an unknown status"),
        }
    }
}

impl From<&rustix::process::WaitIdStatus> for Exit {
    fn from(status: &rustix::process::WaitIdStatus) -> Self {
        status
            .exit_status()
            .map(Self::Code)
            .or_else(|| status.terminating_signal().map(Self::Signal))
            .unwrap_or(Self::Unknown)
    }
}

impl From<rustix::process::WaitStatus> for Exit {
    fn from(status: rustix::process::WaitStatus) -> Self {
        status
            .exit_status()
            .map(Self::Code)
            .or_else(|| status.terminating_signal().map(Self::Signal))
            .unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests;
