//! Values that must not be seen: the [`Redacted`] wrapper.
//!
//! Owns the one way a secret travels through the program. It must not know where a secret came
//! from or what it is for. It exists so that no `{:?}`, log field or JSON snapshot can leak one by
//! accident: reading the value takes a word, [`Redacted::expose`], that is easy to search for.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is shown in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// A value whose `Debug`, `Display` and `Serialize` forms are all [`REDACTED`].
///
/// Equality and hashing look at the real value, so that configurations can be compared.
/// Deserialising is transparent: a secret is read like any other value.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a value so that it is never printed.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Pass it on to where it is needed; do not log it.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Unwraps the value.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> Serialize for Redacted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Redacted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests;
