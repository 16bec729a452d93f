//! `promtool`, which checks what `/metrics` prints.
//!
//! Owns where it comes from: the `PATH`, or else Debian's package `prometheus`, of which nothing but
//! the one program is taken, below `target/e2e`. Must not know what is checked with it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use super::debian;
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
    // The server itself is of no use here, and large.
    debian::unpack(PACKAGE, INSIDE, &["usr/bin/prometheus"], &folder).with_context(|| {
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
