//! Steps over JSON text that is as nearly all text is.
//!
//! Owns the grammar (RFC 8259) as far as it takes to find where a value ends, in one pass and
//! without memory of its own. Must not know which members mean anything, nor explain what is wrong:
//! `None` only says that a full parser has to look. It takes nothing that `serde_json` does not.

use std::ops::Range;

/// Deeper text is left to the parser: one bit each says what is to be closed.
const MAX_DEPTH: u32 = 64;

/// Bytes that are looked at together within a long string.
const BLOCK: usize = 64;

/// A place in a text, and what has been seen before it.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// The bytes of all strings, taken together. May know of more than was stepped over.
    bits: u64,
    /// A raw CR or LF was stepped over.
    pub(super) broken: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, bits: 0, broken: false }
    }

    /// Whether what was stepped over may be more than ASCII. Whether it is UTF-8 is not known then.
    pub(super) fn may_be_wide(&self) -> bool {
        self.bits & HIGH != 0
    }

    /// The next byte that is not white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if byte > b' ' {
                return Some(byte);
            }
            match byte {
                b'\n' | b'\r' => self.broken = true,
                b' ' | b'\t' => {}
                _ => return None,
            }
            self.at += 1;
        }
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none() && self.at == self.text.len()
    }

    /// Steps over an object. `visit` gets the name of each member, and has to step over its value. A
    /// name with an escape in it is left to the parser.
    #[inline]
    pub(super) fn object(
        &mut self,
        mut visit: impl FnMut(&mut Self, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let name = self.name()?;
            visit(self, name)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return None,
            }
        }
        self.at += 1;
        Some(())
    }

    /// Steps over any value. Returns where it stands.
    #[inline]
    pub(super) fn value(&mut self) -> Option<Range<usize>> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'{' | b'[' => self.nested()?,
            _ => self.leaf(first)?,
        }
        Some(start..self.at)
    }

    /// What stands there.
    pub(super) fn text(&self, at: &Range<usize>) -> &'a [u8] {
        &self.text[at.clone()]
    }

    /// How far we are.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn nested(&mut self) -> Option<()> {
        /// What the lowest bit says where an object is to be closed.
        const OBJECT: u64 = 1;
        let mut open: u64 = 0;
        let mut depth = 0;
        loop {
            let first = self.peek()?;
            let is_empty = match first {
                b'{' | b'[' => {
                    self.at += 1;
                    // The closing bracket has the code of the opening one plus two.
                    self.peek()? == first + 2
                }
                _ => {
                    self.leaf(first)?;
                    false
                }
            };
            if is_empty {
                self.at += 1;
            } else if matches!(first, b'{' | b'[') {
                if depth == MAX_DEPTH {
                    return None;
                }
                depth += 1;
                open = open << 1 | u64::from(first == b'{');
                if first == b'{' {
                    self.member()?;
                }
                continue;
            }
            // A value has ended, and maybe those that it stands in.
            loop {
                if depth == 0 {
                    return Some(());
                }
                match (self.peek()?, open & 1 == OBJECT) {
                    (b',', is_object) => {
                        self.at += 1;
                        if is_object {
                            self.member()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        open >>= 1;
                        depth -= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Steps over a member's name, which may be anything, and its colon.
    fn member(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        self.string()?;
        self.take(b':')
    }

    /// Steps over a member's name and its colon.
    #[inline]
    fn name(&mut self) -> Option<&'a [u8]> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let end = self.plain(start)?;
        if self.text[end] != b'"' {
            return None;
        }
        self.at = end + 1;
        self.take(b':')?;
        Some(&self.text[start..end])
    }

    #[inline]
    fn take(&mut self, expected: u8) -> Option<()> {
        if self.peek()? != expected {
            return None;
        }
        self.at += 1;
        Some(())
    }

    #[inline]
    fn leaf(&mut self, first: u8) -> Option<()> {
        match first {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    /// As strict as the grammar is; the size does not matter.
    fn number(&mut self) -> Option<()> {
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _sign = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        // After a zero that leads, what follows is no part of any value.
        (!self.at_digit()).then_some(())
    }

    fn digits(&mut self) -> Option<()> {
        if !self.at_digit() {
            return None;
        }
        while self.at_digit() {
            self.at += 1;
        }
        Some(())
    }

    #[inline]
    fn at_digit(&self) -> bool {
        self.text.get(self.at).is_some_and(u8::is_ascii_digit)
    }

    #[inline]
    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// Steps over a string, at whose first quote we are.
    #[inline]
    fn string(&mut self) -> Option<()> {
        let mut at = self.at + 1;
        loop {
            at = self.plain(at)?;
            match self.text[at] {
                b'"' => break,
                b'\\' => at += self.escape(at + 1)?,
                _ => return None,
            }
        }
        self.at = at + 1;
        Some(())
    }

    /// How long the escape is whose second byte is here. Half a surrogate pair is none of our
    /// business: it is to nobody who does not read the string.
    fn escape(&self, at: usize) -> Option<usize> {
        match self.text.get(at)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
            b'u' => {
                let digits = self.text.get(at + 1..at + 5)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(6)
            }
            _ => None,
        }
    }

    /// Where, from here on, the first byte stands that is a quote, a backslash or a control
    /// character.
    #[inline]
    fn plain(&mut self, from: usize) -> Option<usize> {
        let mut at = from;
        while let Some(word) = self.text.get(at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*word);
            self.bits |= word;
            let special = special(word);
            if special != 0 {
                return Some(at + (special.trailing_zeros() / 8) as usize);
            }
            at += 8;
            if at - from == BLOCK {
                at = self.blocks(at);
            }
        }
        let rest = self.text.get(at..)?;
        let end = rest.iter().position(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\'))?;
        self.bits |= rest.iter().fold(0, |bits, byte| bits | u64::from(*byte));
        Some(at + end)
    }

    /// Steps over whole blocks in which nothing special stands. What does stop it is found by the
    /// caller.
    fn blocks(&mut self, from: usize) -> usize {
        let mut at = from;
        while let Some(block) = self.text.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
            let mut bits = 0;
            let mut special = false;
            for byte in block {
                bits |= *byte;
                special |= *byte < b' ' || *byte == b'"' || *byte == b'\\';
            }
            if special {
                break;
            }
            self.bits |= u64::from(bits);
            at += BLOCK;
        }
        at
    }
}

/// The lowest bit of each byte of a word, and the highest.
const LOW: u64 = u64::MAX / 0xff;
const HIGH: u64 = LOW << 7;

/// The highest bit of the first byte of the word that ends or breaks a string is the lowest bit that
/// is set; there is none where none does.
#[inline]
fn special(word: u64) -> u64 {
    // A byte is less than `n` where taking `n` from it borrows; a borrow reaches only bytes after it.
    let less = |bytes: u64, n: u64| bytes.wrapping_sub(LOW * n) & !bytes;
    let quote = less(word ^ (LOW * u64::from(b'"')), 1);
    let backslash = less(word ^ (LOW * u64::from(b'\\')), 1);
    (less(word, u64::from(b' ')) | quote | backslash) & HIGH
}
