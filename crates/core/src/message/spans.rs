//! Where those members of `params` stand that Standpipe acts on.
//!
//! Owns their names and places. Must not know how they are found, nor what they mean.

use std::ops::Range;

use crate::protocol::meta;

/// Where a member's value stands in the raw text; empty when it is not there. Half the size of a
/// range: messages are limited to far less than 4 GiB.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The range, where `offset` bytes come before the text in which it was found.
    pub(super) fn at(range: &Range<usize>, offset: usize) -> Self {
        Self { start: narrow(range.start + offset), end: narrow(range.end + offset) }
    }

    /// The range, seen from `start` on.
    pub(super) fn within(range: &Range<usize>, start: usize) -> Self {
        Self { start: narrow(range.start - start), end: narrow(range.end - start) }
    }

    pub(super) fn range(self) -> Option<Range<usize>> {
        (self.end > self.start).then_some(self.start as usize..self.end as usize)
    }
}

fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(0)
}

/// Members of `params` that must stand there at most once, in exactly this spelling.
pub(super) const ACTED_ON: [&str; 10] = [
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

/// Where `_meta` stands in [`ACTED_ON`].
pub(super) const META: usize = 0;

/// Members of `_meta` that must be spelt exactly so. Any member of `_meta` may stand there only once.
pub(super) const META_ACTED_ON: [&str; 6] = [
    meta::PROGRESS_TOKEN,
    meta::PROTOCOL_VERSION,
    meta::CLIENT_CAPABILITIES,
    meta::CLIENT_INFO,
    meta::LOG_LEVEL,
    meta::SUBSCRIPTION_ID,
];

/// Where the token stands in [`META_ACTED_ON`].
pub(super) const PROGRESS_TOKEN: usize = 0;

/// Where each of them stands.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Spans {
    pub(super) name: Span,
    pub(super) uri: Span,
    pub(super) progress_token: Span,
    pub(super) meta_progress_token: Span,
    pub(super) request_id: Span,
    pub(super) level: Span,
    pub(super) elicitation_id: Span,
    /// May stand there any number of times: the last one counts.
    pub(super) mode: Span,
    pub(super) meta: Span,
    pub(super) modern: Option<Box<ModernSpans>>,
}

/// Where each of those stands that 2026-07-28 has added. Boxed, and only where there is any: others
/// pay nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ModernSpans {
    pub(super) request_state: Span,
    pub(super) input_responses: Span,
    pub(super) protocol_version: Span,
    pub(super) client_capabilities: Span,
    pub(super) client_info: Span,
    pub(super) log_level: Span,
    pub(super) subscription_id: Span,
}

impl Spans {
    /// Which of [`ACTED_ON`] the name is, without a comparison for each.
    #[inline]
    pub(super) fn acted_on(name: &[u8]) -> Option<usize> {
        Some(match name {
            b"_meta" => META,
            b"name" => 1,
            b"uri" => 2,
            b"requestState" => 3,
            b"inputResponses" => 4,
            b"progressToken" => 5,
            b"requestId" => 6,
            b"level" => 7,
            b"elicitationId" => 8,
            b"arguments" => 9,
            _ => return None,
        })
    }

    /// Which of [`META_ACTED_ON`] the name is.
    #[inline]
    pub(super) fn acted_on_in_meta(name: &[u8]) -> Option<usize> {
        if name == meta::PROGRESS_TOKEN.as_bytes() {
            return Some(PROGRESS_TOKEN);
        }
        if !name.starts_with(meta::PREFIX.as_bytes()) {
            return None;
        }
        META_ACTED_ON.iter().position(|known| known.as_bytes() == name)
    }

    /// Notes where this one of [`ACTED_ON`] stands.
    #[inline]
    pub(super) fn note(&mut self, index: usize, at: Span) {
        match index {
            META => self.meta = at,
            1 => self.name = at,
            2 => self.uri = at,
            3 => self.modern.get_or_insert_default().request_state = at,
            4 => self.modern.get_or_insert_default().input_responses = at,
            5 => self.progress_token = at,
            6 => self.request_id = at,
            7 => self.level = at,
            8 => self.elicitation_id = at,
            _ => {} // Looked for when it is asked for.
        }
    }

    /// Notes where this one of [`META_ACTED_ON`] stands.
    pub(super) fn note_in_meta(&mut self, index: usize, at: Span) {
        if index == PROGRESS_TOKEN {
            self.meta_progress_token = at;
            return;
        }
        let modern = self.modern.get_or_insert_default();
        match index {
            1 => modern.protocol_version = at,
            2 => modern.client_capabilities = at,
            3 => modern.client_info = at,
            4 => modern.log_level = at,
            _ => modern.subscription_id = at,
        }
    }
}
