//! The tools by which the conformance suite tests multi round-trip requests.
//!
//! Owns their questions, keys and texts. They ask in either era; a legacy question has no key.

use serde::Deserialize;
use standpipe_testkit::wire::quote;

use super::notices::progress;
use super::questions::{ELICITATION, ROOTS, SAMPLING, elicitation, sampling, several};
use super::{NO_ARGUMENTS, Stop, Tool, Turn, text, tool_error};
use crate::asking::{Question, State};
use crate::call::Reply;
use crate::server::Outcome;

const NAME_SCHEMA: &str =
    r#"{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}"#;
const COLOR_SCHEMA: &str =
    r#"{"type":"object","properties":{"color":{"type":"string"}},"required":["color"]}"#;
const OK_SCHEMA: &str =
    r#"{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}"#;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "test_missing_capability",
        description: "Needs the client's model",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let question =
                Question { key: "sample", method: SAMPLING, params: sampling("Anything") };
            Ok(match first(turn, question, State::Kept)? {
                Ok(_) => text("Success"),
                Err(refusal) => tool_error(&refusal),
            })
        },
    },
    Tool {
        name: "test_streaming_elicitation",
        description: "Reports progress and then asks the user",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            progress(turn, 50, 100);
            let answer = first(turn, name_question("user_name"), State::Kept)?;
            Ok(text(if answer.is_ok() { "Streaming complete" } else { "Streaming refused" }))
        },
    },
    Tool {
        name: "test_input_required_result_elicitation",
        description: "Asks for a name, without a state",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            Ok(match first(turn, name_question("user_name"), State::None)? {
                Ok(raw) => text(&format!("Hello, {}!", field(&raw, "name"))),
                Err(refusal) => tool_error(&refusal),
            })
        },
    },
    Tool {
        name: "test_input_required_result_sampling",
        description: "Asks the client's model, without a state",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let params = sampling("What is the capital of France?");
            let question = Question { key: "capital_question", method: SAMPLING, params };
            Ok(match first(turn, question, State::None)? {
                Ok(raw) => text(&format!("Sampling result: {raw}")),
                Err(refusal) => tool_error(&refusal),
            })
        },
    },
    Tool {
        name: "test_input_required_result_list_roots",
        description: "Asks for roots, without a state",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let question = Question { key: "client_roots", method: ROOTS, params: String::new() };
            Ok(match first(turn, question, State::None)? {
                Ok(raw) => text(&format!("Roots: {raw}")),
                Err(refusal) => tool_error(&refusal),
            })
        },
    },
    Tool {
        name: "test_input_required_result_request_state",
        description: "Asks for a confirmation, with a state",
        input_schema: NO_ARGUMENTS,
        run: confirm,
    },
    Tool {
        name: "test_input_required_result_multiple_inputs",
        description: "Asks for three things at once",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let questions = vec![
                name_question("user_name"),
                Question {
                    key: "greeting",
                    method: SAMPLING,
                    params: sampling("Generate a greeting"),
                },
                Question { key: "client_roots", method: ROOTS, params: String::new() },
            ];
            several(turn, questions, State::Kept)
        },
    },
    Tool {
        name: "test_input_required_result_multi_round",
        description: "Asks for a name, and then for a color",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let name = match first(turn, name_question("step1"), State::Kept)? {
                Ok(raw) => field(&raw, "name"),
                Err(refusal) => return Ok(tool_error(&refusal)),
            };
            let params = elicitation("Step 2: What is your favorite color?", COLOR_SCHEMA);
            let question = Question { key: "step2", method: ELICITATION, params };
            Ok(match first(turn, question, State::Kept)? {
                Ok(raw) => {
                    let color = field(&raw, "color");
                    text(&format!("Multi-round complete for {name} who likes {color}"))
                }
                Err(refusal) => tool_error(&refusal),
            })
        },
    },
    Tool {
        name: "test_input_required_result_tampered_state",
        description: "Asks for a confirmation, and takes only its own state back",
        input_schema: NO_ARGUMENTS,
        run: confirm,
    },
    Tool {
        name: "test_input_required_result_capabilities",
        description: "Asks for what the client can answer of two things",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let questions = vec![
                name_question("elicit_input"),
                Question {
                    key: "sample_input",
                    method: SAMPLING,
                    params: sampling("Sample request"),
                },
            ];
            several(turn, questions, State::Kept)
        },
    },
];

fn confirm(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    let params = elicitation("Please confirm", OK_SCHEMA);
    let question = Question { key: "confirm", method: ELICITATION, params };
    Ok(match first(turn, question, State::Kept)? {
        Ok(raw) => text(&format!("state-ok: {raw}")),
        Err(refusal) => tool_error(&refusal),
    })
}

fn name_question(key: &'static str) -> Question {
    let params = elicitation("What is your name?", NAME_SCHEMA);
    Question { key, method: ELICITATION, params }
}

/// Asks one question; the raw answer, or how a legacy client refused it.
fn first(
    turn: &Turn<'_>,
    question: Question,
    state: State,
) -> Result<Result<String, String>, Stop> {
    let method = question.method;
    let replies = turn.caller.ask(&[question], state)?;
    Ok(match replies.first() {
        Some(Reply::Result(raw)) => Ok(raw.get().to_owned()),
        Some(Reply::Error(raw)) => Err(format!("{method} was refused: {raw}")),
        None => Err("no answer".to_owned()),
    })
}

/// One text of what the user filled in; `nobody` where that was declined.
fn field(raw: &str, name: &str) -> String {
    #[derive(Deserialize)]
    struct Elicited {
        #[serde(default)]
        content: std::collections::BTreeMap<String, serde_json::Value>,
    }
    let elicited = serde_json::from_str::<Elicited>(raw).ok();
    let value = elicited.and_then(|Elicited { content }| content.get(name).cloned());
    value.map_or_else(
        || "nobody".to_owned(),
        |value| value.as_str().map_or_else(|| quote(&value.to_string()), ToOwned::to_owned),
    )
}
