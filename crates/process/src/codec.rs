//! Owns cutting a child's stdout into lines and saying of each whether it can be a message. It
//! knows nothing of what messages mean, and nothing a child writes is an error to it: noise is an
//! item, an over-long line is an item, and good lines go on after both.
//!
//! The stdio transport (MCP specification, "Transports", stdio) delimits messages by line feeds and
//! forbids anything else on stdout; real servers print banners there nevertheless.

mod scan;

use bytes::{Buf as _, Bytes, BytesMut};
use scan::Scanner;

/// What is read at once, and what the buffer keeps when it is idle.
const READ_BYTES: usize = 64 << 10;
/// The least room offered to a read.
const MIN_ROOM: usize = 8 << 10;
/// Messages up to this size are copied out of the buffer. A slice would keep the whole buffer alive
/// for as long as somebody keeps the message.
const COPY_BYTES: usize = 8 << 10;
/// A buffer that grew beyond this is given back once the line it grew for is out.
const KEEP_BYTES: usize = 256 << 10;
/// What is shown of a line that is no message.
const NOISE_BYTES: usize = 4 << 10;

/// One line of a child's stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// It can be a JSON-RPC message: valid UTF-8 that begins with `{` or `[`. Without the line's
    /// end, a byte order mark and surrounding white space.
    Message(Bytes),
    /// It is something else; the first 4 KiB of it.
    Noise(Bytes),
    /// It was longer than allowed and was skipped.
    Oversized {
        /// How long the line was, without its end.
        bytes: u64,
        /// The JSON text of the top-level `id` (a string or a number of at most 1 KiB), if it was
        /// found and is unambiguous.
        id: Option<Bytes>,
        /// Whether it has a top-level `result` or `error` and no `method`: it answers the request
        /// `id`. Otherwise the child itself asks something.
        is_response: bool,
    },
}

/// Cuts a stream of bytes into [`Line`]s, with bounded memory.
///
/// ```
/// # use standpipe_process::{Line, LineCodec};
/// let mut codec = LineCodec::new(1 << 20);
/// codec.read_buf().extend_from_slice(b"{\"id\":1}\nhel");
/// assert_eq!(codec.next(), Some(Line::Message("{\"id\":1}".into())));
/// assert_eq!(codec.next(), None);
/// codec.read_buf().extend_from_slice(b"lo\n");
/// assert_eq!(codec.next(), Some(Line::Noise("hello".into())));
/// ```
#[derive(Debug)]
pub struct LineCodec {
    buffer: BytesMut,
    /// How much of `buffer` is known to hold no line feed.
    scanned: usize,
    max_bytes: usize,
    skipping: Option<Skipping>,
}

/// An over-long line that is passing.
#[derive(Debug)]
struct Skipping {
    scanner: Scanner,
    bytes: u64,
    ends_with_return: bool,
}

impl Skipping {
    fn new() -> Self {
        Self { scanner: Scanner::new(), bytes: 0, ends_with_return: false }
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.scanner.feed(chunk);
        self.bytes += chunk.len() as u64;
        if let Some(last) = chunk.last() {
            self.ends_with_return = *last == b'\r';
        }
    }

    fn into_line(self) -> Line {
        let bytes = self.bytes - u64::from(self.ends_with_return);
        let found = self.scanner.finish();
        Line::Oversized { bytes, id: found.id, is_response: found.is_response }
    }
}

impl LineCodec {
    /// A codec for messages of at most `max_message_bytes`, line end not counted.
    pub fn new(max_message_bytes: usize) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, max_bytes: max_message_bytes, skipping: None }
    }

    /// Where the next bytes from the child are to be appended; has room for at least 8 KiB. Lines
    /// must be taken with [`LineCodec::next`] after each read, else memory is not bounded.
    pub fn read_buf(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < MIN_ROOM {
            self.buffer.reserve(READ_BYTES);
        }
        &mut self.buffer
    }

    /// The next complete line, or `None` until more has been read.
    #[expect(clippy::should_implement_trait, reason = "`None` does not mean that this is the end")]
    pub fn next(&mut self) -> Option<Line> {
        loop {
            let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(offset) = memchr::memchr(b'\n', unseen) else {
                self.scanned = self.buffer.len();
                self.skip_if_too_long();
                return None;
            };
            let end = self.scanned + offset;
            let line = self.take_line(end, 1);
            if line.is_some() {
                return line;
            }
        }
    }

    /// What was left without a line end when the child closed its stdout. Call it once, after the
    /// last [`LineCodec::next`].
    pub fn finish(&mut self) -> Option<Line> {
        self.take_line(self.buffer.len(), 0)
    }

    /// Takes the line that ends at `end`, and its line feed. `None` for a blank one.
    fn take_line(&mut self, end: usize, line_feed: usize) -> Option<Line> {
        self.scanned = 0;
        if let Some(mut skipping) = self.skipping.take() {
            skipping.feed(&self.buffer[..end]);
            self.buffer.advance(end + line_feed);
            return Some(skipping.into_line());
        }
        let raw = &self.buffer[..end];
        let content = raw.strip_suffix(b"\r").unwrap_or(raw);
        if content.len() > self.max_bytes {
            let mut skipping = Skipping::new();
            skipping.feed(raw);
            self.buffer.advance(end + line_feed);
            self.release();
            return Some(skipping.into_line());
        }
        let (start, length) = message_in(content);
        let message = &content[start..start + length];
        if message.is_empty() {
            self.buffer.advance(end + line_feed);
            return None;
        }
        let can_be_json = matches!(message.first(), Some(b'{' | b'['));
        if !can_be_json || std::str::from_utf8(message).is_err() {
            let noise = Bytes::copy_from_slice(&message[..length.min(NOISE_BYTES)]);
            self.buffer.advance(end + line_feed);
            self.release();
            return Some(Line::Noise(noise));
        }
        if length <= COPY_BYTES {
            let message = Bytes::copy_from_slice(message);
            self.buffer.advance(end + line_feed);
            return Some(Line::Message(message));
        }
        let mut line = self.buffer.split_to(end + line_feed);
        line.advance(start);
        line.truncate(length);
        if end > KEEP_BYTES {
            self.move_to_small_buffer();
        }
        Some(Line::Message(line.freeze()))
    }

    /// Starts skipping once the unfinished line cannot become a message any more.
    fn skip_if_too_long(&mut self) {
        // One byte more than the limit may still be the return before a line feed.
        let too_long = self.buffer.len() > self.max_bytes.saturating_add(1);
        if self.skipping.is_none() && !too_long {
            return;
        }
        self.skipping.get_or_insert_with(Skipping::new).feed(&self.buffer);
        self.scanned = 0;
        self.buffer.clear();
        self.release();
    }

    fn release(&mut self) {
        if self.buffer.capacity() > KEEP_BYTES {
            self.move_to_small_buffer();
        }
    }

    fn move_to_small_buffer(&mut self) {
        let mut small = BytesMut::with_capacity(READ_BYTES.max(self.buffer.len() + MIN_ROOM));
        small.extend_from_slice(&self.buffer);
        self.buffer = small;
    }
}

/// Where in a line the message is: without a byte order mark and surrounding white space.
fn message_in(line: &[u8]) -> (usize, usize) {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let mut rest = line;
    loop {
        let trimmed = rest.trim_ascii_start();
        let next = trimmed.strip_prefix(BYTE_ORDER_MARK).unwrap_or(trimmed);
        if next.len() == rest.len() {
            break;
        }
        rest = next;
    }
    (line.len() - rest.len(), rest.trim_ascii_end().len())
}

#[cfg(test)]
mod tests;
