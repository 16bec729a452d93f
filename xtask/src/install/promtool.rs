//! `promtool`, which checks what `/metrics` prints.
//!
//! Owns where it comes from: the `PATH`, or else Debian's package `prometheus`, of which nothing but
//! the one program is taken, below `target/e2e`. The package is not installed: that would start a
//! server. Must not know what is checked with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::command;
use crate::workspace;

/// The Debian package that holds it.
const PACKAGE: &str = "prometheus";

/// Where the package holds it.
const INSIDE: &str = "usr/bin/promtool";

/// Fetches it, where it is on no path.
pub(crate) fn fetch() -> anyhow::Result<()> {
    if is_on_path() {
        println!("    promtool: on the PATH");
        return Ok(());
    }
    let folder = folder();
    if folder.join(INSIDE).exists() {
        println!("    promtool: there already");
        return Ok(());
    }
    println!("    promtool: out of Debian's package {PACKAGE}");
    download(&folder).with_context(|| {
        format!("promtool is not on the PATH, and Debian's package {PACKAGE} could not be fetched")
    })
}

/// The program; after [`fetch`].
pub(crate) fn program() -> PathBuf {
    if is_on_path() { PathBuf::from("promtool") } else { folder().join(INSIDE) }
}

fn folder() -> PathBuf {
    workspace::e2e_dir().join("promtool")
}

fn is_on_path() -> bool {
    let output = Command::new("promtool").arg("--version").output();
    output.is_ok_and(|output| output.status.success())
}

fn download(folder: &Path) -> anyhow::Result<()> {
    // What an interrupted run has left is in the way.
    let fresh = folder.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    let fetched = command::output(&mut get(&fresh));
    if fetched.is_err() {
        // A fresh machine does not know of any package yet.
        command::output(Command::new("apt-get").args(["--quiet", "update"]))?;
        command::output(&mut get(&fresh))?;
    }
    let package = fs::read_dir(&fresh)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get has left no package")?;
    command::output(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&fresh))?;
    if !fresh.join(INSIDE).exists() {
        bail!("the package holds no {INSIDE}");
    }
    // The server itself and its package are of no use here, and large.
    fs::remove_file(package)?;
    fs::remove_file(fresh.join("usr/bin/prometheus"))?;
    fs::rename(fresh, folder).context("cannot put promtool in its place")
}

fn get(folder: &Path) -> Command {
    let mut get = Command::new("apt-get");
    get.args(["--quiet", "download", PACKAGE]).current_dir(folder);
    get
}
