//! JSON-RPC lines as the two servers read and write them.
//!
//! Owns the envelope and the one lock around stdout. It knows no method of MCP. Messages are built
//! as text around raw members, because the servers promise the same bytes in every build: a map of
//! `serde_json` sorts its keys or not, depending on features that other crates switch on.

use std::io::{self, BufRead, Write};
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One message from the peer; every member is as it came.
#[derive(Debug, Deserialize)]
pub struct Incoming {
    /// The id, byte for byte; absent for notifications (and for `"id": null`).
    pub id: Option<Box<RawValue>>,
    /// The method; absent for responses.
    pub method: Option<String>,
    /// The parameters.
    pub params: Option<Box<RawValue>>,
    /// The result of a response.
    pub result: Option<Box<RawValue>>,
    /// The error of a response.
    pub error: Option<Box<RawValue>>,
}

/// One line of input.
#[derive(Debug)]
pub enum Line {
    /// A message.
    Message(Box<Incoming>),
    /// A JSON array, which MCP servers on stdio do not answer.
    Array,
    /// Neither.
    Malformed(serde_json::Error),
}

/// Reads the next line that is not blank; `None` at the end of input.
///
/// # Errors
/// What the reader reports.
pub fn read_line(input: &mut impl BufRead, buffer: &mut Vec<u8>) -> io::Result<Option<Line>> {
    loop {
        buffer.clear();
        if input.read_until(b'\n', buffer)? == 0 {
            return Ok(None);
        }
        let line = buffer.trim_ascii();
        if line.is_empty() {
            continue;
        }
        return Ok(Some(parse(line)));
    }
}

fn parse(line: &[u8]) -> Line {
    if line.first() == Some(&b'[') {
        return Line::Array;
    }
    match serde_json::from_slice(line) {
        Ok(message) => Line::Message(Box::new(message)),
        Err(error) => Line::Malformed(error),
    }
}

/// `text` as a JSON string, with its quotation marks.
pub fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("a string has no part that JSON cannot express")
}

/// A successful response; `id` and `result` are raw JSON.
pub fn response(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// A failed response; `id` and `data` are raw JSON.
pub fn failure(id: &str, code: i64, message: &str, data: Option<&str>) -> String {
    let message = quote(message);
    let data = data.map(|data| format!(r#","data":{data}"#)).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}{data}}}}}"#)
}

/// A request; `params` is raw JSON, and left out when empty.
pub fn request(id: u64, method: &str, params: &str) -> String {
    let (method, params) = (quote(method), params_member(params));
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method}{params}}}"#)
}

/// A notification; `params` is raw JSON, and left out when empty.
pub fn notification(method: &str, params: &str) -> String {
    let (method, params) = (quote(method), params_member(params));
    format!(r#"{{"jsonrpc":"2.0","method":{method}{params}}}"#)
}

fn params_member(params: &str) -> String {
    if params.is_empty() { String::new() } else { format!(r#","params":{params}"#) }
}

/// Stdout, shared by the threads of a server; a message is never torn by another.
#[derive(Debug, Default)]
pub struct Outlet {
    turn: Mutex<()>,
}

impl Outlet {
    /// Writes one message and its newline.
    ///
    /// Blocks while the peer does not read. A peer that closed the pipe ends this process: there is
    /// nobody left to serve.
    pub fn send(&self, message: &str) {
        self.send_bytes(&[message.as_bytes(), b"\n"].concat());
    }

    /// Writes several messages in one write, in their order.
    pub fn send_all(&self, messages: &[String]) {
        let mut bytes = messages.join("\n").into_bytes();
        bytes.push(b'\n');
        self.send_bytes(&bytes);
    }

    /// Writes bytes as they are, without a newline: noise, halves of messages.
    pub fn send_bytes(&self, bytes: &[u8]) {
        let _turn = self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut stdout = io::stdout().lock();
        if stdout.write_all(bytes).and_then(|()| stdout.flush()).is_err() {
            std::process::exit(0);
        }
    }
}

#[cfg(test)]
mod tests;
