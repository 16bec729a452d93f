//! The members of `params` that 2026-07-28 has added.
//!
//! Owns where they stand in the raw text. Must not know what they mean; a transport and the bridges
//! between the eras do.

use std::ops::Range;

use super::meta::member;
use super::raw::RawJson;
use super::{Id, Params};

impl Params {
    /// Whether `_meta` holds any of the members that make a request a modern one (2026-07-28,
    /// "Per-request metadata").
    pub fn is_modern(&self) -> bool {
        self.spans.modern.as_ref().is_some_and(|spans| {
            spans.protocol_version.range().is_some() || spans.client_capabilities.range().is_some()
        })
    }

    /// Where `_meta` stands.
    pub(super) fn meta_at(&self) -> Option<Range<usize>> {
        self.spans.meta.range()
    }

    /// `params._meta`, raw.
    pub fn meta(&self) -> Option<RawJson> {
        self.slice(self.spans.meta)
    }

    /// The revision in `_meta`, raw: it may be something else than a string.
    pub fn meta_protocol_version(&self) -> Option<RawJson> {
        self.slice(self.spans.modern.as_ref()?.protocol_version)
    }

    /// What the client of this request can be asked, raw, in a buffer of its own.
    pub fn meta_client_capabilities(&self) -> Option<RawJson> {
        self.slice(self.spans.modern.as_ref()?.client_capabilities).map(|raw| raw.detached())
    }

    /// Which program the client is, raw, in a buffer of its own.
    pub fn meta_client_info(&self) -> Option<RawJson> {
        self.slice(self.spans.modern.as_ref()?.client_info).map(|raw| raw.detached())
    }

    /// The least severe log message that the request wants, raw.
    pub fn meta_log_level(&self) -> Option<RawJson> {
        self.slice(self.spans.modern.as_ref()?.log_level)
    }

    /// The listening request to which a notification belongs.
    pub fn meta_subscription_id(&self) -> Option<Id> {
        self.token(self.spans.modern.as_ref()?.subscription_id)
    }

    /// `params.requestState`, raw: it may be something else than a string.
    pub fn request_state(&self) -> Option<RawJson> {
        self.slice(self.spans.modern.as_ref()?.request_state)
    }

    /// `params.inputResponses`, raw.
    pub fn input_responses(&self) -> Option<RawJson> {
        self.slice(self.spans.modern.as_ref()?.input_responses)
    }

    /// `params.arguments`, raw: of a tool or a prompt. Looked for when it is asked for.
    pub fn arguments(&self) -> Option<RawJson> {
        let at = member(self.raw().as_str(), "arguments")?;
        Some(self.raw().part(at))
    }
}
