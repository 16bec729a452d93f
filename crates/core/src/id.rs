//! Identities: sessions and generations of a child, which Standpipe itself hands out, and principals.
//!
//! Owns their text form and their randomness. Must not know what a session or a child does.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A legacy session as the client names it in `Mcp-Session-Id` (or in the message endpoint of
/// HTTP+SSE): 128 random bits, 32 lower-case hexadecimal digits on the wire.
///
/// The specification asks for ids that are globally unique and cryptographically secure, of
/// visible ASCII (2025-11-25, "Session Management").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u128);

impl SessionId {
    /// Draws a new id from the operating system's random source.
    pub fn random() -> Self {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).expect("the operating system has a random source");
        Self(u128::from_be_bytes(bytes))
    }

    /// The id of what lives in this process for one modern request. Never on the wire: no client
    /// can name it, and a random id is never this small.
    pub(crate) fn internal(number: u64) -> Self {
        Self(u128::from(number))
    }

    /// The first eight digits: enough for a log line, not enough to take the session over.
    pub fn short(self) -> String {
        format!("{:08x}", self.0 >> 96)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A session id is a credential; debug output ends up in logs.
        write!(f, "SessionId({}…)", self.short())
    }
}

/// The text is not a session id that Standpipe could have handed out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a session id is 32 lower-case hexadecimal digits")]
pub struct InvalidSessionId;

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 32 || !plain {
            return Err(InvalidSessionId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidSessionId)
    }
}

/// Who is behind a request, as far as that is known: the identity that was authenticated, else
/// "anonymous". Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal(Arc<str>);

impl Principal {
    /// Everybody who has not said who they are. All of them are one.
    pub const ANONYMOUS: &str = "anonymous";

    /// The principal with this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name, for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Principal {
    fn default() -> Self {
        Self::new(Self::ANONYMOUS)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose a process can be: one legacy session's, or one principal's, whose modern requests have no
/// session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A legacy session.
    Session(SessionId),
    /// The one who makes modern requests.
    Principal(Principal),
}

/// Counts the children that one instance, or one service, has had. It only grows, so that what
/// ends late can be told from its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Generation(u64);

impl Generation {
    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number itself, for logs, metrics and the instance marker.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_survives_its_text_form() {
        let id = SessionId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), 32);
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "0", "+0000000000000000000000000000000", &"A".repeat(32), &"0".repeat(33)]
        {
            assert_eq!(text.parse::<SessionId>(), Err(InvalidSessionId), "{text:?}");
        }
    }

    #[test]
    fn debug_output_does_not_show_the_whole_id() {
        let id = SessionId::random();
        assert!(!format!("{id:?}").contains(&id.to_string()));
    }
}
