//! The members of a JSON object, seen without taking the object apart.
//!
//! Owns how a member's name is read and when two names are one to some reader. Must not know which
//! members mean anything.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::MemberError;

/// Calls `visit` with each member of an object that a parser has accepted before: its name with
/// escapes undone, and where its value stands. Nothing is collected: an object may have millions of
/// members.
///
/// # Errors
/// The first error of `visit`; or when a name cannot be decoded: half a surrogate pair is valid JSON
/// text, but not a name that two readers would agree on.
pub(super) fn each_member(
    object: &str,
    visit: impl FnMut(&str, Range<usize>) -> Result<(), MemberError>,
) -> Result<(), MemberError> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer
        .deserialize_map(Members { text: object, visit })
        .unwrap_or(Err(MemberError::Undecodable))
}

struct Members<'a, F> {
    text: &'a str,
    visit: F,
}

impl<'de, F> Visitor<'de> for Members<'de, F>
where
    F: FnMut(&str, Range<usize>) -> Result<(), MemberError>,
{
    type Value = Result<(), MemberError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut outcome = Ok(());
        // Read to the end even so: the parser takes an object that is left early for a broken one.
        while let Some(key) = map.next_key_seed(Key)? {
            let value: &'de RawValue = map.next_value()?;
            if outcome.is_ok() {
                outcome = (self.visit)(&key, range_of(self.text, value.get()));
            }
        }
        Ok(outcome)
    }
}

/// Where `part`, a slice of `whole`, stands in it.
pub(super) fn range_of(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// Which of `names` the key is.
///
/// # Errors
/// When it is one of them only for a reader that ignores case.
pub(super) fn recognise(key: &str, names: &[&'static str]) -> Result<Option<usize>, MemberError> {
    for (index, name) in names.iter().enumerate() {
        if key == *name {
            return Ok(Some(index));
        }
        if folds_to(key, name) {
            return Err(MemberError::CaseVariant { found: key.to_owned(), meant: name });
        }
    }
    Ok(None)
}

fn folds_to(key: &str, name: &str) -> bool {
    // Two bytes or three per character only for the two letters that fold into ASCII.
    key.len() >= name.len()
        && key.len() <= name.len() * 3
        && key.chars().map(fold).eq(name.chars().map(fold))
}

/// The name as a reader that ignores case sees it.
pub(super) fn folded(key: &str) -> String {
    key.chars().map(fold).collect()
}

/// Simple case folding as far as it can lead to an ASCII letter: Go's decoder takes `ſ` for `s` and
/// the Kelvin sign for `k`.
fn fold(c: char) -> char {
    match c {
        'ſ' => 's',
        '\u{212A}' => 'k',
        c => c.to_ascii_lowercase(),
    }
}

/// A member's name with its escapes undone, borrowed where it has none.
pub(super) struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
