//! Request ids and progress tokens.
//!
//! Owns how one is kept: to the byte, and without an allocation for what nearly all senders use.
//! Must not know which of the two it is, nor whose. It exists because several of them are made,
//! compared and kept for every call.

use std::fmt;
use std::sync::Arc;

use super::RawJson;

/// Up to this many bytes of JSON text stand in the id itself. Enough for every 64-bit integer and
/// for the counters with a prefix that some clients send; with it an id takes three words.
const INLINE: usize = 22;

/// A request id or progress token (the specification gives both the same type) exactly as its
/// sender wrote it: `1`, `"1"` and `1.0` are three different ones.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Id(Text);

/// Short texts are always inline, and what is beyond their length is zero, so that equal texts are
/// equal values.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    Inline { length: u8, bytes: [u8; INLINE] },
    Long(Arc<str>),
}

impl Id {
    /// An id of our own.
    pub fn from_number(number: u64) -> Self {
        let mut digits = [0; INLINE];
        let mut at = INLINE;
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        Self::inline(&digits[at..])
    }

    /// The id if it is a plain non-negative integer, as all ids that we hand out are.
    pub fn as_number(&self) -> Option<u64> {
        let text = self.as_bytes();
        let leads_with_zero = text.len() > 1 && text.first() == Some(&b'0');
        if text.is_empty() || leads_with_zero {
            return None;
        }
        text.iter().try_fold(0_u64, |number, digit| {
            let digit = digit.wrapping_sub(b'0');
            let is_digit = digit < 10;
            number.checked_mul(10)?.checked_add(is_digit.then_some(u64::from(digit))?)
        })
    }

    /// The id as JSON text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Inline { .. } => {
                std::str::from_utf8(self.as_bytes()).expect("it was made from a whole text")
            }
            Text::Long(text) => text,
        }
    }

    /// The id as JSON text, as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Text::Long(text) => text.as_bytes(),
        }
    }

    /// The id as a JSON value, for where it becomes part of a payload.
    pub fn to_raw(&self) -> RawJson {
        RawJson::trusted(bytes::Bytes::copy_from_slice(self.as_bytes()))
    }

    /// An id with this text, which a parser has found to be one value, without a raw line break.
    /// Nothing of the buffer that it stands in is kept: an id lives as long as its call is open.
    pub(super) fn copied(text: &str) -> Self {
        if text.len() <= INLINE {
            Self::inline(text.as_bytes())
        } else {
            Self(Text::Long(text.into()))
        }
    }

    fn inline(text: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        bytes[..text.len()].copy_from_slice(text);
        let length = u8::try_from(text.len()).expect("a short text");
        Self(Text::Inline { length, bytes })
    }
}

impl From<&RawJson> for Id {
    fn from(raw: &RawJson) -> Self {
        Self::copied(raw.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.as_str())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
