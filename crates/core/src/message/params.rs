//! The few members of `params` that Standpipe acts on.
//!
//! Owns where they stand in the raw text, so that one can be read or replaced without touching the
//! rest, and the refusal of texts in which two readers could find two different values. Must not
//! know what a member is used for.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::Id;
use super::members::{each_member, folded, recognise};
use super::modern::ModernSpans;
use super::raw::RawJson;
use crate::protocol::meta;

/// Parameters of a request or notification: a JSON object, raw, with a note of where the members
/// stand that Standpipe acts on.
#[derive(Clone)]
pub struct Params {
    raw: RawJson,
    name: Span,
    uri: Span,
    progress_token: Span,
    meta_progress_token: Span,
    request_id: Span,
    level: Span,
    elicitation_id: Span,
    mode: Span,
    pub(super) meta: Span,
    pub(super) modern: Option<Box<ModernSpans>>,
}

/// Where a member's value stands in the raw text; empty when it is not there. Half the size of a
/// range: messages are limited to far less than 4 GiB.
#[derive(Clone, Copy, Default)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn at(range: &Range<usize>, offset: usize) -> Self {
        let narrow = |position: usize| u32::try_from(position + offset).unwrap_or(0);
        Self { start: narrow(range.start), end: narrow(range.end) }
    }

    pub(super) fn range(self) -> Option<Range<usize>> {
        (self.end > self.start).then_some(self.start as usize..self.end as usize)
    }
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

/// Members of `params` that must stand there at most once, in exactly this spelling.
const ACTED_ON: [&str; 10] = [
    "_meta",
    "name",
    "uri",
    "requestState",
    "inputResponses",
    "progressToken",
    "requestId",
    "level",
    "elicitationId",
    "arguments",
];

/// Members of `_meta` that must be spelt exactly so. Any member of `_meta` may stand there only once.
const META_ACTED_ON: [&str; 6] = [
    meta::PROGRESS_TOKEN,
    meta::PROTOCOL_VERSION,
    meta::CLIENT_CAPABILITIES,
    meta::CLIENT_INFO,
    meta::LOG_LEVEL,
    meta::SUBSCRIPTION_ID,
];

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
                    params.mode = Span::at(&value, 0);
                }
                return Ok(());
            };
            if std::mem::replace(&mut seen[index], true) {
                return Err(MemberError::Duplicate(format!("params.{}", ACTED_ON[index])));
            }
            match ACTED_ON[index] {
                "_meta" => {
                    params.meta = Span::at(&value, 0);
                    meta_at = Some(value);
                }
                "name" => params.name = Span::at(&value, 0),
                "uri" => params.uri = Span::at(&value, 0),
                "progressToken" => params.progress_token = Span::at(&value, 0),
                "requestId" => params.request_id = Span::at(&value, 0),
                "level" => params.level = Span::at(&value, 0),
                "elicitationId" => params.elicitation_id = Span::at(&value, 0),
                name => ModernSpans::note(&mut params.modern, name, Span::at(&value, 0)),
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
            let member = recognise(key, &META_ACTED_ON)?.map(|index| META_ACTED_ON[index]);
            if keys.len() == MAX_META_MEMBERS {
                return Err(MemberError::TooManyInMeta);
            }
            if !keys.insert(folded(key)) {
                let key: String = key.chars().take(64).collect();
                return Err(MemberError::Duplicate(format!("params._meta.{key}")));
            }
            let Some(member) = member else { return Ok(()) };
            let span = Span::at(&value, at.start);
            if member == meta::PROGRESS_TOKEN {
                if !is_token(&inner[value.clone()]) {
                    return Err(MemberError::NotAToken("params._meta.progressToken"));
                }
                self.meta_progress_token = span;
            }
            ModernSpans::note(&mut self.modern, member, span);
            Ok(())
        })
    }

    /// Parameters of our own making, in which nothing is looked for.
    pub fn opaque(raw: RawJson) -> Self {
        Self {
            raw,
            name: Span::default(),
            uri: Span::default(),
            progress_token: Span::default(),
            meta_progress_token: Span::default(),
            request_id: Span::default(),
            level: Span::default(),
            elicitation_id: Span::default(),
            mode: Span::default(),
            meta: Span::default(),
            modern: None,
        }
    }

    /// The whole object, raw.
    pub fn raw(&self) -> &RawJson {
        &self.raw
    }

    /// `params.name`, decoded: a tool or a prompt.
    pub fn name(&self) -> Option<String> {
        self.string(self.name)
    }

    /// `params.uri`, decoded: a resource.
    pub fn uri(&self) -> Option<String> {
        self.string(self.uri)
    }

    /// `params.level`, decoded: of `logging/setLevel` and `notifications/message`.
    pub fn level(&self) -> Option<String> {
        self.string(self.level)
    }

    /// `params.elicitationId`, decoded: of a URL elicitation and its completion.
    pub fn elicitation_id(&self) -> Option<String> {
        self.string(self.elicitation_id)
    }

    /// `params.mode`, decoded: of an elicitation (`form` or `url`).
    pub fn mode(&self) -> Option<String> {
        self.string(self.mode)
    }

    /// `params.progressToken`, raw: of `notifications/progress`.
    pub fn progress_token(&self) -> Option<Id> {
        self.token(self.progress_token)
    }

    /// `params._meta.progressToken`, raw: of a request that wants progress.
    pub fn meta_progress_token(&self) -> Option<Id> {
        self.token(self.meta_progress_token)
    }

    /// `params.requestId`, raw: of `notifications/cancelled`.
    pub fn request_id(&self) -> Option<Id> {
        self.token(self.request_id)
    }

    /// The same parameters with another `_meta.progressToken`.
    #[must_use]
    pub fn with_meta_progress_token(&self, token: &Id) -> Self {
        self.spliced(self.meta_progress_token, token.as_bytes())
    }

    /// The same parameters with another `progressToken`.
    #[must_use]
    pub fn with_progress_token(&self, token: &Id) -> Self {
        self.spliced(self.progress_token, token.as_bytes())
    }

    /// The same parameters with another `requestId`.
    #[must_use]
    pub fn with_request_id(&self, id: &Id) -> Self {
        self.spliced(self.request_id, id.as_bytes())
    }

    /// The same parameters with another `level`.
    #[must_use]
    pub fn with_level(&self, level: &RawJson) -> Self {
        self.spliced(self.level, level.as_bytes())
    }

    pub(super) fn string(&self, span: Span) -> Option<String> {
        self.slice(span)?.as_string()
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
pub(super) fn is_token(text: &str) -> bool {
    text.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit())
}

impl From<RawJson> for Bytes {
    fn from(raw: RawJson) -> Self {
        raw.bytes().clone()
    }
}
