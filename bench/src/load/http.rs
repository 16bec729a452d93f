//! Answers of HTTP/1.1, read from a buffer that grows.
//!
//! Owns heads, lengths, chunks and the events in a body. Must not know of sockets or of JSON-RPC.
//! A body of known length is never copied; chunks are put together in a buffer of their own.

#[cfg(test)]
mod tests;

use std::io;

/// How much room a read is given at least.
const ROOM: usize = 64 * 1024;

/// What a head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) is_events: bool,
    pub(super) closes: bool,
    pub(super) session: Option<String>,
    length: Length,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
}

/// One event of an event stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    pub(super) name: &'a [u8],
    pub(super) data: &'a [u8],
}

/// Bytes that came, and how far they were understood.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    head: Option<Head>,
    /// What of a chunked body is here.
    body: Vec<u8>,
    /// Where in `body` the events that nobody has taken begin, and how far their end was sought.
    taken: usize,
    sought: usize,
    is_over: bool,
}

impl Incoming {
    /// Room to read into.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.buffer.len() - self.end < ROOM {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            let wanted = match &self.head {
                Some(Head { length: Length::Known(length), .. }) => length + ROOM,
                _ => self.end + ROOM,
            };
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted.max(self.buffer.len() * 2), 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    /// So much of the room was filled.
    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// Gives back what a large answer took.
    pub(super) fn shrink(&mut self) {
        if self.start == self.end && self.taken == self.body.len() {
            *self = Self { head: self.head.take(), is_over: self.is_over, ..Self::default() };
        }
    }

    /// The head and the whole body of an answer, once they are here; they are taken away by it.
    pub(super) fn whole(&mut self) -> io::Result<Option<(Head, &[u8])>> {
        if !self.advance()? {
            return Ok(None);
        }
        if let Some(Head { length: Length::Known(length), .. }) = self.head {
            if self.end - self.start < length {
                return Ok(None);
            }
            let start = self.start;
            self.start += length;
            let head = self.head.take();
            let body = &self.buffer[start..start + length];
            return Ok(head.map(|head| (head, body)));
        }
        if !self.is_over {
            return Ok(None);
        }
        self.is_over = false;
        let from = self.taken;
        (self.taken, self.sought) = (0, 0);
        // The body stays where it is until the next head comes.
        Ok(self.head.take().map(|head| (head, &self.body[from..])))
    }

    /// The head of an answer whose body goes on, once it is here.
    pub(super) fn opened(&mut self) -> io::Result<Option<&Head>> {
        self.advance()?;
        Ok(self.head.as_ref())
    }

    /// The next event of an answer whose body goes on.
    pub(super) fn event(&mut self) -> io::Result<Option<Event<'_>>> {
        self.advance()?;
        let Some(end) = end_of_event(&self.body, self.taken, self.sought.max(self.taken)) else {
            self.sought = self.body.len().saturating_sub(3);
            if self.taken > 0 {
                self.body.drain(..self.taken);
                self.sought = self.sought.saturating_sub(self.taken);
                self.taken = 0;
            }
            return Ok(None);
        };
        let text = &self.body[self.taken..end];
        self.taken = end;
        self.sought = end;
        Ok(Some(parse_event(text)))
    }

    /// Understands as much as there is; true once there is a head.
    fn advance(&mut self) -> io::Result<bool> {
        while self.head.is_none() {
            let bytes = &self.buffer[self.start..self.end];
            let Some(length) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
                return Ok(false);
            };
            let head = parse_head(&bytes[..length])?;
            self.start += length + 4;
            // 100 Continue and the like: the answer comes after it.
            if head.status >= 200 {
                self.body.clear();
                (self.taken, self.sought, self.is_over) = (0, 0, false);
                self.head = Some(head);
            }
        }
        if self.head.as_ref().is_some_and(|head| head.length == Length::Chunked) {
            while !self.is_over && self.chunk()? {}
        }
        Ok(true)
    }

    /// Takes one whole chunk; false when there is none.
    fn chunk(&mut self) -> io::Result<bool> {
        let bytes = &self.buffer[self.start..self.end];
        let Some(line) = memchr::memchr(b'\n', bytes) else {
            return Ok(false);
        };
        let size = std::str::from_utf8(&bytes[..line])
            .ok()
            .and_then(|text| text.split(';').next())
            .and_then(|text| usize::from_str_radix(text.trim(), 16).ok())
            .ok_or_else(|| broken("a chunk without a size"))?;
        let start = line + 1;
        let Some(data) = bytes.get(start..start + size + 2) else {
            return Ok(false);
        };
        self.body.extend_from_slice(&data[..size]);
        self.is_over = size == 0;
        self.start += start + size + 2;
        Ok(true)
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Head> {
    let text = std::str::from_utf8(bytes).map_err(|_| broken("a head that is no text"))?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok())
        .ok_or_else(|| broken("no status"))?;
    let mut head = Head {
        status,
        is_events: false,
        closes: false,
        session: None,
        // Without either header there is no body: every server here keeps its connections.
        length: Length::Known(0),
    };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.parse().map_err(|_| broken("a length that is no number"))?;
            head.length = Length::Known(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.length = Length::Chunked;
        } else if name.eq_ignore_ascii_case("content-type") {
            head.is_events = value.starts_with("text/event-stream");
        } else if name.eq_ignore_ascii_case("mcp-session-id") {
            head.session = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("connection") {
            head.closes = value.eq_ignore_ascii_case("close");
        }
    }
    Ok(head)
}

/// The messages of an answer: the body itself, or the data of each event in it.
pub(super) fn messages<'a>(head: &Head, body: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(body).filter(|body| !body.is_empty());
    let is_events = head.is_events;
    std::iter::from_fn(move || {
        if !is_events {
            return rest.take();
        }
        loop {
            let bytes = rest?;
            let end = end_of_event(bytes, 0, 0)?;
            rest = Some(&bytes[end..]);
            let event = parse_event(&bytes[..end]);
            if !event.data.is_empty() {
                return Some(event.data);
            }
        }
    })
}

/// Where the event that begins at `from` ends, its blank line included.
fn end_of_event(bytes: &[u8], from: usize, sought: usize) -> Option<usize> {
    let mut at = sought.max(from);
    loop {
        at += memchr::memchr(b'\n', bytes.get(at..)?)? + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Data of one line, as JSON-RPC messages are; of several lines the last one counts.
fn parse_event(text: &[u8]) -> Event<'_> {
    let mut event = Event { name: b"message", data: b"" };
    let mut rest = text;
    while let Some(length) = memchr::memchr(b'\n', rest) {
        let line = rest[..length].strip_suffix(b"\r").unwrap_or(&rest[..length]);
        rest = &rest[length + 1..];
        if let Some(data) = line.strip_prefix(b"data:") {
            event.data = data.trim_ascii_start();
        } else if let Some(name) = line.strip_prefix(b"event:") {
            event.name = name.trim_ascii();
        }
    }
    event
}

pub(super) fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
