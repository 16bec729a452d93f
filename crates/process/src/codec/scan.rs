//! Owns finding a message's `id` while the message is thrown away. It sees every byte once, keeps
//! none of them beyond one key and one id, and never fails: of what is no JSON it finds nothing.
//!
//! An answer that is too long to pass on must still be answered to *somebody*: without its id the
//! caller would wait for its timeout. Servers write `id` first or last, so it is not enough to look
//! at either end.

use bytes::Bytes;

/// The longest id kept, as JSON text. Longer ones are refused on the way in, so no answer of ours
/// carries one.
const MAX_ID_BYTES: usize = 1 << 10;
/// The longest key worth keeping: `result` with each character escaped has 36 bytes.
const MAX_KEY_BYTES: usize = 64;

/// What was found at the top level of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: Option<Bytes>,
    pub(super) is_response: bool,
}

/// Reads a JSON object piece by piece.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// How many arrays and objects are open, the message itself included.
    depth: u64,
    key: Vec<u8>,
    /// The id's text as far as it has been read.
    id: Vec<u8>,
    ids: u32,
    /// The id was of another kind than string or number, or too long.
    id_is_unusable: bool,
    has_method: bool,
    has_outcome: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first brace.
    Start,
    /// At the top level, before a key or the closing brace.
    BeforeKey,
    /// In a top-level key.
    Key { escaped: bool },
    /// Between a top-level key and its colon.
    BeforeColon,
    /// Between a colon and its value.
    BeforeValue,
    /// In a top-level value that is a string.
    Text { escaped: bool, is_id: bool },
    /// In a top-level value that is a number or a literal.
    Bare { is_id: bool },
    /// In a top-level array or object, outside its strings.
    Nested,
    /// In a string somewhere in there.
    NestedText { escaped: bool },
    /// The object is complete, or this is no object.
    Done,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            depth: 0,
            key: Vec::new(),
            id: Vec::new(),
            ids: 0,
            id_is_unusable: false,
            has_method: false,
            has_outcome: false,
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            // Long stretches in which only one or two bytes matter are most of a large message.
            let skipped = match self.state {
                State::Done => return,
                State::NestedText { escaped: false }
                | State::Text { escaped: false, is_id: false } => {
                    memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len())
                }
                _ => 0,
            };
            if skipped > 0 {
                bytes = &bytes[skipped..];
                continue;
            }
            self.step(byte);
            bytes = rest;
        }
    }

    pub(super) fn finish(self) -> Found {
        // A value that the line's end cut off is not known to be complete.
        let in_id =
            matches!(self.state, State::Text { is_id: true, .. } | State::Bare { is_id: true });
        // Of two ids each reader may believe another one.
        let is_usable = self.ids == 1 && !self.id_is_unusable && !in_id && is_id(&self.id);
        Found {
            id: is_usable.then(|| Bytes::from(self.id)),
            is_response: self.has_outcome && !self.has_method,
        }
    }

    #[expect(
        clippy::match_same_arms,
        reason = "one arm for each transition, in the order of states"
    )]
    fn step(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Start, b'{') => {
                self.depth = 1;
                State::BeforeKey
            }
            (State::Start, b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf) => State::Start,
            (State::Start | State::Done, _) => State::Done,

            (State::BeforeKey, b'"') => {
                self.key.clear();
                State::Key { escaped: false }
            }
            (State::BeforeKey, b'}') => State::Done,
            (State::BeforeKey, _) => State::BeforeKey,

            (State::Key { escaped: false }, b'"') => State::BeforeColon,
            (State::Key { escaped }, _) => {
                if self.key.len() <= MAX_KEY_BYTES {
                    self.key.push(byte);
                }
                State::Key { escaped: !escaped && byte == b'\\' }
            }
            (State::BeforeColon, b':') => State::BeforeValue,
            (State::BeforeColon, _) => State::BeforeColon,

            (State::BeforeValue, b' ' | b'\t' | b'\r' | b'\n') => State::BeforeValue,
            (State::BeforeValue, _) => self.begin_value(byte),

            (State::Text { escaped: false, is_id }, b'"') => {
                self.keep(byte, is_id);
                State::BeforeKey
            }
            (State::Text { escaped, is_id }, _) => {
                self.keep(byte, is_id);
                State::Text { escaped: !escaped && byte == b'\\', is_id }
            }
            (State::Bare { .. }, b'}') => State::Done,
            (State::Bare { .. }, b',' | b' ' | b'\t' | b'\r' | b'\n') => State::BeforeKey,
            (State::Bare { is_id }, _) => {
                self.keep(byte, is_id);
                State::Bare { is_id }
            }

            (State::Nested, b'"') => State::NestedText { escaped: false },
            (State::Nested, b'{' | b'[') => {
                self.depth += 1;
                State::Nested
            }
            (State::Nested, b'}' | b']') => {
                self.depth -= 1;
                if self.depth == 1 { State::BeforeKey } else { State::Nested }
            }
            (State::Nested, _) => State::Nested,
            (State::NestedText { escaped: false }, b'"') => State::Nested,
            (State::NestedText { escaped }, _) => {
                State::NestedText { escaped: !escaped && byte == b'\\' }
            }
        };
    }

    /// The first byte of a top-level value, whose key is known.
    fn begin_value(&mut self, byte: u8) -> State {
        let name = decode_key(&self.key);
        let is_id = name.as_deref() == Some(b"id");
        match name.as_deref() {
            Some(b"id") => {
                self.ids += 1;
                self.id.clear();
            }
            Some(b"method") => self.has_method = true,
            Some(b"result" | b"error") => self.has_outcome = true,
            _ => {}
        }
        match byte {
            b'"' => {
                self.keep(byte, is_id);
                State::Text { escaped: false, is_id }
            }
            b'{' | b'[' => {
                self.id_is_unusable |= is_id;
                self.depth += 1;
                State::Nested
            }
            // Neither can begin a value: this is no JSON.
            b'}' | b',' => State::Done,
            _ => {
                self.keep(byte, is_id);
                State::Bare { is_id }
            }
        }
    }

    fn keep(&mut self, byte: u8, is_id: bool) {
        if !is_id {
            return;
        }
        if self.id.len() < MAX_ID_BYTES {
            self.id.push(byte);
        } else {
            self.id_is_unusable = true;
        }
    }
}

/// Whether this is the text of a JSON string or number, as far as it matters here: it goes into an
/// envelope of ours, so it must not be able to break out of it.
fn is_id(text: &[u8]) -> bool {
    match text.first() {
        Some(b'"') => std::str::from_utf8(text).is_ok() && !text.iter().any(|byte| *byte < b' '),
        Some(b'-' | b'0'..=b'9') => {
            text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        }
        _ => false,
    }
}

/// The key without its escapes; `None` if it cannot be one of those that matter.
fn decode_key(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.len() > MAX_KEY_BYTES {
        return None;
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            decoded.push(byte);
            rest = after;
            continue;
        }
        // None of the keys holds a character that has a short escape.
        let digits = after.strip_prefix(b"u")?.get(..4)?;
        let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        decoded.push(u8::try_from(code).ok().filter(u8::is_ascii)?);
        rest = &after[5..];
    }
    Some(decoded)
}

#[cfg(test)]
mod tests;
