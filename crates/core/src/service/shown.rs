//! How a service's command and directory may be shown.
//!
//! Owns the texts that stand for values that were put together from references. Must not know where
//! they are shown. It exists because an error about a command names it, and a reference's value may be
//! secret wherever it stands.

use std::borrow::Cow;

use super::ServiceSpec;

/// The texts that stand for values of a [`ServiceSpec`]; `None` where the value itself may be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// For the command.
    pub command: Option<String>,
    /// For the working directory.
    pub cwd: Option<String>,
}

impl ServiceSpec {
    /// The command, for readers.
    pub fn command_shown(&self) -> Cow<'_, str> {
        match &self.shown.command {
            Some(shown) => shown.into(),
            None => self.command.to_string_lossy(),
        }
    }

    /// The working directory, for readers.
    pub fn cwd_shown(&self) -> Option<Cow<'_, str>> {
        let cwd = self.cwd.as_ref()?;
        Some(match &self.shown.cwd {
            Some(shown) => shown.into(),
            None => cwd.to_string_lossy(),
        })
    }
}
