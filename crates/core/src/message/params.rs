//! The few members of `params` that Standpipe acts on.
//!
//! Owns where they stand in the raw text, so that one can be read or replaced without touching the
//! rest, and the refusal of texts in which two readers could find two different values. Must not
//! know what a member is used for.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::Id;
use super::members::{each_member, folded, recognise};
use super::raw::{RawJson, content};
use super::spans::{ACTED_ON, META, META_ACTED_ON, PROGRESS_TOKEN, Span, Spans};

/// Parameters of a request or notification: a JSON object, raw, with a note of where the members
/// stand that Standpipe acts on.
#[derive(Clone, PartialEq, Eq)]
pub struct Params {
    raw: RawJson,
    pub(super) spans: Spans,
}

/// Why parameters were refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MemberError {
    /// Arrays and scalars are JSON-RPC, but not MCP.
    #[error("`{0}` must be an object")]
    NotAnObject(&'static str),
    /// Two readers could take different ones.
    #[error("`{0}` is given more than once")]
    Duplicate(String),
    /// Some decoders ignore case and would take it for the other.
    #[error("`{found}` differs from `{meant}` only in case")]
    CaseVariant {
        /// The member as it is written.
        found: String,
        /// The member that some readers would take it for.
        meant: &'static str,
    },
    /// `progressToken` and the like must be a string or a number.
    #[error("`{0}` must be a string or a number")]
    NotAToken(&'static str),
    /// Over [`MAX_META_MEMBERS`].
    #[error("`params._meta` may have at most {MAX_META_MEMBERS} members")]
    TooManyInMeta,
    /// Half a surrogate pair.
    #[error("a member name in `params` is not valid Unicode")]
    Undecodable,
}

/// The most members of one `_meta`: all their names are compared with each other.
pub const MAX_META_MEMBERS: usize = 1024;

impl Params {
    /// Reads the members that Standpipe acts on.
    pub(super) fn inspect(raw: &RawJson) -> Result<Self, MemberError> {
        if !raw.as_bytes().starts_with(b"{") {
            return Err(MemberError::NotAnObject("params"));
        }
        let mut params = Self::opaque(raw.clone());
        let text = raw.as_str();
        let mut seen = [false; ACTED_ON.len()];
        let mut meta_at = None;
        each_member(text, |key, value| {
            let Some(index) = recognise(key, &ACTED_ON)? else {
                if key == "mode" {
                    params.spans.mode = Span::at(&value, 0);
                }
                return Ok(());
            };
            if std::mem::replace(&mut seen[index], true) {
                return Err(MemberError::Duplicate(format!("params.{}", ACTED_ON[index])));
            }
            params.spans.note(index, Span::at(&value, 0));
            if index == META {
                meta_at = Some(value);
            }
            Ok(())
        })?;
        if let Some(at) = meta_at {
            params.inspect_meta(text, &at)?;
        }
        Ok(params)
    }

    fn inspect_meta(&mut self, text: &str, at: &Range<usize>) -> Result<(), MemberError> {
        let inner = &text[at.clone()];
        if inner == "null" {
            return Ok(()); // Some clients spell an absent `_meta` so.
        }
        if !inner.starts_with('{') {
            return Err(MemberError::NotAnObject("params._meta"));
        }
        let mut keys = HashSet::new();
        each_member(inner, |key, value| {
            let known = recognise(key, &META_ACTED_ON)?;
            if keys.len() == MAX_META_MEMBERS {
                return Err(MemberError::TooManyInMeta);
            }
            if !keys.insert(folded(key)) {
                let key: String = key.chars().take(64).collect();
                return Err(MemberError::Duplicate(format!("params._meta.{key}")));
            }
            let Some(index) = known else { return Ok(()) };
            if index == PROGRESS_TOKEN && !is_token(&inner.as_bytes()[value.clone()]) {
                return Err(MemberError::NotAToken("params._meta.progressToken"));
            }
            self.spans.note_in_meta(index, Span::at(&value, at.start));
            Ok(())
        })
    }

    /// Parameters of our own making, in which nothing is looked for.
    pub fn opaque(raw: RawJson) -> Self {
        Self { raw, spans: Spans::default() }
    }

    /// Parameters in which all has been found.
    pub(super) fn found(raw: RawJson, spans: Spans) -> Self {
        Self { raw, spans }
    }

    /// The whole object, raw.
    pub fn raw(&self) -> &RawJson {
        &self.raw
    }

    /// `params.name`, decoded: a tool or a prompt.
    pub fn name(&self) -> Option<String> {
        self.string(self.spans.name)
    }

    /// [`Params::name`], from the text itself where nothing in it is escaped.
    pub fn name_str(&self) -> Option<Cow<'_, str>> {
        self.content(self.spans.name)
    }

    /// `params.uri`, decoded: a resource.
    pub fn uri(&self) -> Option<String> {
        self.string(self.spans.uri)
    }

    /// [`Params::uri`], from the text itself where nothing in it is escaped.
    pub fn uri_str(&self) -> Option<Cow<'_, str>> {
        self.content(self.spans.uri)
    }

    /// `params.level`, decoded: of `logging/setLevel` and `notifications/message`.
    pub fn level(&self) -> Option<String> {
        self.string(self.spans.level)
    }

    /// `params.elicitationId`, decoded: of a URL elicitation and its completion.
    pub fn elicitation_id(&self) -> Option<String> {
        self.string(self.spans.elicitation_id)
    }

    /// `params.mode`, decoded: of an elicitation (`form` or `url`).
    pub fn mode(&self) -> Option<String> {
        self.string(self.spans.mode)
    }

    /// `params.progressToken`, raw: of `notifications/progress`.
    pub fn progress_token(&self) -> Option<Id> {
        self.token(self.spans.progress_token)
    }

    /// `params._meta.progressToken`, raw: of a request that wants progress.
    pub fn meta_progress_token(&self) -> Option<Id> {
        self.token(self.spans.meta_progress_token)
    }

    /// `params.requestId`, raw: of `notifications/cancelled`.
    pub fn request_id(&self) -> Option<Id> {
        self.token(self.spans.request_id)
    }

    /// The same parameters with another `_meta.progressToken`.
    #[must_use]
    pub fn with_meta_progress_token(&self, token: &Id) -> Self {
        self.spliced(self.spans.meta_progress_token, token.as_bytes())
    }

    /// The same parameters with another `progressToken`.
    #[must_use]
    pub fn with_progress_token(&self, token: &Id) -> Self {
        self.spliced(self.spans.progress_token, token.as_bytes())
    }

    /// The same parameters with another `requestId`.
    #[must_use]
    pub fn with_request_id(&self, id: &Id) -> Self {
        self.spliced(self.spans.request_id, id.as_bytes())
    }

    /// The same parameters with another `level`.
    #[must_use]
    pub fn with_level(&self, level: &RawJson) -> Self {
        self.spliced(self.spans.level, level.as_bytes())
    }

    pub(super) fn string(&self, span: Span) -> Option<String> {
        self.content(span).map(Cow::into_owned)
    }

    fn content(&self, span: Span) -> Option<Cow<'_, str>> {
        content(self.raw.as_bytes().get(span.range()?)?)
    }

    /// A value that is kept longer than the parameters it stands in.
    pub(super) fn token(&self, span: Span) -> Option<Id> {
        Some(Id::copied(self.text(span)?))
    }

    /// A value that is looked at in place.
    fn text(&self, span: Span) -> Option<&str> {
        let text = self.raw.as_bytes().get(span.range()?)?;
        Some(std::str::from_utf8(text).expect("a value is whole text"))
    }

    pub(super) fn slice(&self, span: Span) -> Option<RawJson> {
        let range = span.range()?;
        Some(self.raw.part(range))
    }

    /// Replaces one value. Nothing else moves in meaning, so the result needs no new look; it is not
    /// looked at again, so it carries no ranges.
    fn spliced(&self, span: Span, value: &[u8]) -> Self {
        let Some(range) = span.range() else {
            return self.clone();
        };
        let old = self.raw.as_bytes();
        let mut out = BytesMut::with_capacity(old.len() + value.len());
        out.put_slice(&old[..range.start]);
        out.put_slice(value);
        out.put_slice(&old[range.end..]);
        Self::opaque(RawJson::trusted(out.freeze()))
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

/// A request id or progress token: a string or a number.
pub(super) fn is_token(text: &[u8]) -> bool {
    text.first().is_some_and(|first| matches!(first, b'"' | b'-' | b'0'..=b'9'))
}

impl From<RawJson> for Bytes {
    fn from(raw: RawJson) -> Self {
        raw.bytes().clone()
    }
}
