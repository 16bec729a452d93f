//! The prompts, and completion of their arguments.
//!
//! Owns their texts, which the conformance suite prescribes.

use std::collections::BTreeMap;

use serde::Deserialize;
use standpipe_testkit::wire::quote;

use crate::asking::{Caller, Question, State, Stop};
use crate::call::Reply;
use crate::resources::IMAGE;
use crate::server::Outcome;

/// The raw result of `prompts/list`.
pub(crate) const LIST: &str = concat!(
    r#"{"prompts":["#,
    r#"{"name":"test_simple_prompt","title":"Simple prompt","description":"A prompt without arguments"},"#,
    r#"{"name":"test_prompt_with_arguments","title":"Prompt with arguments","description":"A prompt with two arguments","arguments":["#,
    r#"{"name":"arg1","description":"First argument","required":true},"#,
    r#"{"name":"arg2","description":"Second argument","required":true}]},"#,
    r#"{"name":"test_prompt_with_embedded_resource","title":"Prompt with a resource","description":"A prompt that embeds a resource","arguments":["#,
    r#"{"name":"resourceUri","description":"URI of the resource to embed","required":true}]},"#,
    r#"{"name":"test_prompt_with_image","title":"Prompt with an image","description":"A prompt that includes an image"},"#,
    r#"{"name":"test_input_required_result_prompt","title":"Prompt that asks","description":"A prompt that asks the user for its context"}"#,
    r"]}"
);

/// The prompt that asks the user something.
pub(crate) const ASKING: &str = "test_input_required_result_prompt";

const CONTEXT_SCHEMA: &str =
    r#"{"type":"object","properties":{"context":{"type":"string"}},"required":["context"]}"#;

/// What completion draws on.
const WORDS: [&str; 5] = ["paris", "park", "party", "test", "testing"];

/// The parameters of `prompts/get`.
#[derive(Debug, Deserialize)]
pub(crate) struct Get {
    name: String,
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

/// Answers `prompts/get`.
pub(crate) fn get(caller: Caller<'_>, params: &Get) -> Result<Outcome, Stop> {
    if params.name == ASKING {
        return ask(caller);
    }
    Ok(plain(params))
}

fn ask(caller: Caller<'_>) -> Result<Outcome, Stop> {
    let message = quote("What context should the prompt use?");
    let question = Question {
        key: "user_context",
        method: "elicitation/create",
        params: format!(r#"{{"message":{message},"requestedSchema":{CONTEXT_SCHEMA}}}"#),
    };
    let replies = caller.ask(&[question], State::None)?;
    Ok(match replies.first() {
        Some(Reply::Result(raw)) => {
            let message = user_text(&format!("Use this context: {raw}"));
            Outcome::Result(format!(r#"{{"messages":[{message}]}}"#))
        }
        _ => {
            let message = "the user could not be asked for the context".to_owned();
            Outcome::Error { code: -32603, message, data: None }
        }
    })
}

fn plain(params: &Get) -> Outcome {
    let argument = |name: &'static str| params.arguments.get(name).ok_or(name);
    let messages = match params.name.as_str() {
        "test_simple_prompt" => Ok(user_text("This is a simple prompt for testing.")),
        "test_prompt_with_arguments" => argument("arg1").and_then(|first| {
            let second = argument("arg2")?;
            Ok(user_text(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'")))
        }),
        "test_prompt_with_embedded_resource" => argument("resourceUri").map(|uri| {
            let uri = quote(uri);
            let resource = format!(
                r#"{{"type":"resource","resource":{{"uri":{uri},"mimeType":"text/plain","text":"Embedded resource content for testing."}}}}"#
            );
            let text = user_text("Please process the embedded resource above.");
            format!("{},{text}", user(&resource))
        }),
        "test_prompt_with_image" => {
            let image = format!(r#"{{"type":"image","data":"{IMAGE}","mimeType":"image/png"}}"#);
            let text = user_text("Please analyze the image above.");
            Ok(format!("{},{text}", user(&image)))
        }
        unknown => {
            let message = format!("unknown prompt: {unknown}");
            return Outcome::Error { code: -32602, message, data: None };
        }
    };
    match messages {
        Ok(messages) => Outcome::Result(format!(r#"{{"messages":[{messages}]}}"#)),
        Err(missing) => {
            let message = format!("missing argument: {missing}");
            Outcome::Error { code: -32602, message, data: None }
        }
    }
}

/// The parameters of `completion/complete`.
#[derive(Debug, Deserialize)]
pub(crate) struct Complete {
    argument: Argument,
}

#[derive(Debug, Deserialize)]
struct Argument {
    value: String,
}

/// Answers `completion/complete`: the words that start like the value.
pub(crate) fn complete(params: &Complete) -> Outcome {
    let words: Vec<String> = WORDS
        .into_iter()
        .filter(|word| word.starts_with(&params.argument.value))
        .map(quote)
        .collect();
    let (total, words) = (words.len(), words.join(","));
    Outcome::Result(format!(
        r#"{{"completion":{{"values":[{words}],"total":{total},"hasMore":false}}}}"#
    ))
}

fn user(content: &str) -> String {
    format!(r#"{{"role":"user","content":{content}}}"#)
}

fn user_text(text: &str) -> String {
    user(&format!(r#"{{"type":"text","text":{}}}"#, quote(text)))
}
