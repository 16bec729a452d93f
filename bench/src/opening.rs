//! The start of a stdio child, up to the end of its handshake.
//!
//! Owns what is said first. Must not know what is said later.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bytes::Bytes;

use crate::scan;

const LEGACY: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
    r#""capabilities":{},"clientInfo":{"name":"standpipe-bench","version":"1"}}}"#
);
const MODERN: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{"#,
    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{}}}}"#
);
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A child that can be asked.
#[derive(Debug)]
pub struct Opened {
    /// The process.
    pub child: Child,
    /// Where its requests go.
    pub stdin: ChildStdin,
    /// Where its answers come from.
    pub stdout: ChildStdout,
    /// Its answer to the opening: what stands before the id, and what stands behind it.
    pub answer: [Bytes; 2],
}

/// Starts a child and waits until it has answered the opening of its era.
pub fn open(command: &[String], is_modern: bool) -> io::Result<Opened> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut stdout = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
    writeln!(stdin, "{}", if is_modern { MODERN } else { LEGACY })?;
    let mut line = Vec::new();
    stdout.read_until(b'\n', &mut line)?;
    let line = Bytes::from(line);
    let id =
        scan::message(&line).and_then(|message| message.id).ok_or(io::ErrorKind::InvalidData)?;
    if !is_modern {
        writeln!(stdin, "{INITIALIZED}")?;
    }
    let answer = [line.slice(..id.start), line.slice(id.end..)];
    Ok(Opened { child, stdin, stdout: stdout.into_inner(), answer })
}
