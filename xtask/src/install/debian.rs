//! Programs out of Debian's packages, without installing them.
//!
//! Owns how one is fetched and unpacked. Must not know what it is for. A package is not installed:
//! that needs root, and would start a server that comes with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::command;

/// Unpacks `package` into `folder`. It has to hold the file `wanted`; what is `unneeded` of it, and
/// large, is not kept.
pub(crate) fn unpack(
    package: &str,
    wanted: &str,
    unneeded: &[&str],
    folder: &Path,
) -> anyhow::Result<()> {
    // What an interrupted run has left is in the way.
    let fresh = folder.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    let fetched = command::output(&mut get(package, &fresh));
    if fetched.is_err() {
        // A fresh machine does not know of any package yet.
        command::output(Command::new("apt-get").args(["--quiet", "update"]))?;
        command::output(&mut get(package, &fresh))?;
    }
    let archive = fs::read_dir(&fresh)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get has left no package")?;
    command::output(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(&fresh))?;
    if !fresh.join(wanted).exists() {
        bail!("the package holds no {wanted}");
    }
    fs::remove_file(archive)?;
    for file in unneeded {
        fs::remove_file(fresh.join(file))?;
    }
    fs::rename(fresh, folder).with_context(|| format!("cannot put {package} in its place"))
}

fn get(package: &str, folder: &Path) -> Command {
    let mut get = Command::new("apt-get");
    get.args(["--quiet", "download", package]).current_dir(folder);
    get
}
