//! A piece of JSON text that has been checked once and is never taken apart again.
//!
//! Owns the two promises every payload makes: it is exactly one JSON value, and it holds no raw line
//! break. Must not know what the value means.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

/// One JSON value as text: valid UTF-8, exactly one value, no raw CR or LF.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RawJson(Bytes);

impl RawJson {
    /// Takes `text`, which must be one whole JSON value.
    ///
    /// # Errors
    /// When it is not valid JSON, or more than one value.
    pub fn new(text: &Bytes) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<&serde_json::value::RawValue>(text)?;
        let start = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let end = text.len() - text.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
        Ok(Self::checked(text, start, end))
    }

    /// The empty object.
    pub fn empty_object() -> Self {
        Self(Bytes::from_static(b"{}"))
    }

    /// A JSON string with this content.
    pub fn string(content: &str) -> Self {
        let mut out = BytesMut::with_capacity(content.len() + 2);
        put_string(&mut out, content);
        Self(out.freeze())
    }

    /// The slice `start..end` of a text in which a parser has found exactly one value there.
    /// Raw line breaks are replaced by spaces: the parser has seen to it that they can only stand
    /// outside strings, where JSON (RFC 8259, section 2) does not tell the two apart.
    pub(super) fn checked(text: &Bytes, start: usize, end: usize) -> Self {
        let value = text.slice(start..end);
        if memchr::memchr2(b'\n', b'\r', &value).is_none() {
            return Self(value);
        }
        let mut copy = BytesMut::from(&value[..]);
        for byte in copy.iter_mut() {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        Self(copy.freeze())
    }

    /// Text in which a parser has found exactly one value, and no raw line break.
    pub(super) fn unbroken(value: Bytes) -> Self {
        Self(value)
    }

    /// A value that stands in this one, where a parser has found it.
    pub(super) fn part(&self, at: Range<usize>) -> Self {
        Self(self.0.slice(at))
    }

    /// The same value in a buffer of its own. For what is kept long: a slice keeps all of the text
    /// that it was read from in memory.
    pub(super) fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// A copy of a text that a parser has found to be exactly one value.
    pub(crate) fn copied(text: &str) -> Self {
        let text = Bytes::copy_from_slice(text.as_bytes());
        Self::checked(&text, 0, text.len())
    }

    /// Text that this crate wrote itself.
    pub(crate) fn trusted(text: Bytes) -> Self {
        // Not into a tree: that refuses deep nesting and huge numbers. Nor does the message show
        // the text, which may hold secrets.
        debug_assert!(
            serde_json::from_slice::<&serde_json::value::RawValue>(&text).is_ok(),
            "text of our own is one JSON value"
        );
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when it was taken in")
    }

    /// The text as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text as a shared buffer.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The content if this is a JSON string, with its escapes undone.
    pub fn as_string(&self) -> Option<String> {
        self.text().map(Cow::into_owned)
    }

    /// The content if this is a JSON string; it stands in the text as it is where it has no escapes.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        content(&self.0)
    }
}

/// The content of a value that a parser has accepted, if it is a string, with its escapes undone.
pub(super) fn content(value: &[u8]) -> Option<Cow<'_, str>> {
    let inside = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inside).is_none() {
        return std::str::from_utf8(inside).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice(value).ok().map(Cow::Owned)
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads may be large and may hold secrets; debug output shows only how much there is.
        write!(f, "RawJson({} bytes)", self.0.len())
    }
}

/// Writes `content` as a JSON string.
pub(crate) fn put_string(out: &mut BytesMut, content: &str) {
    let plain = content.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\');
    if plain {
        out.put_u8(b'"');
        out.put_slice(content.as_bytes());
        out.put_u8(b'"');
        return;
    }
    let escaped = serde_json::to_string(content).expect("a string is always valid JSON");
    out.put_slice(escaped.as_bytes());
}
