//! The methods of 2026-07-28: so far `server/discover`, and how the era of a request is told.
//!
//! Owns which era a request is of on this process. Requests other than `server/discover` are
//! refused with a message that says so.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::legacy::SERVER_INFO;
use crate::options::Era;
use crate::server::{Outcome, Server};
use crate::session::Opening;

const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_REQUEST: i64 = -32600;

/// Capabilities without what the revision removed.
const CAPABILITIES: &str = r#"{"completions":{},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"tools":{"listChanged":true}}"#;

/// Whether a request is one of 2026-07-28 for this process: by its metadata, by its method, or
/// because the process serves nothing else.
pub(crate) fn is_modern(server: &Server, method: &str, params: Option<&RawValue>) -> bool {
    match server.options.era {
        Era::Legacy => false,
        Era::Modern => method != "initialize",
        Era::Either => {
            method == "server/discover"
                || server.session().opening == Opening::Modern && method != "initialize"
                || claims_modern(params)
        }
    }
}

/// Answers a request.
pub(crate) fn request(server: &Server, method: &str) -> Outcome {
    let mut session = server.session();
    if session.opening == Opening::Legacy {
        return Outcome::Error {
            code: INVALID_REQUEST,
            message: "this process was opened with initialize".to_owned(),
            data: None,
        };
    }
    session.opening = Opening::Modern;
    if method == "server/discover" {
        return Outcome::Result(format!(
            r#"{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{CAPABILITIES},"ttlMs":0,"cacheScope":"private","_meta":{{"io.modelcontextprotocol/serverInfo":{SERVER_INFO}}}}}"#
        ));
    }
    Outcome::Error {
        code: METHOD_NOT_FOUND,
        message: format!("standpipe-fixture does not serve {method} of 2026-07-28 yet"),
        data: None,
    }
}

fn claims_modern(params: Option<&RawValue>) -> bool {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(rename = "_meta", borrow)]
        _meta: Meta<'a>,
    }
    #[derive(Deserialize)]
    struct Meta<'a> {
        #[serde(rename = "io.modelcontextprotocol/protocolVersion", borrow)]
        _version: &'a RawValue,
    }
    params.is_some_and(|params| serde_json::from_str::<Params<'_>>(params.get()).is_ok())
}
