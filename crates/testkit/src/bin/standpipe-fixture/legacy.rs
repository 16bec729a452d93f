//! The methods of the revisions up to 2025-11-25.
//!
//! Owns the handshake, subscriptions and log levels; what both eras have stands elsewhere.

use serde::Deserialize;
use serde_json::value::RawValue;
use standpipe_testkit::wire::quote;

use crate::asking::Caller;
use crate::call::Cancelled;
use crate::offer::{self, invalid_params, method_not_found, parse};
use crate::options::Era;
use crate::server::{Outcome, Server};
use crate::session::{Askable, Opening, Session};

/// The revisions it speaks, newest first; the first one is offered to a client of none of them.
pub(crate) const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// Log levels from the least severe.
pub(crate) const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

const CAPABILITIES: &str = r#"{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"tools":{"listChanged":true}}"#;

/// Who the server says it is.
pub(crate) const SERVER_INFO: &str = r#"{"name":"standpipe-fixture","version":"1.0.0"}"#;

const INVALID_REQUEST: i64 = -32600;
const INVALID_PARAMS: i64 = -32602;
const UNSUPPORTED_VERSION: i64 = -32022;

/// Answers a request.
pub(crate) fn request(
    caller: Caller<'_>,
    method: &str,
    params: Option<&RawValue>,
) -> Result<Outcome, Cancelled> {
    let server = caller.server;
    let opening = server.session().opening;
    Ok(match (method, opening) {
        ("ping", _) => Outcome::Result("{}".to_owned()),
        ("initialize", Opening::Modern) if !server.options.initialize_after_discover => {
            initialize_too_late(server, params)
        }
        ("initialize", _) if server.options.era == Era::Modern => {
            initialize_too_late(server, params)
        }
        ("initialize", _) => initialize(server, params),
        ("server/discover", _) => method_not_found(method),
        (_, Opening::Unopened) => {
            let message = format!("{method} came before initialize");
            Outcome::Error { code: INVALID_REQUEST, message, data: None }
        }
        ("resources/subscribe", _) => subscribe(server, params, true),
        ("resources/unsubscribe", _) => subscribe(server, params, false),
        ("logging/setLevel", _) => match parse(params) {
            Ok(Level { level }) => set_level(server, &level),
            Err(outcome) => outcome,
        },
        _ => offer::answer(caller, method, params)?,
    })
}

fn subscribe(server: &Server, params: Option<&RawValue>, wanted: bool) -> Outcome {
    let uri = match parse(params) {
        Ok(Uri { uri }) => uri,
        Err(outcome) => return outcome,
    };
    let subscriptions = &mut server.session().subscriptions;
    if wanted {
        subscriptions.insert(uri);
    } else {
        subscriptions.remove(&uri);
    }
    Outcome::Result("{}".to_owned())
}

#[derive(Deserialize)]
struct Uri {
    uri: String,
}

#[derive(Deserialize)]
struct Level {
    level: String,
}

/// A process of the modern era serves no handshake, and says which versions it serves instead.
fn initialize_too_late(server: &Server, params: Option<&RawValue>) -> Outcome {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params {
        protocol_version: String,
    }
    if server.options.unknown_initialize {
        return method_not_found("initialize (this server speaks 2026-07-28)");
    }
    let requested = parse(params)
        .map_or_else(|_| String::new(), |Params { protocol_version }| protocol_version);
    let requested = quote(&requested);
    Outcome::Error {
        code: UNSUPPORTED_VERSION,
        message: "this process speaks 2026-07-28, which has no initialize".to_owned(),
        data: Some(format!(r#"{{"supported":["2026-07-28"],"requested":{requested}}}"#)),
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
            visited: std::mem::take(&mut session.visited),
            late_replies: std::mem::take(&mut session.late_replies),
            ..Session::default()
        };
    }
    let instructions = server.instructions();
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
