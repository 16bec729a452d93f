//! The methods of 2026-07-28, and how the era of a request is told.
//!
//! Owns which era a request is of on this process, what a modern request says for itself in its
//! `_meta`, and the members that every modern result has. What tools, prompts and resources do is
//! the same in both eras and stands elsewhere.

mod listening;
mod state;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use standpipe_testkit::wire::quote;

pub(crate) use listening::{Listeners, Topic};

use crate::asking::{Caller, Question, State, Stop};
use crate::call::{Call, Cancelled, Reply};
use crate::legacy::{LEVELS, SERVER_INFO};
use crate::offer;
use crate::options::Era;
use crate::server::{Outcome, Server};
use crate::session::{Askable, Opening};

/// The revision.
const VERSION: &str = "2026-07-28";

const INVALID_REQUEST: i64 = -32600;
const INVALID_PARAMS: i64 = -32602;
const UNSUPPORTED_VERSION: i64 = -32022;

/// Capabilities, without those that the revision removed.
const CAPABILITIES: &str = r#"{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"tools":{"listChanged":true}}"#;

/// How the results of lists and reads may be cached.
const CACHING: &str = r#""ttlMs":300000,"cacheScope":"private","#;

/// What a request says for itself.
#[derive(Debug)]
pub(crate) struct Request {
    /// The raw capabilities of the client.
    pub capabilities: Box<RawValue>,
    /// The raw `clientInfo`.
    pub client_info: Option<Box<RawValue>>,
    /// The kinds of question that may be asked.
    pub askable: Askable,
    /// The index of the log level wanted; without one, nothing is logged to this request.
    pub log_level: Option<usize>,
    /// The raw answers in `inputResponses`, by key.
    responses: BTreeMap<String, Box<RawValue>>,
    /// The answers that are no longer asked for: those which the verified `requestState` has kept,
    /// and those of `inputResponses` that were used.
    known: RefCell<BTreeMap<String, Box<RawValue>>>,
    /// Which request this is, for `requestState`.
    subject: u64,
    /// The number of the next `requestState`.
    nonce: u64,
}

/// Whether a request is one of 2026-07-28 for this process: by its metadata, by its method, or
/// because the process serves nothing else.
pub(crate) fn is_modern(server: &Server, method: &str, params: Option<&RawValue>) -> bool {
    match server.options.era {
        Era::Legacy => false,
        Era::Modern => method != "initialize" || claims_modern(params),
        Era::Either => {
            method == "server/discover"
                || server.session().opening == Opening::Modern && method != "initialize"
                || claims_modern(params)
        }
    }
}

