//! `valgrind`, under which instructions are counted.
//!
//! Owns where it comes from: the `PATH`, or else Debian's package of that name, unpacked below
//! `target/e2e`. Must not know what is counted with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::debian;
use crate::workspace;

/// The Debian package that holds it.
const PACKAGE: &str = "valgrind";

/// Where the package holds it; beside it stands a script that looks for it in `/usr`.
const INSIDE: &str = "usr/bin/valgrind.bin";

/// Where packages hold its tools, newer ones first.
const TOOLS: &[&str] = &[
    "usr/libexec/valgrind",
    "usr/lib/valgrind",
    "usr/lib/x86_64-linux-gnu/valgrind",
    "usr/lib/aarch64-linux-gnu/valgrind",
];

/// Where it is.
pub(crate) enum Valgrind {
    /// On the `PATH`.
    Installed,
    /// Unpacked into this folder.
    Unpacked(PathBuf),
}

impl Valgrind {
    /// Finds it, or fetches it.
    ///
    /// # Errors
    /// When there is none and none can be had.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let installed = Command::new("valgrind").arg("--version").output();
        if installed.is_ok_and(|output| output.status.success()) {
            return Ok(Self::Installed);
        }
        let folder = workspace::e2e_dir().join("valgrind");
        if !folder.join(INSIDE).exists() {
            println!("    valgrind: out of Debian's package {PACKAGE}");
            debian::unpack(PACKAGE, INSIDE, &[], &folder).with_context(|| {
                format!(
                    "valgrind is not on the PATH, and Debian's package {PACKAGE} could not be fetched"
                )
            })?;
        }
        tools(&folder).context("the package valgrind holds no tools where they are expected")?;
        Ok(Self::Unpacked(folder))
    }

    /// The command that runs it.
    pub(crate) fn command(&self) -> Command {
        match self {
            Self::Installed => Command::new("valgrind"),
            Self::Unpacked(folder) => {
                let mut command = Command::new(folder.join(INSIDE));
                // Its tools are not where it was built for.
                command.envs(tools(folder).map(|tools| ("VALGRIND_LIB", tools)));
                command
            }
        }
    }
}

fn tools(folder: &Path) -> Option<PathBuf> {
    TOOLS.iter().map(|tools| folder.join(tools)).find(|tools| tools.is_dir())
}
