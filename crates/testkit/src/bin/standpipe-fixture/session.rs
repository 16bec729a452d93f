//! What the client said in its handshake and has set since.
//!
//! Owns plain data, read and written by the methods and tools under the server's lock.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

/// How the process was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Opening {
    /// Nothing has come yet.
    #[default]
    Unopened,
    /// With `initialize`.
    Legacy,
    /// With `server/discover`, or any other request of 2026-07-28.
    Modern,
}

/// What the client said in its handshake and set since.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// How the process was opened.
    pub opening: Opening,
    /// The revision agreed upon.
    pub version: Option<&'static str>,
    /// The client's raw capabilities.
    pub capabilities: Option<Box<RawValue>>,
    /// The client's raw `clientInfo`.
    pub client_info: Option<Box<RawValue>>,
    /// The kinds of question the client can be asked.
    pub askable: Askable,
    /// The index of the log level into `crate::legacy::LEVELS`; everything is sent while unset.
    pub log_level: Option<usize>,
    /// Subscribed resources.
    pub subscriptions: BTreeSet<String>,
    /// What the `session_state` tool keeps.
    pub stored: String,
    /// The labels for which `url_first` has named its URL.
    pub visited: BTreeSet<String>,
    /// Raw answers to questions that were asked outside of any call.
    pub late_replies: Vec<String>,
}

/// Which questions the client declared that it can answer.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Askable {
    /// `elicitation/create`.
    #[serde(deserialize_with = "declared")]
    pub elicitation: bool,
    /// `sampling/createMessage`.
    #[serde(deserialize_with = "declared")]
    pub sampling: bool,
    /// `roots/list`.
    #[serde(deserialize_with = "declared")]
    pub roots: bool,
}

/// A capability is declared by being there, whatever it holds.
fn declared<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    Option::<serde::de::IgnoredAny>::deserialize(value).map(|value| value.is_some())
}
