//! What a configuration was made from: which files, how they looked, and what is read only once.
//!
//! Owns the comparison of now and then. It must not know who compares, nor what a key means. It
//! exists so that a reload knows whether there is anything to read, and can name what it cannot
//! change.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use figment::value::Value;

use super::keys;
use super::section::Section;

/// A file that was read, or was to be read, and how it looked just before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    path: PathBuf,
    look: Option<Look>,
}

/// What changes when a file is written to or another one takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Changes with every change, the owner's and the permissions' included.
    changed: (i64, i64),
}

impl ReadFile {
    /// The file as it looks now. One that is not there looks like nothing; links are followed.
    pub fn now(path: &Path) -> Self {
        let look = fs::metadata(path).ok().map(|found| Look {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        });
        Self { path: path.to_owned(), look }
    }

    /// The same file as it looks now.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::now(&self.path)
    }

    /// Where it is, as it was written.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The settings that hold from the start to the end of the process, without their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOnce(BTreeMap<String, u64>);

impl ReadOnce {
    /// Everything at the top level but services and what is only a default for them.
    pub(super) fn of(top: &Section<'_>) -> Self {
        let mut found = Self::default();
        for (key, value) in top.entries() {
            if key != "mcpServers" && !keys::TUNING.contains(&key) {
                found.add(top, key.to_owned(), value);
            }
        }
        found
    }

    /// The keys whose values are not the same in `other`, with dots.
    pub fn differing<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let differs = |key: &&String| self.0.get(*key) != other.0.get(*key);
        let only_there = other.0.keys().filter(|key| !self.0.contains_key(*key));
        self.0.keys().chain(only_there).filter(differs).map(String::as_str).collect()
    }

    fn add(&mut self, top: &Section<'_>, key: String, value: &Value) {
        if let Value::Dict(_, inner) = value {
            for (name, value) in inner {
                self.add(top, format!("{key}.{name}"), value);
            }
            return;
        }
        let mut hasher = DefaultHasher::new();
        hash(top, value, &mut hasher);
        self.0.insert(key, hasher.finish());
    }
}

/// References are followed: a token in a file may change where the configuration does not.
fn hash(top: &Section<'_>, value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Array(_, values) => {
            for value in values {
                hash(top, value, hasher);
            }
            values.len().hash(hasher);
        }
        Value::String(_, written) => {
            // What cannot be read was reported, and nothing is compared then.
            top.text_of(value).map_or_else(|_| written.clone(), |text| text.value).hash(hasher);
        }
        Value::Num(_, number) => format!("{number:?}").hash(hasher),
        Value::Bool(_, flag) => flag.hash(hasher),
        Value::Char(_, character) => character.hash(hasher),
        Value::Dict(_, inner) => {
            for (key, value) in inner {
                key.hash(hasher);
                hash(top, value, hasher);
            }
        }
        Value::Empty(..) => {}
    }
}

#[cfg(test)]
mod tests;
