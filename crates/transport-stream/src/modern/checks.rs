//! What a modern request must say of itself, twice: in its headers and in its body.
//!
//! Owns the order of these checks and how the two are compared (2026-07-28, "Request Metadata",
//! "Server Validation"). Must not know what a request does.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use standpipe_core::connection::SessionProfile;
use standpipe_core::message::{Params, RawJson, Request};
use standpipe_core::protocol::{ClientCapabilities, LogLevel, header, meta, method};

use super::SERVED;
use super::unfit::{Meant, Unfit, shown};

/// What the headers of a modern request are called in an error.
const VERSION_HEADER: &str = "MCP-Protocol-Version";
const METHOD_HEADER: &str = "Mcp-Method";
const NAME_HEADER: &str = "Mcp-Name";

/// What a request says of itself, once that is known to be in order.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) profile: SessionProfile,
    pub(super) log_level: Option<LogLevel>,
}

/// Checks a request. The first thing that is wrong is told: a header that is absent, then a member
/// that is absent, then what differs, then the version, then the method.
///
/// # Errors
/// When the request must be refused.
pub(super) fn request(headers: &HeaderMap, request: &Request) -> Result<Said, Unfit> {
    let version = single(headers, header::PROTOCOL_VERSION, VERSION_HEADER)?;
    let version = version.ok_or(Unfit::HeaderMissing(VERSION_HEADER))?;
    let called = single(headers, header::METHOD, METHOD_HEADER)?;
    let called = called.ok_or(Unfit::HeaderMissing(METHOD_HEADER))?;
    let about = About::of(request);
    let named = match about {
        Some(_) => {
            let named = single(headers, header::NAME, NAME_HEADER)?;
            Some(named.ok_or(Unfit::HeaderMissing(NAME_HEADER))?)
        }
        None => None,
    };

    let params = request.params.as_ref();
    let requested = params.and_then(Params::meta_protocol_version);
    let requested = requested.ok_or(Unfit::MetaMissing(meta::PROTOCOL_VERSION))?;
    let declared = params.and_then(Params::meta_client_capabilities);
    let declared = declared.ok_or(Unfit::MetaMissing(meta::CLIENT_CAPABILITIES))?;
    let requested = requested
        .as_string()
        .ok_or(Unfit::MetaInvalid { member: meta::PROTOCOL_VERSION, must: "a string" })?;
    let must = "an object of capabilities";
    let capabilities = Some(declared.as_str())
        .filter(|text| text.starts_with('{'))
        .and_then(|text| ClientCapabilities::read(text).ok())
        .ok_or(Unfit::MetaInvalid { member: meta::CLIENT_CAPABILITIES, must })?;
    let log_level = params.and_then(Params::meta_log_level).map(|raw| log_level(&raw));
    let log_level = log_level.transpose()?;

    same(VERSION_HEADER, version, meta::PROTOCOL_VERSION, Some(&requested))?;
    same(METHOD_HEADER, called, "method", Some(&request.method))?;
    if let (Some(about), Some(named)) = (about, named) {
        let named = decoded(NAME_HEADER, named)?;
        same(NAME_HEADER, &named, about.member, about.text.as_deref())?;
    }

    if requested != SERVED.as_str() {
        return Err(Unfit::Version { requested: shown(&requested) });
    }
    if method::was_removed(&request.method) {
        return Err(Unfit::Removed { method: shown(&request.method) });
    }
    let client_info = params.and_then(Params::meta_client_info);
    let profile = SessionProfile {
        declared,
        client_info: client_info.filter(|info| info.as_bytes().starts_with(b"{")),
        ..SessionProfile::new(SERVED, capabilities)
    };
    Ok(Said { profile, log_level })
}

/// Checks a notification. Which headers one needs is not defined (2026-07-28, "Sending Messages"),
/// so that only what is there has to be right.
///
/// # Errors
/// When the notification must be refused.
pub(super) fn notification(
    headers: &HeaderMap,
    method: &str,
    params: Option<&Params>,
) -> Result<(), Unfit> {
    let version = single(headers, header::PROTOCOL_VERSION, VERSION_HEADER)?;
    let called = single(headers, header::METHOD, METHOD_HEADER)?;
    let requested = params.and_then(Params::meta_protocol_version).and_then(|raw| raw.as_string());
    if let (Some(version), Some(requested)) = (version, &requested) {
        same(VERSION_HEADER, version, meta::PROTOCOL_VERSION, Some(requested))?;
    }
    if let Some(called) = called {
        same(METHOD_HEADER, called, "method", Some(method))?;
    }
    match requested.as_deref().or(version) {
        Some(requested) if requested != SERVED.as_str() => {
            Err(Unfit::Version { requested: shown(requested) })
        }
        _ => Ok(()),
    }
}

/// What `Mcp-Name` has to repeat.
struct About {
    member: &'static str,
    text: Option<String>,
}

impl About {
    fn of(request: &Request) -> Option<Self> {
        let params = request.params.as_ref();
        match &*request.method {
            method::TOOLS_CALL | method::PROMPTS_GET => {
                Some(Self { member: "params.name", text: params.and_then(Params::name) })
            }
            method::RESOURCES_READ => {
                Some(Self { member: "params.uri", text: params.and_then(Params::uri) })
            }
            _ => None,
        }
    }
}

fn log_level(raw: &RawJson) -> Result<LogLevel, Unfit> {
    let must = "the name of a log level";
    let level = raw.as_string().and_then(|text| LogLevel::parse(&text));
    level.ok_or(Unfit::MetaInvalid { member: meta::LOG_LEVEL, must })
}

fn same(header: &str, said: &str, member: &str, meant: Option<&str>) -> Result<(), Unfit> {
    if meant == Some(said) {
        return Ok(());
    }
    Err(Unfit::HeaderDiffers {
        header: header.into(),
        said: shown(said),
        member: member.into(),
        meant: meant.map_or(Meant::Nothing, |meant| Meant::Text(shown(meant))),
    })
}

/// A header that may stand there once, without the white space around it; `shown` is what it is
/// called in an error.
///
/// # Errors
/// When it stands there with two values, or is not text.
pub(super) fn single<'a>(
    headers: &'a HeaderMap,
    name: &str,
    shown: &str,
) -> Result<Option<&'a str>, Unfit> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != first) {
        return Err(Unfit::HeaderRepeated(shown.into()));
    }
    let text = first.to_str().map_err(|_| Unfit::HeaderNotText(shown.into()))?;
    Ok(Some(text.trim_matches([' ', '\t'])))
}

/// The text that a header stands for (2026-07-28, "Value Encoding").
///
/// # Errors
/// When it is said to be Base64 and is not.
pub(super) fn decoded<'a>(name: &str, value: &'a str) -> Result<Cow<'a, str>, Unfit> {
    let inner = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(inner) = inner else { return Ok(Cow::Borrowed(value)) };
    let bytes = STANDARD.decode(inner).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Cow::Owned).ok_or_else(|| Unfit::HeaderNotBase64(name.into()))
}
