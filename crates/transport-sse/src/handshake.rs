//! What an `initialize` request says of the client.
//!
//! Owns the reading of its parameters (2024-11-05, "Initialization"). Must not know what becomes of
//! the request.

use standpipe_core::connection::SessionProfile;
use standpipe_core::message::Params;

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

/// Reads the parameters of an `initialize` request and settles the revision.
///
/// # Errors
/// When they do not name a revision.
pub(crate) fn profile(params: Option<&Params>) -> Result<SessionProfile, HandshakeError> {
    let raw = params.ok_or(HandshakeError::NoParams)?.raw();
    SessionProfile::of_initialize(raw).map_err(HandshakeError::Params)
}
