//! What a client can be asked.
//!
//! Owns how a declaration is read and which method it allows. Must not know who asks.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::method;

/// What a client declared that it can be asked: its `capabilities` in `initialize`, or those in the
/// `_meta` of a modern request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a declaration of its own")]
pub struct ClientCapabilities {
    /// `sampling/createMessage`.
    pub sampling: bool,
    /// `elicitation/create` with a form.
    pub elicitation: bool,
    /// `elicitation/create` with a URL (since 2025-11-25).
    pub elicitation_url: bool,
    /// `roots/list`.
    pub roots: bool,
}

/// Only their presence counts; `null` is absence.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Declared {
    sampling: Option<IgnoredAny>,
    elicitation: Option<Elicitation>,
    roots: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Elicitation {
    form: Option<IgnoredAny>,
    url: Option<IgnoredAny>,
}

impl ClientCapabilities {
    /// Reads a declaration.
    ///
    /// # Errors
    /// When it is not an object, or its members are not.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        let Declared { sampling, elicitation, roots } = serde_json::from_str(json)?;
        if !json.trim_start().starts_with('{') {
            // A list of nothing would do for a struct whose members all have defaults.
            return Err(serde::de::Error::custom("capabilities are an object"));
        }
        let url = elicitation.as_ref().is_some_and(|modes| modes.url.is_some());
        // An empty object is what was written before there were two modes, and means the first.
        let form = elicitation.as_ref().is_some_and(|modes| modes.form.is_some() || !url);
        Ok(Self {
            sampling: sampling.is_some(),
            elicitation: form,
            elicitation_url: url,
            roots: roots.is_some(),
        })
    }

    /// Whether a client that declared these may be sent a request of `method`, in this `mode` where
    /// it is an elicitation (`None` is a form). A method nobody knows is allowed only by a client
    /// whose own process asks (see `mux`).
    pub fn allow(self, method: &str, mode: Option<&str>) -> bool {
        match (method, mode) {
            (method::SAMPLING_CREATE_MESSAGE, _) => self.sampling,
            (method::ELICITATION_CREATE, Some("url")) => self.elicitation_url,
            (method::ELICITATION_CREATE, _) => self.elicitation,
            (method::ROOTS_LIST, _) => self.roots,
            _ => false,
        }
    }

    /// Whether the client can be asked anything at all.
    pub fn any(self) -> bool {
        self.sampling || self.elicitation || self.elicitation_url || self.roots
    }
}
