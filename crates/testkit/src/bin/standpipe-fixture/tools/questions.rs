//! Tools that ask the client something while they run.
//!
//! Owns the questions; the conformance suite prescribes most of them. A question the client did not
//! declare that it can answer is not asked: the tool fails instead.

use serde::Deserialize;
use standpipe_testkit::wire::{self, quote};

use super::{NO_ARGUMENTS, Stop, Tool, Turn, text, text_item, tool_error};
use crate::call::Reply;
use crate::server::Outcome;

const ELICITATION: &str = "elicitation/create";
const SAMPLING: &str = "sampling/createMessage";
const ROOTS: &str = "roots/list";

const USER_SCHEMA: &str = r#"{"type":"object","properties":{"username":{"type":"string","description":"User's response"},"email":{"type":"string","description":"User's email address"}},"required":["username","email"]}"#;

const DEFAULTS_SCHEMA: &str = concat!(
    r#"{"type":"object","properties":{"#,
    r#""name":{"type":"string","description":"User name","default":"John Doe"},"#,
    r#""age":{"type":"integer","description":"User age","default":30},"#,
    r#""score":{"type":"number","description":"User score","default":95.5},"#,
    r#""status":{"type":"string","description":"User status","enum":["active","inactive","pending"],"default":"active"},"#,
    r#""verified":{"type":"boolean","description":"Verification status","default":true}},"required":[]}"#
);

const ENUMS_SCHEMA: &str = concat!(
    r#"{"type":"object","properties":{"#,
    r#""untitledSingle":{"type":"string","description":"Select one option","enum":["option1","option2","option3"]},"#,
    r#""titledSingle":{"type":"string","description":"Select one option with titles","oneOf":[{"const":"value1","title":"First Option"},{"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]},"#,
    r#""legacyEnum":{"type":"string","description":"Select one option (legacy)","enum":["opt1","opt2","opt3"],"enumNames":["Option One","Option Two","Option Three"]},"#,
    r#""untitledMulti":{"type":"array","description":"Select multiple options","minItems":1,"maxItems":3,"items":{"type":"string","enum":["option1","option2","option3"]}},"#,
    r#""titledMulti":{"type":"array","description":"Select multiple options with titles","minItems":1,"maxItems":3,"items":{"anyOf":[{"const":"value1","title":"First Choice"},{"const":"value2","title":"Second Choice"},{"const":"value3","title":"Third Choice"}]}}},"required":[]}"#
);

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "test_sampling",
        description: "Asks the client's model",
        input_schema: r#"{"type":"object","properties":{"prompt":{"type":"string","description":"What to ask the model"}},"required":["prompt"]}"#,
        run: |turn| {
            #[derive(Deserialize)]
            struct Arguments {
                prompt: String,
            }
            let Arguments { prompt } = turn.arguments()?;
            one(turn, SAMPLING, sampling(&prompt), |raw| {
                format!("LLM response: {}", model_text(raw))
            })
        },
    },
    Tool {
        name: "test_elicitation",
        description: "Asks the user for a name and an address",
        input_schema: r#"{"type":"object","properties":{"message":{"type":"string","description":"What to show the user"}},"required":["message"]}"#,
        run: |turn| {
            let Message { message } = turn.arguments()?;
            let message = message.as_deref().unwrap_or_default();
            one(turn, ELICITATION, elicitation(message, USER_SCHEMA), |raw| {
                format!("User response: {raw}")
            })
        },
    },
    Tool {
        name: "test_elicitation_sep1034_defaults",
        description: "Asks the user with defaults of every type",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let message = "Please review and update the form fields with defaults";
            one(turn, ELICITATION, elicitation(message, DEFAULTS_SCHEMA), completed)
        },
    },
    Tool {
        name: "test_elicitation_sep1330_enums",
        description: "Asks the user with every kind of choice",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let message = "Please select options from the enum fields";
            one(turn, ELICITATION, elicitation(message, ENUMS_SCHEMA), completed)
        },
    },
    Tool {
        name: "test_multiple_inputs",
        description: "Asks the user, the model and for roots, all at once",
        input_schema: NO_ARGUMENTS,
        run: multiple,
    },
    Tool {
        name: "ask",
        description: "Asks the client and answers with its answer, byte for byte",
        input_schema: r#"{"type":"object","properties":{"kind":{"type":"string","enum":["elicitation","sampling","roots","url","ping"]},"message":{"type":"string"},"force":{"type":"boolean","description":"ask even where the capability is missing"},"after_answer":{"type":"boolean","description":"ask when this call has been answered; see late_replies"}},"required":["kind"]}"#,
        run: ask,
    },
];

#[derive(Deserialize)]
struct Message {
    message: Option<String>,
}

/// Asks one question and answers with what `describe` makes of the raw result.
fn one(
    turn: &Turn<'_>,
    method: &str,
    params: String,
    describe: impl FnOnce(&str) -> String,
) -> Result<Outcome, Stop> {
    if let Some(refusal) = missing(turn, method) {
        return Ok(tool_error(&refusal));
    }
    let replies = turn.ask(&[(method, params)])?;
    Ok(match replies.first() {
        Some(Reply::Result(raw)) => text(&describe(raw.get())),
        Some(Reply::Error(raw)) => tool_error(&format!("{method} was refused: {raw}")),
        None => tool_error("no answer"),
    })
}

