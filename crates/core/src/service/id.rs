//! The name of a service, as it stands in URLs, metrics and configuration.
//!
//! Owns what a valid name is. It must not know which names exist. It exists so that a name that
//! reached the program once is safe in a path, a label and a log line without being looked at
//! again.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest [`ServiceId`], in bytes (which are characters: it is ASCII).
pub const MAX_SERVICE_ID_LEN: usize = 64;

/// 1 to 64 of `A-Z a-z 0-9 . _ -`, not starting with `.` or `-`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(Arc<str>);

impl ServiceId {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, ServiceIdError> {
        match fault(name) {
            None => Ok(Self(name.into())),
            Some(fault) => Err(ServiceIdError { fault }),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that is not a [`ServiceId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a service id: {fault}")]
pub struct ServiceIdError {
    /// What is wrong with it.
    #[source]
    pub fault: ServiceIdFault,
}

/// What is wrong with a would-be service id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServiceIdFault {
    /// No character at all.
    #[error("it is empty")]
    Empty,
    /// More than [`MAX_SERVICE_ID_LEN`] bytes.
    #[error("it is {len} bytes long, at most {MAX_SERVICE_ID_LEN} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Hidden files and options start like this.
    #[error("it must not start with {found:?}")]
    Start {
        /// The first character.
        found: char,
    },
    /// A character outside of the alphabet.
    #[error("{found:?} at position {position} is not one of A-Z a-z 0-9 . _ -")]
    Character {
        /// The character.
        found: char,
        /// Which character it is, counted from 1.
        position: usize,
    },
}

fn fault(name: &str) -> Option<ServiceIdFault> {
    let first = name.chars().next();
    let Some(first) = first else {
        return Some(ServiceIdFault::Empty);
    };
    if name.len() > MAX_SERVICE_ID_LEN {
        return Some(ServiceIdFault::TooLong { len: name.len() });
    }
    if matches!(first, '.' | '-') {
        return Some(ServiceIdFault::Start { found: first });
    }
    name.chars()
        .enumerate()
        .find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        .map(|(index, found)| ServiceIdFault::Character { found, position: index + 1 })
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl AsRef<str> for ServiceId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// Lets a table keyed by `ServiceId` be asked with a plain `&str`.
impl Borrow<str> for ServiceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceId {
    type Err = ServiceIdError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<&str> for ServiceId {
    type Error = ServiceIdError;

    fn try_from(name: &str) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl Serialize for ServiceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ServiceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(&name).map_err(serde::de::Error::custom)
    }
}
