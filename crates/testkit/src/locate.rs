//! Where the two servers are, seen from a test of any crate.
//!
//! Owns the search and, when it fails, the build. `CARGO_BIN_EXE_…` only exists for the tests of
//! the crate that has the binary, and the servers are used by all of them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The path of `standpipe-fixture`.
///
/// It is looked for next to the running test (`target/debug` and the like). Where it is missing, or
/// older than the sources of this crate, `cargo build -p standpipe-testkit --bins` is run once per
/// test process with the same profile and target directory.
///
/// # Panics
/// If the binary can neither be found nor built; the message says why.
pub fn fixture_path() -> PathBuf {
    servers().join("standpipe-fixture")
}

/// The path of `standpipe-nasty`; see [`fixture_path`].
///
/// # Panics
/// If the binary can neither be found nor built; the message says why.
pub fn nasty_path() -> PathBuf {
    servers().join("standpipe-nasty")
}

/// The directory both are in.
fn servers() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let test = std::env::current_exe().expect("a running test has a path");
        let directory = profile_directory(&test);
        let newest_source = newest(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
        let ready = ["standpipe-fixture", "standpipe-nasty"]
            .iter()
            .all(|name| modified(&directory.join(name)) > newest_source);
        if !ready {
            build(&directory);
        }
        directory
    })
}

/// The directory of the profile, from `<target>/<profile>[/deps|/examples]/<test>`.
fn profile_directory(test: &Path) -> PathBuf {
    test.ancestors()
        .skip(1)
        .find(|directory| {
            !matches!(directory.file_name().and_then(OsStr::to_str), Some("deps" | "examples"))
        })
        .unwrap_or(Path::new("."))
        .to_owned()
}

fn build(directory: &Path) {
    let target = directory.parent().expect("a profile's directory is inside a target directory");
    let profile = match directory.file_name().and_then(OsStr::to_str) {
        None | Some("debug") => "dev",
        Some(other) => other,
    };
    // Cargo's output is kept off the test's own, and shown when it failed.
    let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["build", "--quiet", "-p", "standpipe-testkit", "--bins", "--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("cargo could not be run to build the test servers: {error}")
        });
    assert!(
        output.status.success(),
        "cargo could not build the test servers: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// When the newest file under `directory` was written.
fn newest(directory: &Path) -> Option<SystemTime> {
    std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            if path.is_dir() { newest(&path) } else { modified(&path) }
        })
        .max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}
