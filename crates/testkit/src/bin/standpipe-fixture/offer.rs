//! What the server offers in every revision: tools, prompts, resources, completion.
//!
//! Owns which method means which of them. It knows neither handshakes nor what the results of one
//! revision have that those of another lack.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::asking::{Caller, Stop};
use crate::call::Cancelled;
use crate::server::Outcome;
use crate::{prompts, resources, tools};

const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// Whether the answer may have to wait, so that the request needs a thread of its own.
pub(crate) fn may_wait(method: &str, params: Option<&RawValue>) -> bool {
    match method {
        "tools/call" => true,
        "prompts/get" => params.is_some_and(|params| params.get().contains(prompts::ASKING)),
        "resources/read" => params.is_some_and(|params| params.get().contains(resources::ASKING)),
        _ => false,
    }
}

/// Answers a request.
pub(crate) fn answer(
    caller: Caller<'_>,
    method: &str,
    params: Option<&RawValue>,
) -> Result<Outcome, Cancelled> {
    let answer: Result<Outcome, Stop> = match method {
        "tools/call" => return tools::call(caller, params),
        "prompts/get" => match parse(params) {
            Ok(params) => prompts::get(caller, &params),
            Err(outcome) => Ok(outcome),
        },
        "resources/read" => match parse(params) {
            Ok(Uri { uri }) => resources::read(caller, &uri),
            Err(outcome) => Ok(outcome),
        },
        "tools/list" => Ok(Outcome::Result(tools::list())),
        "prompts/list" => Ok(Outcome::Result(prompts::LIST.to_owned())),
        "resources/list" => Ok(Outcome::Result(resources::LIST.to_owned())),
        "resources/templates/list" => Ok(Outcome::Result(resources::TEMPLATES.to_owned())),
        "completion/complete" => {
            Ok(parse(params).map_or_else(|outcome| outcome, |params| prompts::complete(&params)))
        }
        _ => Ok(method_not_found(method)),
    };
    answer.or_else(|stop| caller.stopped(stop))
}

#[derive(Deserialize)]
struct Uri {
    uri: String,
}

/// Reads the parameters, or says what is wrong with them.
pub(crate) fn parse<T: DeserializeOwned>(params: Option<&RawValue>) -> Result<T, Outcome> {
    serde_json::from_str(params.map_or("{}", RawValue::get)).map_err(|error| invalid_params(&error))
}

/// The answer to parameters that could not be read.
pub(crate) fn invalid_params(error: &serde_json::Error) -> Outcome {
    let message = format!("invalid params: {error}");
    Outcome::Error { code: INVALID_PARAMS, message, data: None }
}

/// The answer to a method that is not there.
pub(crate) fn method_not_found(method: &str) -> Outcome {
    let message = format!("method not found: {method}");
    Outcome::Error { code: METHOD_NOT_FOUND, message, data: None }
}
