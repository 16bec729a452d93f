//! The method of a message.
//!
//! Owns how a name is kept: those of the specification cost nothing, whoever else's are shared. Must
//! not know what a method does.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::protocol::method;

/// The name of a method, with JSON escapes undone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MethodName(Name);

/// A name of the specification is always kept as such, so that equal names are equal values.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Name {
    /// Where it stands in [`method::ALL`].
    Known(u8),
    Other(Arc<str>),
}

impl From<&str> for MethodName {
    fn from(name: &str) -> Self {
        let known = method::ALL.iter().position(|known| *known == name);
        Self(match known.and_then(|place| u8::try_from(place).ok()) {
            Some(place) => Name::Known(place),
            None => Name::Other(name.into()),
        })
    }
}

impl Deref for MethodName {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Name::Known(place) => method::ALL[usize::from(*place)],
            Name::Other(name) => name,
        }
    }
}

impl PartialEq<str> for MethodName {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for MethodName {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl From<MethodName> for String {
    fn from(name: MethodName) -> Self {
        name.to_string()
    }
}

impl fmt::Debug for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}
