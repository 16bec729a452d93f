//! What an `initialize` request says of the client.
//!
//! Owns the reading of its parameters (2024-11-05, "Initialization"). Must not know what becomes of
//! the request.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use standpipe_core::connection::SessionProfile;
use standpipe_core::message::Params;
use standpipe_core::protocol::{ClientCapabilities, ProtocolVersion};

/// Why an `initialize` is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// It has no `params`.
    #[error("`initialize` needs `params` with `protocolVersion` and `capabilities`")]
    NoParams,
    /// They are not as the specification has them.
    #[error("the `params` of `initialize` are not valid: {0}")]
    Params(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct InitializeParams<'a> {
    #[serde(rename = "protocolVersion", borrow)]
    version: Cow<'a, str>,
    #[serde(default)]
    capabilities: Capabilities,
}

/// Only their presence counts; `null` is absence.
#[derive(Deserialize, Default)]
struct Capabilities {
    sampling: Option<IgnoredAny>,
    elicitation: Option<IgnoredAny>,
    roots: Option<IgnoredAny>,
}

/// Reads the parameters of an `initialize` request and settles the revision.
///
/// # Errors
/// When they do not name a revision.
pub(crate) fn profile(params: Option<&Params>) -> Result<SessionProfile, HandshakeError> {
    let raw = params.ok_or(HandshakeError::NoParams)?.raw();
    let params: InitializeParams<'_> =
        serde_json::from_str(raw.as_str()).map_err(HandshakeError::Params)?;
    let said = params.capabilities;
    Ok(SessionProfile {
        version: ProtocolVersion::negotiate_legacy(&params.version),
        capabilities: ClientCapabilities {
            sampling: said.sampling.is_some(),
            elicitation: said.elicitation.is_some(),
            roots: said.roots.is_some(),
        },
    })
}
