//! The two gates: the quick one for every change, and the whole one for a clean clone.
//!
//! Owns the order of the steps. Must not know what a step looks at. Every step runs even when an
//! earlier one failed, so that one run tells everything.

use std::time::Duration;

use crate::command::{self, End};
use crate::tally::{self, Tally};
use crate::{install, instructions, suites, tidy, workspace};

/// How long all tests of the workspace may take, their build included.
const TESTS: Duration = Duration::from_mins(20);

/// Formatting, tidy, clippy and every test.
pub(crate) fn quick(tally: &mut Tally) -> anyhow::Result<()> {
    command::step("formatting", workspace::cargo().args(["fmt", "--all", "--check"]), tally);
    tidy::run(tally)?;
    command::step(
        "clippy",
        workspace::cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny=warnings",
        ]),
        tally,
    );
    tests(tally)
}

/// The quick gate, then documentation, licences, instructions, the release build and the end-to-end
/// suites.
pub(crate) fn all(tally: &mut Tally) -> anyhow::Result<()> {
    quick(tally)?;
    command::step(
        "documentation",
        workspace::cargo()
            .args(["doc", "--workspace", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "--deny=warnings"),
        tally,
    );
    licences(tally);
    if let Err(error) = instructions::guard(tally) {
        println!("    FAILED: {error:#}");
        tally.fail(format!("instructions: {error:#}"));
    }
    if let Err(error) = install::run() {
        println!("    FAILED: {error:#}");
        tally.fail("install: what the end-to-end suites need could not be fetched");
        return Ok(());
    }
    tally.pass();
    suites::run(&[], tally)
}

/// Runs every test, doctests included, and adds up the numbers cargo prints.
fn tests(tally: &mut Tally) -> anyhow::Result<()> {
    let mut command = workspace::cargo();
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    println!("\n==> tests\n    {}", command::shown(&command));
    let before = (tally.counted(), tally.failed());
    let mut names = Vec::new();
    let end = command::watched(&mut command, TESTS, |line| {
        if let Some(name) = tally::failed_test(line) {
            names.push(format!("test {name}"));
        } else if let Some((passed, failed)) = tally::cargo_test_line(line) {
            tally.add(passed, failed, std::mem::take(&mut names));
        }
    })?;
    let said_so = tally.failed() > before.1;
    match end {
        End::Good if tally.counted() == before.0 => tally.fail("cargo test ran no test"),
        // A build that fails or a test binary that is killed prints no result line.
        End::Bad(status) if !said_so => tally.fail(format!("cargo test: {status}")),
        End::Good | End::Bad(_) => {}
        End::Late => {
            tally.fail(format!("cargo test: not done after {} minutes", TESTS.as_secs() / 60));
        }
    }
    Ok(())
}

/// Licences, sources and duplicate versions, where `cargo deny` is installed.
fn licences(tally: &mut Tally) {
    let present = workspace::cargo()
        .args(["deny", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !present {
        println!("\n==> licences\n    skipped: cargo-deny is not installed");
        return;
    }
    command::step(
        "licences",
        workspace::cargo().args(["deny", "--workspace", "check", "bans", "licenses", "sources"]),
        tally,
    );
}