impl Request {
    /// Checks what every request must bring along, and reads it.
    pub(crate) fn read(server: &Server, method: &str, params: &RawValue) -> Result<Self, Outcome> {
        if server.session().opening == Opening::Legacy {
            return Err(Outcome::Error {
                code: INVALID_REQUEST,
                message: "this process was opened with initialize".to_owned(),
                data: None,
            });
        }
        let read: Params<'_> =
            serde_json::from_str(params.get()).map_err(|error| offer::invalid_params(&error))?;
        let meta = read.meta.ok_or_else(|| missing("_meta"))?;
        let version = meta.version.ok_or_else(|| missing("the protocol version in _meta"))?;
        if version != VERSION {
            let data = format!(r#"{{"supported":["{VERSION}"],"requested":{}}}"#, quote(&version));
            return Err(Outcome::Error {
                code: UNSUPPORTED_VERSION,
                message: format!("unsupported protocol version {version}"),
                data: Some(data),
            });
        }
        let capabilities =
            meta.capabilities.ok_or_else(|| missing("the client's capabilities in _meta"))?;
        let askable = serde_json::from_str(capabilities.get())
            .map_err(|error| offer::invalid_params(&error))?;
        let log_level = match meta.log_level {
            Some(level) => Some(
                LEVELS
                    .iter()
                    .position(|name| *name == level)
                    .ok_or_else(|| invalid(&format!("no such log level: {level}")))?,
            ),
            None => None,
        };
        let subject = state::subject(&[
            method,
            crate::asking::raw_or_null(read.name),
            crate::asking::raw_or_null(read.uri),
            crate::asking::raw_or_null(read.arguments),
        ]);
        let known = match read.request_state {
            Some(text) => state::open(&text, subject).map_err(invalid)?,
            None => BTreeMap::new(),
        };
        server.session().opening = Opening::Modern;
        Ok(Self {
            capabilities: capabilities.to_owned(),
            client_info: meta.client_info.map(ToOwned::to_owned),
            askable,
            log_level,
            responses: read.responses.unwrap_or_default(),
            known: RefCell::new(known),
            subject,
            nonce: server.next_nonce(),
        })
    }

    /// The answers to these questions, or the result that asks for those that are not there yet.
    pub(crate) fn replies(&self, questions: &[Question], state: State) -> Result<Vec<Reply>, Stop> {
        let mut replies = Vec::new();
        let mut open = Vec::new();
        let mut known = self.known.borrow_mut();
        for question in questions {
            if let Some(raw) = known.get(question.key) {
                replies.push(Reply::Result(raw.clone()));
            } else if let Some(raw) = self.responses.get(question.key) {
                check_answer(question, raw)?;
                known.insert(question.key.to_owned(), raw.clone());
                replies.push(Reply::Result(raw.clone()));
            } else {
                open.push(question);
            }
        }
        if open.is_empty() {
            return Ok(replies);
        }
        if state == State::None {
            // Nothing is remembered, so everything is asked for again.
            open = questions.iter().collect();
        }
        let requests: Vec<String> = open.into_iter().map(input_request).collect();
        let request_state = match state {
            State::Kept => {
                let text = state::seal(&known, self.subject, self.nonce);
                format!(r#","requestState":{}"#, quote(&text))
            }
            State::None => String::new(),
        };
        Err(Stop::InputRequired(format!(
            r#"{{"inputRequests":{{{}}}{request_state}}}"#,
            requests.join(",")
        )))
    }
}

fn input_request(Question { key, method, params }: &Question) -> String {
    let params = if params.is_empty() { "{}" } else { params };
    format!(r#""{key}":{{"method":"{method}","params":{params}}}"#)
}

/// Each kind of answer has a shape of its own.
fn check_answer(question: &Question, raw: &RawValue) -> Result<(), Stop> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Action {
        Accept,
        Decline,
        Cancel,
    }
    #[derive(Deserialize)]
    struct Elicited {
        #[serde(rename = "action")]
        _action: Action,
    }
    #[derive(Deserialize)]
    struct Sampled {
        #[serde(rename = "role")]
        _role: String,
        #[serde(rename = "model")]
        _model: String,
        #[serde(rename = "content")]
        _content: Box<RawValue>,
    }
    #[derive(Deserialize)]
    struct Rooted {
        #[serde(rename = "roots")]
        _roots: Vec<Box<RawValue>>,
    }
    let text = raw.get();
    let fits = match question.method {
        "elicitation/create" => serde_json::from_str::<Elicited>(text).map(drop),
        "sampling/createMessage" => serde_json::from_str::<Sampled>(text).map(drop),
        "roots/list" => serde_json::from_str::<Rooted>(text).map(drop),
        _ => Ok(()),
    };
    fits.map_err(|error| {
        Stop::Input(format!("{} is no answer to {}: {error}", question.key, question.method))
    })
}

/// Answers a request that has passed the checks; `subscriptions/listen` is the server's own.
pub(crate) fn request(
    caller: Caller<'_>,
    method: &str,
    params: Option<&RawValue>,
) -> Result<Outcome, Cancelled> {
    let outcome = match method {
        "server/discover" => discover(caller.server),
        _ => offer::answer(caller, method, params)?,
    };
    Ok(complete(method, outcome))
}

/// `server/discover` answers only when told to, and late when told to.
pub(crate) fn discover_delay(server: &Server, call: &Arc<Call>) -> Result<(), Cancelled> {
    if server.options.silent_discover {
        return Err(Cancelled);
    }
    call.nap(std::time::Duration::from_millis(server.options.late_discover))
}

fn discover(server: &Server) -> Outcome {
    let instructions = server.instructions();
    Outcome::Result(format!(
        r#"{{"supportedVersions":["{VERSION}"],"capabilities":{CAPABILITIES}{instructions}}}"#
    ))
}

/// Adds to a result what every result of this revision has.
fn complete(method: &str, outcome: Outcome) -> Outcome {
    let caching = match method {
        "server/discover"
        | "tools/list"
        | "prompts/list"
        | "resources/list"
        | "resources/templates/list"
        | "resources/read" => CACHING,
        _ => "",
    };
    let decorated = |raw: &str, kind: &str, caching: &str| {
        let rest = raw.strip_prefix('{').unwrap_or(raw);
        let comma = if rest == "}" { "" } else { "," };
        let meta = format!(r#""_meta":{{"io.modelcontextprotocol/serverInfo":{SERVER_INFO}}}"#);
        format!(r#"{{"resultType":"{kind}",{caching}{meta}{comma}{rest}"#)
    };
    match outcome {
        Outcome::Result(raw) => Outcome::Result(decorated(&raw, "complete", caching)),
        Outcome::InputRequired(raw) => Outcome::Result(decorated(&raw, "input_required", "")),
        Outcome::Twice(first, second) => Outcome::Twice(
            decorated(&first, "complete", caching),
            decorated(&second, "complete", caching),
        ),
        // The code of the revisions before is an invalid parameter now.
        Outcome::Error { code: -32002, message, data } => {
            Outcome::Error { code: INVALID_PARAMS, message, data }
        }
        error @ Outcome::Error { .. } => error,
    }
}

fn missing(what: &str) -> Outcome {
    invalid(&format!("{what} is missing"))
}

fn invalid(why: &str) -> Outcome {
    let message = format!("invalid params: {why}");
    Outcome::Error { code: INVALID_PARAMS, message, data: None }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    #[serde(rename = "_meta", borrow)]
    meta: Option<Meta<'a>>,
    #[serde(rename = "inputResponses")]
    responses: Option<BTreeMap<String, Box<RawValue>>>,
    request_state: Option<String>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<String>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities", borrow)]
    capabilities: Option<&'a RawValue>,
    #[serde(rename = "io.modelcontextprotocol/clientInfo", borrow)]
    client_info: Option<&'a RawValue>,
    #[serde(rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<String>,
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
