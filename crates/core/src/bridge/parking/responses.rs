//! What a client answers to what it was asked (2026-07-28, `InputResponses`).
//!
//! Owns the shape that each kind of answer must have. Must not know what is asked now.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::Kind;
use crate::message::RawJson;

/// The answers of one request, by key.
#[derive(Debug, Default)]
pub struct InputResponses(BTreeMap<String, RawJson>);

/// Why answers were refused.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    /// `null`, an array, …
    #[error("`inputResponses` must be an object, whose members answer what was asked")]
    NotAnObject,
    /// It cannot be read, or a key is there twice.
    #[error("`inputResponses` cannot be read: {0}")]
    Unreadable(#[source] serde_json::Error),
    /// An answer that no kind of question has.
    #[error("`inputResponses.{key}` must be an object")]
    NotAResult {
        /// Which.
        key: String,
    },
    /// An answer to a question of another kind.
    #[error("`inputResponses.{key}` is not a result of {method}: {source}")]
    Shape {
        /// Which.
        key: String,
        /// What was asked.
        method: &'static str,
        /// What is wrong.
        #[source]
        source: ShapeError,
    },
}

/// Why a result is not one of its kind.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// A member is missing or of another type.
    #[error(transparent)]
    Member(#[from] serde_json::Error),
    /// None of the three actions.
    #[error("`action` must be \"accept\", \"decline\" or \"cancel\"")]
    Action,
    /// Neither a user nor an assistant.
    #[error("`role` must be \"user\" or \"assistant\"")]
    Role,
    /// Neither an object nor an array of them.
    #[error("`content` must be an object or an array")]
    Content,
}

impl InputResponses {
    /// Reads the parameter of this name.
    ///
    /// # Errors
    /// When it is not an object. What its members are is checked when something is asked under their
    /// names: those that nobody asked for are ignored.
    pub fn read(raw: &RawJson) -> Result<Self, ResponseError> {
        if !raw.as_bytes().starts_with(b"{") {
            return Err(ResponseError::NotAnObject);
        }
        let members = Members::deserialize(&mut serde_json::Deserializer::from_str(raw.as_str()))
            .map_err(ResponseError::Unreadable)?;
        let mut answers = BTreeMap::new();
        for (key, value) in members.0 {
            answers.insert(key, RawJson::copied(value.get()));
        }
        Ok(Self(answers))
    }

    /// The answer with this key.
    pub fn get(&self, key: &str) -> Option<&RawJson> {
        self.0.get(key)
    }

    /// Takes the answer with this key, if it is one to a question of this kind.
    pub fn take(&mut self, key: &str, kind: Kind) -> Option<RawJson> {
        let fits = self.0.contains_key(key) && self.check(key, kind).is_ok();
        if fits { self.0.remove(key) } else { None }
    }

    /// Whether there is none (left).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the answer with this key, if there is one, is one to a question of this kind.
    ///
    /// # Errors
    /// [`ResponseError::NotAResult`] or [`ResponseError::Shape`] when it is not.
    pub fn check(&self, key: &str, kind: Kind) -> Result<(), ResponseError> {
        let Some(answer) = self.0.get(key) else { return Ok(()) };
        if !answer.as_bytes().starts_with(b"{") {
            return Err(ResponseError::NotAResult { key: shown(key) });
        }
        check(kind, answer).map_err(|source| ResponseError::Shape {
            key: shown(key),
            method: kind.method(),
            source,
        })
    }
}

/// A map in which a key may stand once: two readers could take different ones.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A>(self, mut map: A) -> Result<Self::Value, A::Error>
            where
                A: serde::de::MapAccess<'de>,
            {
                let mut seen = std::collections::HashSet::new();
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if !seen.insert(key.clone()) {
                        let key = shown(&key);
                        let twice = format_args!("`{key}` is given more than once");
                        return Err(serde::de::Error::custom(twice));
                    }
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A key as far as an error shows it.
fn shown(key: &str) -> String {
    key.chars().take(64).collect()
}

#[derive(Deserialize)]
struct Elicited {
    action: String,
    #[serde(rename = "content")]
    #[expect(clippy::zero_sized_map_values, reason = "a set cannot be read from an object")]
    _content: Option<BTreeMap<String, IgnoredAny>>,
}

#[derive(Deserialize)]
struct Sampled<'a> {
    role: String,
    #[serde(borrow)]
    content: &'a RawValue,
    #[serde(rename = "model")]
    _model: String,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "roots")]
    _roots: Vec<Root>,
}

#[derive(Deserialize)]
struct Root {
    #[serde(rename = "uri")]
    _uri: String,
}

fn check(kind: Kind, answer: &RawJson) -> Result<(), ShapeError> {
    let text = answer.as_str();
    match kind {
        Kind::Elicitation => {
            let elicited: Elicited = serde_json::from_str(text)?;
            let known = matches!(&*elicited.action, "accept" | "decline" | "cancel");
            if known { Ok(()) } else { Err(ShapeError::Action) }
        }
        Kind::Sampling => {
            let sampled: Sampled<'_> = serde_json::from_str(text)?;
            if !matches!(&*sampled.role, "user" | "assistant") {
                return Err(ShapeError::Role);
            }
            let block = sampled.content.get().starts_with(['{', '[']);
            if block { Ok(()) } else { Err(ShapeError::Content) }
        }
        Kind::Roots => {
            let _listed: Listed = serde_json::from_str(text)?;
            Ok(())
        }
    }
}
