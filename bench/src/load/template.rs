//! The bytes of a call, made once for each session.
//!
//! Owns the request, in which only a few digits change, and the check of what comes back. Must not
//! know of sockets. Nothing is allocated for a request.

#[cfg(test)]
mod tests;

use super::target::Target;
use crate::scan::{self, Span};

/// Digits of every id: sessions count from the same number, as real clients do.
const DIGITS: usize = 10;
const FIRST: u64 = 1_000_000_000;

/// What `blob` answers consists of.
const PATTERN: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// Streamable HTTP with sessions.
    Stream,
    /// Streamable HTTP of 2026-07-28.
    Modern,
    /// HTTP+SSE.
    Sse,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Echo,
    /// The same, with progress before it: the answer has to be an event stream.
    ProgressEcho,
    Blob,
}

/// A request.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) bytes: Vec<u8>,
    id: Span,
    numbers: Vec<usize>,
    text: Text,
    wants_progress: bool,
    count: u64,
}

#[derive(Debug)]
enum Text {
    /// The answer repeats this part of the request.
    Echo(Span),
    Blob(Vec<u8>),
}

/// What a message was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The answer to the request, and right.
    Right,
    /// The progress that belongs to it.
    Progress,
    /// Another notification.
    Other,
    /// The answer to the request with something else in it, or somebody else's.
    Wrong,
}

impl Template {
    pub(super) fn new(
        target: &Target,
        transport: Transport,
        session: Option<&str>,
        number: usize,
        tool: Tool,
        size: usize,
    ) -> Self {
        let (name, arguments) = match tool {
            Tool::Echo => ("echo", echo(number, size)),
            Tool::ProgressEcho => ("progress_echo", echo(number, size)),
            Tool::Blob => ("blob", format!(r#"{{"bytes":{size}}}"#)),
        };
        let mut meta = Vec::new();
        if tool == Tool::ProgressEcho {
            meta.push(format!(r#""progressToken":{FIRST}"#));
        }
        if transport == Transport::Modern {
            meta.push(META.to_owned());
        }
        let meta = match meta.as_slice() {
            [] => String::new(),
            members => format!(r#","_meta":{{{}}}"#, members.join(",")),
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{FIRST},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}{meta}}}}}"#
        );
        let mut head = post(target, transport, session, body.len());
        if transport == Transport::Modern {
            head += "Mcp-Method: tools/call\r\nMcp-Name: ";
            head += name;
            head += "\r\n";
        }
        head += "\r\n";
        let offset = head.len();
        let found = scan::message(body.as_bytes()).unwrap_or_default();
        let moved = |span: Span| Span { start: span.start + offset, end: span.end + offset };
        let id = found.id.map_or(Span { start: 0, end: 0 }, moved);
        let mut numbers = vec![id.start];
        numbers.extend(found.token.map(|token| moved(token).start));
        let text = match found.text.map(moved) {
            Some(text) => {
                numbers.push(text.start + 6);
                Text::Echo(text)
            }
            None => Text::Blob(PATTERN.iter().copied().cycle().take(size).collect()),
        };
        let wants_progress = tool == Tool::ProgressEcho;
        let bytes = [head, body].concat().into_bytes();
        Self { bytes, id, numbers, text, wants_progress, count: 0 }
    }

    /// Makes it the next request.
    pub(super) fn next(&mut self) {
        self.count += 1;
        let mut digits = [0; DIGITS];
        let mut rest = FIRST + self.count;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        for at in &self.numbers {
            self.bytes[*at..*at + DIGITS].copy_from_slice(&digits);
        }
    }

    /// How many bytes of text an answer carries.
    pub(super) fn text_length(&self) -> usize {
        self.text().len()
    }

    pub(super) fn wants_progress(&self) -> bool {
        self.wants_progress
    }

    fn text(&self) -> &[u8] {
        match &self.text {
            Text::Echo(span) => span.of(&self.bytes),
            Text::Blob(bytes) => bytes,
        }
    }

    /// Judges one message that came back.
    pub(super) fn judge(&self, message: &[u8]) -> Verdict {
        let Some(found) = scan::message(message) else {
            return Verdict::Wrong;
        };
        let number = self.id.of(&self.bytes);
        match (found.id, found.method, found.text) {
            (None, Some(method), _) if method.of(message) == b"notifications/progress" => {
                match found.token {
                    Some(token) if self.wants_progress && token.of(message) == number => {
                        Verdict::Progress
                    }
                    _ => Verdict::Wrong,
                }
            }
            (None, Some(_), _) => Verdict::Other,
            (Some(id), None, Some(text))
                if id.of(message) == number && text.of(message) == self.text() =>
            {
                Verdict::Right
            }
            _ => Verdict::Wrong,
        }
    }
}

/// What every modern request carries.
pub(super) const META: &str = concat!(
    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"bench-load","version":"1"},"#,
    r#""io.modelcontextprotocol/clientCapabilities":{}"#
);

/// The head of a POST, but for what modern requests add, and its end.
pub(super) fn post(
    target: &Target,
    transport: Transport,
    session: Option<&str>,
    length: usize,
) -> String {
    let mut more = String::from("Content-Type: application/json\r\n");
    if transport != Transport::Sse {
        more += "Accept: application/json, text/event-stream\r\n";
    }
    match (transport, session) {
        (Transport::Modern, _) => more += "MCP-Protocol-Version: 2026-07-28\r\n",
        (Transport::Stream, Some(session)) => {
            more += "MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: ";
            more += session;
            more += "\r\n";
        }
        _ => {}
    }
    target.head("POST", &more) + &format!("Content-Length: {length}\r\n")
}

/// A text that no other session and no other request has.
fn echo(number: usize, size: usize) -> String {
    let mut text = format!("{number:05}-{FIRST}-");
    let filler = PATTERN.iter().copied().map(char::from).cycle();
    let missing = size.saturating_sub(text.len());
    text.extend(filler.take(missing));
    format!(r#"{{"text":"{text}"}}"#)
}
