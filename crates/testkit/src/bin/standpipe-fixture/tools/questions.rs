//! Tools that ask the client something while they run.
//!
//! Owns the questions; the conformance suite prescribes most of them. A question the client did not
//! declare that it can answer is not asked: the tool fails instead.

use serde::Deserialize;
use standpipe_testkit::wire::{self, quote};

use super::{NO_ARGUMENTS, Stop, Tool, Turn, text, text_item, tool_error, undeclared};
use crate::asking::{Question, State};
use crate::call::Reply;
use crate::server::Outcome;

pub(super) const ELICITATION: &str = "elicitation/create";
pub(super) const SAMPLING: &str = "sampling/createMessage";
pub(super) const ROOTS: &str = "roots/list";

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
        run: |turn| {
            let questions = vec![
                Question {
                    key: "user_name",
                    method: ELICITATION,
                    params: elicitation("What is your name?", USER_SCHEMA),
                },
                Question {
                    key: "capital",
                    method: SAMPLING,
                    params: sampling("What is the capital of France?"),
                },
                Question { key: "client_roots", method: ROOTS, params: String::new() },
            ];
            several(turn, questions, State::Kept)
        },
    },
    Tool {
        name: "url_first",
        description: "Fails with -32042 until the URL of this label has been visited, that is once",
        input_schema: r#"{"type":"object","properties":{"label":{"type":"string"}},"required":["label"]}"#,
        run: url_first,
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
    method: &'static str,
    params: String,
    describe: impl FnOnce(&str) -> String,
) -> Result<Outcome, Stop> {
    let replies = turn.ask(&[Question { key: "answer", method, params }])?;
    Ok(match replies.first() {
        Some(Reply::Result(raw)) => text(&describe(raw.get())),
        Some(Reply::Error(raw)) => tool_error(&format!("{method} was refused: {raw}")),
        None => tool_error("no answer"),
    })
}

/// Asks these, those that the client can answer, in one write; what is refused is reported beside
/// the rest.
pub(super) fn several(
    turn: &Turn<'_>,
    questions: Vec<Question>,
    state: State,
) -> Result<Outcome, Stop> {
    let (askable, lacking): (Vec<_>, Vec<_>) =
        questions.into_iter().partition(|question| turn.caller.lacking(question.method).is_none());
    let mut items: Vec<String> = lacking
        .iter()
        .filter_map(|question| turn.caller.lacking(question.method))
        .map(|capability| text_item(&undeclared(capability)))
        .collect();
    if askable.is_empty() {
        // Any one of them would do, so the first one is named.
        let capability = lacking.first().and_then(|one| turn.caller.lacking(one.method));
        return Err(Stop::Undeclared(capability.unwrap_or("elicitation")));
    }
    let replies = turn.caller.ask(&askable, state)?;
    let answered = replies.iter().any(|reply| matches!(reply, Reply::Result(_)));
    items.extend(askable.iter().zip(&replies).map(|(Question { method, .. }, reply)| {
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
        "url" => (ELICITATION, url_elicitation(turn, message)),
        "ping" => ("ping", String::new()),
        other => return Ok(tool_error(&format!("there is no question {other}"))),
    };
    if turn.caller.modern.is_some() && (after_answer || kind == "ping") {
        return Ok(tool_error("2026-07-28 has no such question"));
    }
    let question = Question { key: "answer", method, params };
    if let Some(capability) = turn.caller.lacking(method).filter(|_| !force) {
        return Err(Stop::Undeclared(capability));
    }
    if after_answer {
        return Ok(ask_afterwards(turn, question));
    }
    let replies = turn.caller.ask_unchecked(&[question], State::Kept)?;
    if kind == "url" && turn.caller.modern.is_none() {
        let done = r#"{"elicitationId":"elicitation-1"}"#;
        turn.server.out.send(&wire::notification("notifications/elicitation/complete", done));
    }
    Ok(match replies.first() {
        Some(Reply::Result(raw)) => text(raw.get()),
        Some(Reply::Error(raw)) => tool_error(raw.get()),
        None => tool_error("no answer"),
    })
}

/// The error of 2025-11-25 that names a URL to visit first; in 2026-07-28 that is a question.
fn url_first(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    #[derive(Deserialize)]
    struct Arguments {
        label: String,
    }
    let Arguments { label } = turn.arguments()?;
    let params = url_elicitation(turn, "Please visit this page first");
    if turn.caller.modern.is_some() {
        let question = Question { key: "visit", method: ELICITATION, params };
        turn.ask(&[question])?;
        return Ok(text(&format!("{label} may go on")));
    }
    if turn.server.session().visited.insert(label.clone()) {
        return Ok(Outcome::Error {
            code: -32042,
            message: "This request requires a visit".to_owned(),
            data: Some(format!(r#"{{"elicitations":[{params}]}}"#)),
        });
    }
    Ok(text(&format!("{label} may go on")))
}

/// Answers first and asks then, so that the question belongs to no call.
fn ask_afterwards(turn: &Turn<'_>, question: Question) -> Outcome {
    let (server, call) = (turn.server.clone(), turn.call.clone());
    std::thread::spawn(move || {
        call.closed();
        server.ask_outside_any_call(question);
    });
    text("the question follows this answer")
}

pub(super) fn sampling(prompt: &str) -> String {
    let prompt = quote(prompt);
    format!(
        r#"{{"messages":[{{"role":"user","content":{{"type":"text","text":{prompt}}}}}],"maxTokens":100}}"#
    )
}

pub(super) fn elicitation(message: &str, schema: &str) -> String {
    format!(r#"{{"message":{},"requestedSchema":{schema}}}"#, quote(message))
}

fn url_elicitation(turn: &Turn<'_>, message: &str) -> String {
    let message = quote(message);
    // Only the revisions before tell of its completion, by this id.
    let id = if turn.caller.modern.is_none() { r#""elicitationId":"elicitation-1","# } else { "" };
    format!(r#"{{"mode":"url","message":{message},{id}"url":"https://example.com/consent"}}"#)
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
