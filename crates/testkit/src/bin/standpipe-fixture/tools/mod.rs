//! The tools: one table from which both `tools/list` and `tools/call` are served.
//!
//! Owns the table and what every tool gets and gives back. What the tools do is in one module per
//! purpose.

mod content;
mod echo;
mod insight;
mod mischief;
mod notices;
mod questions;
mod rounds;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use standpipe_testkit::wire::quote;

use crate::asking::{Caller, Question, State, Stop};
use crate::call::{Call, Cancelled, Reply};
use crate::offer::invalid_params;
use crate::server::{Outcome, Server};

/// A tool.
struct Tool {
    name: &'static str,
    description: &'static str,
    /// Raw JSON Schema.
    input_schema: &'static str,
    run: fn(&Turn<'_>) -> Result<Outcome, Stop>,
}

/// The schema of a tool without arguments.
const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

/// Every tool, in the order of `tools/list`.
fn all() -> impl Iterator<Item = &'static Tool> {
    [
        content::TOOLS,
        questions::TOOLS,
        rounds::TOOLS,
        notices::TOOLS,
        echo::TOOLS,
        insight::TOOLS,
        mischief::TOOLS,
    ]
    .into_iter()
    .flatten()
}

/// One call of one tool.
struct Turn<'a> {
    server: &'a Arc<Server>,
    call: &'a Arc<Call>,
    caller: Caller<'a>,
    /// The raw parameters of `tools/call`.
    params: &'a RawValue,
    /// The raw arguments; `{}` where there are none.
    raw_arguments: &'a str,
    /// The raw progress token.
    progress_token: Option<&'a RawValue>,
}

impl Turn<'_> {
    /// The arguments, as the tool understands them.
    fn arguments<T: DeserializeOwned>(&self) -> Result<T, Stop> {
        serde_json::from_str(self.raw_arguments).map_err(Stop::Arguments)
    }

    /// Waits, unless cancelled.
    fn nap(&self, milliseconds: u64) -> Result<(), Stop> {
        Ok(self.call.nap(Duration::from_millis(milliseconds))?)
    }

    /// Asks the client, all questions at once; in 2026-07-28 with a state of our own.
    fn ask(&self, questions: &[Question]) -> Result<Vec<Reply>, Stop> {
        self.caller.ask(questions, State::Kept)
    }
}

/// The raw result of `tools/list`.
pub(crate) fn list() -> String {
    let tools: Vec<String> = all()
        .map(|Tool { name, description, input_schema, .. }| {
            let description = quote(description);
            format!(
                r#"{{"name":"{name}","description":{description},"inputSchema":{input_schema}}}"#
            )
        })
        .collect();
    format!(r#"{{"tools":[{}]}}"#, tools.join(","))
}

/// Answers `tools/call`.
pub(crate) fn call(caller: Caller<'_>, params: Option<&RawValue>) -> Result<Outcome, Cancelled> {
    #[derive(Deserialize)]
    struct Params<'a> {
        name: String,
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
        #[serde(rename = "_meta", borrow)]
        meta: Option<Meta<'a>>,
    }
    #[derive(Deserialize)]
    struct Meta<'a> {
        #[serde(rename = "progressToken", borrow)]
        progress_token: Option<&'a RawValue>,
    }
    let nothing = RawValue::NULL;
    let params = params.unwrap_or(nothing);
    let read = match serde_json::from_str::<Params<'_>>(params.get()) {
        Ok(read) => read,
        Err(error) => return Ok(invalid_params(&error)),
    };
    let Some(tool) = all().find(|tool| tool.name == read.name) else {
        let message = format!("unknown tool: {}", read.name);
        return Ok(Outcome::Error { code: -32602, message, data: None });
    };
    let turn = Turn {
        server: caller.server,
        call: caller.call,
        caller,
        params,
        raw_arguments: read.arguments.map_or("{}", RawValue::get),
        progress_token: read.meta.and_then(|meta| meta.progress_token),
    };
    match (tool.run)(&turn) {
        // Before 2026-07-28 there is no code for it, and the model is told.
        Err(Stop::Undeclared(capability)) if caller.modern.is_none() => {
            Ok(tool_error(&undeclared(capability)))
        }
        outcome => outcome.or_else(|stop| caller.stopped(stop)),
    }
}

fn undeclared(capability: &str) -> String {
    format!("The client did not declare the {capability} capability")
}

/// A result of raw content items.
fn content(items: &str) -> Outcome {
    Outcome::Result(format!(r#"{{"content":[{items}]}}"#))
}

/// A raw text item.
fn text_item(text: &str) -> String {
    format!(r#"{{"type":"text","text":{}}}"#, quote(text))
}

/// A result of one text.
fn text(text: &str) -> Outcome {
    content(&text_item(text))
}

/// A result that is an error to the model, not to the protocol.
fn tool_error(message: &str) -> Outcome {
    Outcome::Result(format!(r#"{{"content":[{}],"isError":true}}"#, text_item(message)))
}

/// A result of a raw object, as text and as structured content.
fn object(raw: &str) -> Outcome {
    let item = text_item(raw);
    Outcome::Result(format!(r#"{{"content":[{item}],"structuredContent":{raw}}}"#))
}
