//! The methods of the revisions up to 2025-11-25.
//!
//! Owns the handshake and the answer to every request. It does not know what tools do.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use standpipe_testkit::wire::quote;

use crate::call::{Call, Cancelled};
use crate::options::Era;
use crate::server::{Outcome, Server};
use crate::session::{Askable, Opening, Session};
use crate::{prompts, resources, tools};

/// The revisions it speaks, newest first; the first one is offered to a client of none of them.
pub(crate) const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// Log levels from the least severe.
pub(crate) const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

const CAPABILITIES: &str = r#"{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"tools":{"listChanged":true}}"#;

/// Who the server says it is.
pub(crate) const SERVER_INFO: &str = r#"{"name":"standpipe-fixture","version":"1.0.0"}"#;

const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_REQUEST: i64 = -32600;
const INVALID_PARAMS: i64 = -32602;
const UNSUPPORTED_VERSION: i64 = -32022;

/// Answers a request.
pub(crate) fn request(
    server: &Arc<Server>,
    call: &Arc<Call>,
    method: &str,
    params: Option<&RawValue>,
) -> Result<Outcome, Cancelled> {
    let opening = server.session().opening;
    match (method, opening) {
        ("ping", _) => return Ok(Outcome::Result("{}".to_owned())),
        ("initialize", Opening::Modern) => return Ok(initialize_too_late()),
        ("initialize", _) if server.options.era == Era::Modern => return Ok(initialize_too_late()),
        ("initialize", _) => return Ok(initialize(server, params)),
        ("server/discover", _) => return Ok(method_not_found(method)),
        (_, Opening::Unopened) => {
            let message = format!("{method} came before initialize");
            return Ok(Outcome::Error { code: INVALID_REQUEST, message, data: None });
        }
        _ => {}
    }
    if method == "tools/call" {
        return tools::call(server, call, params);
    }
    Ok(quick(server, method, params))
}

/// Answers a request that needs no waiting.
fn quick(server: &Server, method: &str, params: Option<&RawValue>) -> Outcome {
    let answer = match method {
        "tools/list" => Ok(Outcome::Result(tools::list())),
        "prompts/list" => Ok(Outcome::Result(prompts::LIST.to_owned())),
        "prompts/get" => parse(params).map(|params| prompts::get(&params)),
        "resources/list" => Ok(Outcome::Result(resources::LIST.to_owned())),
        "resources/templates/list" => Ok(Outcome::Result(resources::TEMPLATES.to_owned())),
        "resources/read" => parse(params).map(|Uri { uri }| resources::read(&uri)),
        "resources/subscribe" => parse(params).map(|Uri { uri }| {
            server.session().subscriptions.insert(uri);
            Outcome::Result("{}".to_owned())
        }),
        "resources/unsubscribe" => parse(params).map(|Uri { uri }| {
            server.session().subscriptions.remove(&uri);
            Outcome::Result("{}".to_owned())
        }),
        "logging/setLevel" => parse(params).map(|Level { level }| set_level(server, &level)),
        "completion/complete" => parse(params).map(|params| prompts::complete(&params)),
        _ => Ok(method_not_found(method)),
    };
    answer.unwrap_or_else(|outcome| outcome)
}

#[derive(Deserialize)]
struct Uri {
    uri: String,
}

#[derive(Deserialize)]
struct Level {
    level: String,
}

/// Reads the parameters, or says what is wrong with them.
fn parse<T: DeserializeOwned>(params: Option<&RawValue>) -> Result<T, Outcome> {
    serde_json::from_str(params.map_or("{}", RawValue::get)).map_err(|error| invalid_params(&error))
}

/// The answer to parameters that could not be read.
pub(crate) fn invalid_params(error: &serde_json::Error) -> Outcome {
    let message = format!("invalid params: {error}");
    Outcome::Error { code: INVALID_PARAMS, message, data: None }
}

fn method_not_found(method: &str) -> Outcome {
    let message = format!("method not found: {method}");
    Outcome::Error { code: METHOD_NOT_FOUND, message, data: None }
}

/// A process opened by a modern request serves no handshake any more.
fn initialize_too_late() -> Outcome {
    Outcome::Error {
        code: UNSUPPORTED_VERSION,
        message: "this process speaks 2026-07-28, which has no initialize".to_owned(),
        data: Some(r#"{"supported":["2026-07-28"],"requested":"initialize"}"#.to_owned()),
    }
}

/// Answers the handshake, also a second one: what it says replaces what the first one said.
fn initialize(server: &Server, params: Option<&RawValue>) -> Outcome {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params {
        protocol_version: String,
        capabilities: Box<RawValue>,
        client_info: Option<Box<RawValue>>,
    }
    let Params { protocol_version, capabilities, client_info } = match parse(params) {
        Ok(params) => params,
        Err(outcome) => return outcome,
    };
    let askable: Askable = match serde_json::from_str(capabilities.get()) {
        Ok(askable) => askable,
        Err(error) => return invalid_params(&error),
    };
    let version = VERSIONS.into_iter().find(|version| *version == protocol_version);
    let version = version.unwrap_or(VERSIONS[0]);
    {
        let mut session = server.session();
        *session = Session {
            opening: Opening::Legacy,
            version: Some(version),
            capabilities: Some(capabilities),
            client_info,
            askable,
            // What tools keep for the process is not part of the handshake.
            stored: std::mem::take(&mut session.stored),
            late_replies: std::mem::take(&mut session.late_replies),
            ..Session::default()
        };
    }
    let instructions = server.options.instructions.as_ref();
    let instructions =
        instructions.map(|text| format!(r#","instructions":{}"#, quote(text))).unwrap_or_default();
    Outcome::Result(format!(
        r#"{{"protocolVersion":"{version}","capabilities":{CAPABILITIES},"serverInfo":{SERVER_INFO}{instructions}}}"#
    ))
}

fn set_level(server: &Server, level: &str) -> Outcome {
    let Some(index) = LEVELS.iter().position(|name| *name == level) else {
        let message = format!("invalid params: no such log level: {level}");
        return Outcome::Error { code: INVALID_PARAMS, message, data: None };
    };
    server.session().log_level = Some(index);
    Outcome::Result("{}".to_owned())
}
