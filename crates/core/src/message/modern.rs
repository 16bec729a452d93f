//! The members of `params` that 2026-07-28 has added.
//!
//! Owns where they stand in the raw text. Must not know what they mean; a transport and the bridges
//! between the eras do.

use std::ops::Range;

use super::meta::member;
use super::params::Span;
use super::raw::RawJson;
use super::{Id, Params};
use crate::protocol::meta;

const STATE: &str = "requestState";
const RESPONSES: &str = "inputResponses";

/// Where each of them stands. Boxed, and only where there is any: others pay nothing.
#[derive(Clone, Copy, Default)]
pub(super) struct ModernSpans {
    request_state: Span,
    input_responses: Span,
    protocol_version: Span,
    client_capabilities: Span,
    client_info: Span,
    log_level: Span,
    subscription_id: Span,
}

impl ModernSpans {
    /// Notes a member of `params` or of `_meta`, where it is one of these.
    pub(super) fn note(spans: &mut Option<Box<Self>>, member: &str, at: Span) {
        if !member.starts_with(meta::PREFIX) && !matches!(member, STATE | RESPONSES) {
            return;
        }
        let spans = spans.get_or_insert_default();
        match member {
            STATE => spans.request_state = at,
            RESPONSES => spans.input_responses = at,
            meta::PROTOCOL_VERSION => spans.protocol_version = at,
            meta::CLIENT_CAPABILITIES => spans.client_capabilities = at,
            meta::CLIENT_INFO => spans.client_info = at,
            meta::LOG_LEVEL => spans.log_level = at,
            meta::SUBSCRIPTION_ID => spans.subscription_id = at,
            _ => {}
        }
    }
}

impl Params {
    /// Whether `_meta` holds any of the members that make a request a modern one (2026-07-28,
    /// "Per-request metadata").
    pub fn is_modern(&self) -> bool {
        self.modern.as_ref().is_some_and(|spans| {
            spans.protocol_version.range().is_some() || spans.client_capabilities.range().is_some()
        })
    }

    /// Where `_meta` stands.
    pub(super) fn meta_at(&self) -> Option<Range<usize>> {
        self.meta.range()
    }

    /// `params._meta`, raw.
    pub fn meta(&self) -> Option<RawJson> {
        self.slice(self.meta)
    }

    /// The revision in `_meta`, raw: it may be something else than a string.
    pub fn meta_protocol_version(&self) -> Option<RawJson> {
        self.slice(self.modern.as_ref()?.protocol_version)
    }

    /// What the client of this request can be asked, raw, in a buffer of its own.
    pub fn meta_client_capabilities(&self) -> Option<RawJson> {
        self.slice(self.modern.as_ref()?.client_capabilities).map(|raw| raw.detached())
    }

    /// Which program the client is, raw, in a buffer of its own.
    pub fn meta_client_info(&self) -> Option<RawJson> {
        self.slice(self.modern.as_ref()?.client_info).map(|raw| raw.detached())
    }

    /// The least severe log message that the request wants, raw.
    pub fn meta_log_level(&self) -> Option<RawJson> {
        self.slice(self.modern.as_ref()?.log_level)
    }

    /// The listening request to which a notification belongs.
    pub fn meta_subscription_id(&self) -> Option<Id> {
        self.token(self.modern.as_ref()?.subscription_id)
    }

    /// `params.requestState`, raw: it may be something else than a string.
    pub fn request_state(&self) -> Option<RawJson> {
        self.slice(self.modern.as_ref()?.request_state)
    }

    /// `params.inputResponses`, raw.
    pub fn input_responses(&self) -> Option<RawJson> {
        self.slice(self.modern.as_ref()?.input_responses)
    }

    /// `params.arguments`, raw: of a tool or a prompt. Looked for when it is asked for.
    pub fn arguments(&self) -> Option<RawJson> {
        let at = member(self.raw().as_str(), "arguments")?;
        Some(self.raw().part(at))
    }
}
