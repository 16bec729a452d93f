//! Tools that put a supervisor to the test: death, grandchildren, noise.
//!
//! Owns misbehaviour on demand by an otherwise good server; children that are bad from the start
//! are in `standpipe-nasty`.

use std::io::Write;
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use serde::Deserialize;
use standpipe_testkit::Grandchild;

use super::{Stop, Tool, Turn, object, text, tool_error};
use crate::server::Outcome;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "crash",
        description: "Ends the process with an exit code or a signal, before it answers or after",
        input_schema: r#"{"type":"object","properties":{"code":{"type":"integer"},"signal":{"type":"integer"},"after_ms":{"type":"integer","minimum":0},"answer_first":{"type":"boolean"}}}"#,
        run: crash,
    },
    Tool {
        name: "spawn_grandchild",
        description: "Starts a process that outlives this one, and answers with its id",
        input_schema: r#"{"type":"object","properties":{"setsid":{"type":"boolean"},"ignore_term":{"type":"boolean"},"hold_stdout":{"type":"boolean"},"hold_stderr":{"type":"boolean"},"clear_env":{"type":"boolean"}}}"#,
        run: spawn_grandchild,
    },
    Tool {
        name: "stderr",
        description: "Writes that many bytes to standard error, in lines",
        input_schema: r#"{"type":"object","properties":{"bytes":{"type":"integer","minimum":0},"text":{"type":"string"}}}"#,
        run: stderr,
    },
    Tool {
        name: "stdout_noise",
        description: "Writes a line to stdout that is not a message",
        input_schema: r#"{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}"#,
        run: |turn| {
            #[derive(Deserialize)]
            struct Arguments {
                text: String,
            }
            let Arguments { text: noise } = turn.arguments()?;
            turn.server.out.send(&noise);
            Ok(text("written"))
        },
    },
];

fn crash(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    #[derive(Deserialize)]
    struct Arguments {
        code: Option<i32>,
        signal: Option<i32>,
        #[serde(default)]
        after_ms: u64,
        #[serde(default)]
        answer_first: bool,
    }
    let Arguments { code, signal, after_ms, answer_first } = turn.arguments()?;
    let Ok(signal) = signal.map(Signal::try_from).transpose() else {
        return Ok(tool_error("there is no such signal"));
    };
    let end = move || {
        std::thread::sleep(Duration::from_millis(after_ms));
        die(code.unwrap_or(1), signal);
    };
    if answer_first {
        let call = turn.call.clone();
        std::thread::spawn(move || {
            call.closed();
            end();
        });
        return Ok(text("the end is near"));
    }
    end();
    Ok(tool_error("still alive"))
}

/// Ends the process.
fn die(code: i32, signal: Option<Signal>) {
    let Some(signal) = signal else { std::process::exit(code) };
    // A crash on purpose shall not leave a core file.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = kill(nix::unistd::getpid(), signal);
    // Signals that end a process may take a moment to be delivered.
    std::thread::sleep(Duration::from_secs(5));
}

fn spawn_grandchild(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    let grandchild: Grandchild = turn.arguments()?;
    Ok(match grandchild.spawn() {
        Ok(pid) => object(&format!(r#"{{"pid":{pid}}}"#)),
        Err(error) => tool_error(&error.to_string()),
    })
}

fn stderr(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    /// 128 bytes with the newline.
    const LINE: &[u8; 128] = &{
        let mut line = [b'#'; 128];
        line[127] = b'\n';
        line
    };
    #[derive(Deserialize)]
    struct Arguments {
        #[serde(default)]
        bytes: usize,
        text: Option<String>,
    }
    let Arguments { bytes, text: line } = turn.arguments()?;
    let mut stderr = std::io::stderr().lock();
    let text_line = line.map(|line| line + "\n").unwrap_or_default();
    let mut written = stderr.write_all(text_line.as_bytes());
    let mut left = bytes;
    while left > 0 && written.is_ok() {
        let part = left.min(LINE.len());
        written = stderr.write_all(&LINE[LINE.len() - part..]);
        left -= part;
    }
    Ok(match written {
        Ok(()) => text(&format!("{bytes} bytes")),
        Err(error) => tool_error(&error.to_string()),
    })
}
