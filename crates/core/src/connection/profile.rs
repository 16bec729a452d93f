//! What a client has said of itself.
//!
//! Owns how it is read from `initialize`, or given for one modern request. Must not know what
//! follows from it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::id::Principal;
use crate::message::RawJson;
use crate::protocol::{ClientCapabilities, ProtocolVersion};

/// What a client said of itself, in `initialize` or in the `_meta` of a modern request.
#[derive(Debug, Clone)]
pub struct SessionProfile {
    /// The revision that was negotiated with the client, or that its request is written for.
    pub version: ProtocolVersion,
    /// What it can be asked.
    pub capabilities: ClientCapabilities,
    /// The same as the client wrote it: a JSON object.
    pub declared: RawJson,
    /// Which program it is, as it says: a JSON object.
    pub client_info: Option<RawJson>,
    /// On whose behalf it calls.
    pub principal: Principal,
}

#[derive(Deserialize)]
struct InitializeParams<'a> {
    #[serde(rename = "protocolVersion", borrow)]
    version: Cow<'a, str>,
    #[serde(default, borrow)]
    capabilities: Option<&'a RawValue>,
    #[serde(default, rename = "clientInfo", borrow)]
    client_info: Option<&'a RawValue>,
}

impl SessionProfile {
    /// A client that says no more than this.
    pub fn new(version: ProtocolVersion, capabilities: ClientCapabilities) -> Self {
        Self {
            version,
            capabilities,
            declared: written(capabilities),
            client_info: None,
            principal: Principal::default(),
        }
    }

    /// Reads the parameters of an `initialize` request, and settles the revision.
    ///
    /// # Errors
    /// When they name no revision, or are otherwise not as the specification has them.
    pub fn of_initialize(params: &RawJson) -> Result<Self, serde_json::Error> {
        let params: InitializeParams<'_> = serde_json::from_str(params.as_str())?;
        let version = ProtocolVersion::negotiate_legacy(&params.version);
        let declared = params.capabilities.map_or("{}", RawValue::get);
        let client_info =
            params.client_info.map(RawValue::get).filter(|info| info.starts_with('{'));
        Ok(Self {
            version,
            capabilities: ClientCapabilities::read(declared)?,
            declared: RawJson::copied(declared),
            client_info: client_info.map(RawJson::copied),
            principal: Principal::default(),
        })
    }
}

/// A declaration that says just this.
fn written(capabilities: ClientCapabilities) -> RawJson {
    let modes = match (capabilities.elicitation, capabilities.elicitation_url) {
        (false, false) => None,
        (true, false) => Some(r#""elicitation":{}"#),
        (false, true) => Some(r#""elicitation":{"url":{}}"#),
        (true, true) => Some(r#""elicitation":{"form":{},"url":{}}"#),
    };
    let sampling = capabilities.sampling.then_some(r#""sampling":{}"#);
    let roots = capabilities.roots.then_some(r#""roots":{}"#);
    let members: Vec<&str> = [sampling, modes, roots].into_iter().flatten().collect();
    RawJson::trusted(format!("{{{}}}", members.join(",")).into())
}
