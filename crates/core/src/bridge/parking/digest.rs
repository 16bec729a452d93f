//! Whether two requests are the same but for their round.
//!
//! Owns what counts: the method and all parameters but `_meta`, `requestState` and `inputResponses`,
//! by what they mean and not by how they are written, since a client may write them anew. The hash
//! is keyed with what only this process knows; a client that could find two requests with one digest
//! would gain nothing, for the call goes on with the parameters that it began with.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::message::Params;

/// What differs between the rounds of one call.
const OF_THE_ROUND: [&str; 3] = ["_meta", "requestState", "inputResponses"];

/// The digest of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(u128);

/// Makes digests that can be compared with each other.
#[derive(Debug, Clone, Default)]
pub struct Digester {
    first: RandomState,
    second: RandomState,
}

impl Digester {
    /// The digest of a request.
    pub fn digest(&self, method: &str, params: Option<&Params>) -> Digest {
        let params = params.map(|params| {
            let text = params.raw().as_str();
            let mut reader = serde_json::Deserializer::from_str(text);
            let top = Top(self).deserialize(&mut reader);
            top.unwrap_or_else(|_| self.hash(Tag::Text, &[text.as_bytes()]))
        });
        let params = params.unwrap_or_default().to_be_bytes();
        Digest(self.hash(Tag::Request, &[method.as_bytes(), &params]))
    }

    /// The parts are told apart by their lengths.
    fn hash(&self, tag: Tag, parts: &[&[u8]]) -> u128 {
        let half = |keys: &RandomState| {
            let mut hasher = keys.build_hasher();
            hasher.write_u8(tag as u8);
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            hasher.finish()
        };
        u128::from(half(&self.first)) << 64 | u128::from(half(&self.second))
    }

    /// A value nested deeper than the parser goes counts as it is written.
    fn value(&self, raw: &RawValue) -> u128 {
        let text = raw.get();
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = Value(self).deserialize(&mut reader);
        value.unwrap_or_else(|_| self.hash(Tag::Text, &[text.as_bytes()]))
    }

    fn member(&self, key: &str, value: u128) -> u128 {
        self.hash(Tag::Member, &[key.as_bytes(), &value.to_be_bytes()])
    }
}

#[derive(Clone, Copy)]
enum Tag {
    Request,
    Text,
    Null,
    Bool,
    Number,
    String,
    Array,
    Member,
    Object,
}

/// The parameters.
struct Top<'a>(&'a Digester);

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = u128;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u128, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = u128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u128, A::Error> {
        let mut sum = 0_u128;
        while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
            if !OF_THE_ROUND.contains(&&*key) {
                // A sum, for the order of members means nothing.
                sum = sum.wrapping_add(self.0.member(&key, self.0.value(value)));
            }
        }
        Ok(self.0.hash(Tag::Object, &[&sum.to_be_bytes()]))
    }
}

/// Any value in them.
struct Value<'a>(&'a Digester);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = u128;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u128, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = u128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<u128, E> {
        Ok(self.0.hash(Tag::Null, &[]))
    }

    fn visit_bool<E>(self, value: bool) -> Result<u128, E> {
        Ok(self.0.hash(Tag::Bool, &[&[u8::from(value)]]))
    }

    fn visit_i64<E>(self, value: i64) -> Result<u128, E> {
        Ok(self.0.hash(Tag::Number, &[value.to_string().as_bytes()]))
    }

    fn visit_u64<E>(self, value: u64) -> Result<u128, E> {
        Ok(self.0.hash(Tag::Number, &[value.to_string().as_bytes()]))
    }

    fn visit_f64<E>(self, value: f64) -> Result<u128, E> {
        // `1.0` is written as `1`, as some clients do when they write it anew.
        Ok(self.0.hash(Tag::Number, &[value.to_string().as_bytes()]))
    }

    fn visit_str<E>(self, value: &str) -> Result<u128, E> {
        Ok(self.0.hash(Tag::String, &[value.as_bytes()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u128, A::Error> {
        let mut so_far = 0_u128;
        while let Some(element) = seq.next_element_seed(Value(self.0))? {
            so_far = self.0.hash(Tag::Array, &[&so_far.to_be_bytes(), &element.to_be_bytes()]);
        }
        Ok(self.0.hash(Tag::Array, &[&so_far.to_be_bytes()]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u128, A::Error> {
        let mut sum = 0_u128;
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Value(self.0))?;
            sum = sum.wrapping_add(self.0.member(&key, value));
        }
        Ok(self.0.hash(Tag::Object, &[&sum.to_be_bytes()]))
    }
}
