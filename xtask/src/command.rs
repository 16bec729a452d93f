//! Starts programs, shows what they print, and reads it on the way.
//!
//! Owns the running of one child program: its output, its deadline, its end. Must not know what
//! the program checks. Kept apart so that no task can forget to stop what it started.

#[cfg(test)]
mod tests;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};

use crate::tally::Tally;

/// How many lines of output may wait to be read. A program that prints faster than we read is
/// held back by its own full pipe.
const LINES_WAITING: usize = 1024;

/// How a program ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with success.
    Good,
    /// By itself, with another exit status.
    Bad(ExitStatus),
    /// It was still running at its deadline, and was ended.
    Late,
}

/// How long a program that is late may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// Runs one step of a task and counts it as one check.
pub(crate) fn step(what: &str, command: &mut Command, tally: &mut Tally) {
    println!("\n==> {what}\n    {}", shown(command));
    let start = SystemTime::now();
    match command.status() {
        Ok(status) if status.success() => {
            println!("    done in {}", spent(start));
            tally.pass();
        }
        Ok(status) => {
            println!("    FAILED with {status} after {}", spent(start));
            tally.fail(format!("{what}: {status}"));
        }
        Err(error) => {
            println!("    FAILED to start: {error}");
            tally.fail(format!("{what}: cannot be started: {error}"));
        }
    }
}

/// Runs a program, shows its standard output, and hands each line of it to `line`.
///
/// The program is ended when `limit` has passed.
pub(crate) fn watched(
    command: &mut Command,
    limit: Duration,
    mut line: impl FnMut(&str),
) -> anyhow::Result<End> {
    followed(command, limit, |text| {
        println!("{text}");
        line(text);
    })
}

/// Like [`watched`], and shows nothing.
pub(crate) fn followed(
    command: &mut Command,
    limit: Duration,
    mut line: impl FnMut(&str),
) -> anyhow::Result<End> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    let lines = lines_of(child.stdout.take().context("the child has no stdout")?);
    let start = SystemTime::now();
    loop {
        let left = limit.saturating_sub(start.elapsed().unwrap_or_default());
        match lines.recv_timeout(left) {
            Ok(text) => line(&text),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                stop(child, GRACE)?;
                return Ok(End::Late);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait()?;
    Ok(if status.success() { End::Good } else { End::Bad(status) })
}

/// The lines of a stream, read by a thread of their own so that a deadline can be kept.
/// Bytes that are no UTF-8 are replaced, never an error.
pub(crate) fn lines_of(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(LINES_WAITING);
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(1..)) {
            let text = String::from_utf8_lossy(&bytes);
            if sender.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
                return;
            }
            bytes.clear();
        }
    });
    receiver
}

/// Runs a program and returns what it printed; anything but success is an error that shows it.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {}", shown(command)))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "{} ended with {}\n{printed}{}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(printed)
}

/// Asks a child to end (SIGTERM), kills it when it has not ended after `grace`, and says how it
/// ended.
pub(crate) fn stop(mut child: Child, grace: Duration) -> anyhow::Result<End> {
    // The shell's own `kill` is on every machine, the program of that name is not.
    Command::new("sh")
        .args(["-c", "kill -TERM \"$0\""])
        .arg(child.id().to_string())
        .status()
        .context("cannot run sh")?;
    let start = SystemTime::now();
    while start.elapsed().unwrap_or_default() < grace {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { End::Good } else { End::Bad(status) });
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    Ok(End::Late)
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

fn spent(start: SystemTime) -> String {
    format!("{:.1} s", start.elapsed().unwrap_or_default().as_secs_f64())
}
