//! On what it was measured.
//!
//! Owns the few words that figures need beside them. Must not tell whose machine it was.

use std::fs;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::command;
use crate::workspace;

/// Date, kernel, processor and revision.
pub(super) fn described() -> Value {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    json!({
        "date": said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"])),
        "kernel": said(Command::new("uname").args(["-s", "-r", "-m"])),
        "processor": processor(),
        "cores": cores,
        "revision": revision(),
    })
}

fn processor() -> String {
    fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(unknown)
}

/// The commit, and whether anything was changed since.
fn revision() -> String {
    let git = |arguments: &[&str]| {
        command::output(Command::new("git").args(arguments).current_dir(workspace::root()))
    };
    let Ok(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return unknown();
    };
    let changed = git(&["status", "--porcelain", "--", ".", ":!bench/results"])
        .is_ok_and(|text| !text.trim().is_empty());
    format!("{}{}", commit.trim(), if changed { " and changes" } else { "" })
}

fn said(command: &mut Command) -> String {
    command::output(command).map_or_else(|_| unknown(), |text| text.trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}
