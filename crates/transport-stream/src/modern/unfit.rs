//! Why a modern request is not passed on, and how its client is told.
//!
//! Owns status, code and words. Must not know how it was found out.

use bytes::Bytes;
use http::StatusCode;
use standpipe_core::bridge::parking::{ResponseError, StateError};
use standpipe_core::message::RawJson;
use standpipe_core::protocol::{ProtocolVersion, code};

use super::SERVED;

/// A modern request that breaks a rule of its revision. Texts of the client are shown shortened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// 2026-07-28, "Sending Messages": the body is one request or notification.
    #[error(
        "a JSON array is not part of protocol version {version}; send one message a request",
        version = SERVED
    )]
    Array,
    /// Likewise.
    #[error(
        "a client of protocol version {version} sends no responses; what it is asked it answers in \
         `inputResponses` of its next call",
        version = SERVED
    )]
    Answer,
    /// 2026-07-28, "Server Validation".
    #[error("header `{0}` is missing; protocol version {version} requires it here", version = SERVED)]
    HeaderMissing(&'static str),
    #[error("header `{0}` is given more than once, with different values")]
    HeaderRepeated(Box<str>),
    #[error("header `{0}` is not plain text; other text is sent as =?base64?…?=")]
    HeaderNotText(Box<str>),
    #[error("header `{0}` begins as Base64 does here, but holds no Base64 of UTF-8 text")]
    HeaderNotBase64(Box<str>),
    #[error("header `{header}` is {said:?}, but `{member}` in the body is {meant}")]
    HeaderDiffers { header: Box<str>, said: String, member: Box<str>, meant: Meant },
    #[error("header `{header}` is missing, but the body has `{member}`, which it has to repeat")]
    ParamMissing { header: Box<str>, member: Box<str> },
    #[error("`{member}` is given more than once, so that no header can repeat it")]
    ParamRepeated { member: Box<str> },
    /// 2026-07-28, "Per-request protocol fields".
    #[error("`params._meta` lacks `{0}`, which every request needs")]
    MetaMissing(&'static str),
    #[error("`{member}` in `params._meta` must be {must}")]
    MetaInvalid { member: &'static str, must: &'static str },
    /// 2026-07-28, "Protocol Version Negotiation".
    #[error(
        "protocol version {requested:?} is not supported in this form; {version} is, and older \
         ones after `initialize`",
        version = SERVED
    )]
    Version { requested: String },
    #[error(
        "method `{method}` is not part of protocol version {version}",
        version = SERVED
    )]
    Removed { method: String },
    /// 2026-07-28, "Multi Round-Trip Requests".
    #[error("`requestState` must be a string")]
    StateNotText,
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Responses(#[from] ResponseError),
}

/// What the body says where a header says something else.
#[derive(Debug)]
pub(crate) enum Meant {
    Nothing,
    Text(String),
}

impl std::fmt::Display for Meant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("missing"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// The most of a client's own text that is told back to it, in characters.
const SHOWN: usize = 128;

/// A text as far as it is told back.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Unfit {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Removed { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Array | Self::Answer => code::INVALID_REQUEST,
            Self::HeaderMissing(_)
            | Self::HeaderRepeated(_)
            | Self::HeaderNotText(_)
            | Self::HeaderNotBase64(_)
            | Self::HeaderDiffers { .. }
            | Self::ParamMissing { .. }
            | Self::ParamRepeated { .. } => code::HEADER_MISMATCH,
            Self::MetaMissing(_)
            | Self::MetaInvalid { .. }
            | Self::StateNotText
            | Self::State(_)
            | Self::Responses(_) => code::INVALID_PARAMS,
            Self::Version { .. } => code::UNSUPPORTED_VERSION,
            Self::Removed { .. } => code::METHOD_NOT_FOUND,
        }
    }

    /// `data` of the error, where the specification wants some.
    pub(crate) fn data(&self) -> Option<RawJson> {
        let Self::Version { requested } = self else { return None };
        let supported: [&str; 1] = [ProtocolVersion::as_str(SERVED)];
        let data = serde_json::json!({ "supported": supported, "requested": requested });
        RawJson::new(&Bytes::from(data.to_string())).ok()
    }
}