/// Asks all three kinds of question in one write; what is refused is reported beside the rest.
fn multiple(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    let wanted = [
        (ELICITATION, elicitation("What is your name?", USER_SCHEMA)),
        (SAMPLING, sampling("What is the capital of France?")),
        (ROOTS, String::new()),
    ];
    let (askable, lacking): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|(method, _)| missing(turn, method).is_none());
    let mut items: Vec<String> = lacking
        .iter()
        .filter_map(|(method, _)| missing(turn, method))
        .map(|refusal| text_item(&refusal))
        .collect();
    if askable.is_empty() {
        return Ok(tool_error("The client declared none of elicitation, sampling and roots"));
    }
    let replies = turn.ask(&askable)?;
    let answered = replies.iter().any(|reply| matches!(reply, Reply::Result(_)));
    items.extend(askable.iter().zip(&replies).map(|((method, _), reply)| {
        let verb = if matches!(reply, Reply::Result(_)) { "answered" } else { "refused" };
        text_item(&format!("{method} {verb}: {}", reply.raw()))
    }));
    let items = items.join(",");
    let flag = if answered { "" } else { r#","isError":true"# };
    Ok(Outcome::Result(format!(r#"{{"content":[{items}]{flag}}}"#)))
}

fn ask(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    #[derive(Deserialize)]
    struct Arguments {
        kind: String,
        message: Option<String>,
        #[serde(default)]
        force: bool,
        #[serde(default)]
        after_answer: bool,
    }
    let Arguments { kind, message, force, after_answer } = turn.arguments()?;
    let message = message.as_deref().unwrap_or("Please answer");
    let (method, params) = match kind.as_str() {
        "elicitation" => (ELICITATION, elicitation(message, USER_SCHEMA)),
        "sampling" => (SAMPLING, sampling(message)),
        "roots" => (ROOTS, String::new()),
        "url" => (ELICITATION, url_elicitation(message)),
        "ping" => ("ping", String::new()),
        other => return Ok(tool_error(&format!("there is no question {other}"))),
    };
    if let Some(refusal) = missing(turn, method).filter(|_| !force) {
        return Ok(tool_error(&refusal));
    }
    if after_answer {
        return Ok(ask_afterwards(turn, method, params));
    }
    let replies = turn.ask(&[(method, params)])?;
    if kind == "url" {
        let done = r#"{"elicitationId":"elicitation-1"}"#;
        turn.server.out.send(&wire::notification("notifications/elicitation/complete", done));
    }
    Ok(match replies.first() {
        Some(Reply::Result(raw)) => text(raw.get()),
        Some(Reply::Error(raw)) => tool_error(raw.get()),
        None => tool_error("no answer"),
    })
}

/// Answers first and asks then, so that the question belongs to no call.
fn ask_afterwards(turn: &Turn<'_>, method: &'static str, params: String) -> Outcome {
    let (server, call) = (turn.server.clone(), turn.call.clone());
    std::thread::spawn(move || {
        call.closed();
        server.ask_outside_any_call(method, &params);
    });
    text("the question follows this answer")
}

/// Why the client cannot be asked this, if so.
fn missing(turn: &Turn<'_>, method: &str) -> Option<String> {
    let askable = turn.server.session().askable;
    let (declared, capability) = match method {
        ELICITATION => (askable.elicitation, "elicitation"),
        SAMPLING => (askable.sampling, "sampling"),
        ROOTS => (askable.roots, "roots"),
        _ => return None,
    };
    (!declared).then(|| format!("The client did not declare the {capability} capability"))
}

fn sampling(prompt: &str) -> String {
    let prompt = quote(prompt);
    format!(
        r#"{{"messages":[{{"role":"user","content":{{"type":"text","text":{prompt}}}}}],"maxTokens":100}}"#
    )
}

fn elicitation(message: &str, schema: &str) -> String {
    format!(r#"{{"message":{},"requestedSchema":{schema}}}"#, quote(message))
}

fn url_elicitation(message: &str) -> String {
    let message = quote(message);
    format!(
        r#"{{"mode":"url","message":{message},"elicitationId":"elicitation-1","url":"https://example.com/consent"}}"#
    )
}

/// The text of a sampling result, or the whole of it where there is none.
fn model_text(raw: &str) -> String {
    #[derive(Deserialize)]
    struct Sampled {
        content: Content,
    }
    #[derive(Deserialize)]
    struct Content {
        text: String,
    }
    serde_json::from_str(raw)
        .map_or_else(|_| raw.to_owned(), |Sampled { content: Content { text } }| text)
}

/// `action=…, content=…` of an elicitation result.
fn completed(raw: &str) -> String {
    #[derive(Deserialize)]
    struct Elicited {
        action: String,
        content: Option<Box<serde_json::value::RawValue>>,
    }
    match serde_json::from_str(raw) {
        Ok(Elicited { action, content }) => {
            let content = content.as_ref().map_or("{}", |content| content.get());
            format!("Elicitation completed: action={action}, content={content}")
        }
        Err(_) => format!("Elicitation completed: {raw}"),
    }
}
