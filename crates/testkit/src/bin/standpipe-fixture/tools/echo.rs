//! Tools that give back what came, at once, late, or very large.
//!
//! Owns the means by which tests see what a proxy did to a message.

use serde::Deserialize;

use super::{NO_ARGUMENTS, Stop, Tool, Turn, object, text};
use crate::server::Outcome;

/// Texts of this alphabet need no escapes, so their size on the wire is their length.
const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "echo",
        description: "Answers with its arguments as text, byte for byte",
        input_schema: r#"{"type":"object","additionalProperties":true}"#,
        run: |turn| Ok(text(turn.raw_arguments)),
    },
    Tool {
        name: "echo_raw",
        description: "Answers with all the params of the request as structured content, byte for byte",
        input_schema: r#"{"type":"object","additionalProperties":true}"#,
        run: |turn| Ok(object(turn.params.get())),
    },
    Tool {
        name: "echo_headers",
        description: "Answers with its arguments; some of them are mirrored into headers on HTTP",
        input_schema: concat!(
            r#"{"type":"object","properties":{"#,
            r#""region":{"type":"string","x-mcp-header":"Region"},"#,
            r#""priority":{"type":"integer","x-mcp-header":"Priority"},"#,
            r#""dry":{"type":"boolean","x-mcp-header":"Dry"},"#,
            r#""where":{"type":"object","properties":{"zone":{"type":"string","x-mcp-header":"Zone"}}},"#,
            r#""query":{"type":"string"}},"required":["region"]}"#
        ),
        run: |turn| Ok(text(turn.raw_arguments)),
    },
    Tool {
        name: "delay",
        description: "Waits and answers with the text",
        input_schema: r#"{"type":"object","properties":{"ms":{"type":"integer","minimum":0},"text":{"type":"string"}},"required":["ms","text"]}"#,
        run: delay,
    },
    Tool {
        name: "slow",
        description: "Waits until it is cancelled, or the time is over; see cancelled_calls",
        input_schema: r#"{"type":"object","properties":{"ms":{"type":"integer","minimum":0},"label":{"type":"string"}},"required":["ms"]}"#,
        run: slow,
    },
    Tool {
        name: "big",
        description: "Answers with a text of that many bytes",
        input_schema: r#"{"type":"object","properties":{"bytes":{"type":"integer","minimum":0}},"required":["bytes"]}"#,
        run: |turn| {
            #[derive(Deserialize)]
            struct Arguments {
                bytes: usize,
            }
            let Arguments { bytes } = turn.arguments()?;
            Ok(text(&filler(bytes)))
        },
    },
    Tool {
        name: "answer_twice",
        description: "Answers twice under the same id; only the first answer counts",
        input_schema: NO_ARGUMENTS,
        run: |_| {
            let result = |which| format!(r#"{{"content":[{{"type":"text","text":"{which}"}}]}}"#);
            Ok(Outcome::Twice(result("the first answer"), result("the second answer")))
        },
    },
    Tool {
        name: "fail",
        description: "Answers with this JSON-RPC error",
        input_schema: r#"{"type":"object","properties":{"code":{"type":"integer"},"message":{"type":"string"},"data":{}},"required":["code","message"]}"#,
        run: |turn| {
            #[derive(Deserialize)]
            struct Arguments {
                code: i64,
                message: String,
                data: Option<Box<serde_json::value::RawValue>>,
            }
            let Arguments { code, message, data } = turn.arguments()?;
            let data = data.map(|data| data.get().to_owned());
            Ok(Outcome::Error { code, message, data })
        },
    },
];

fn delay(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    #[derive(Deserialize)]
    struct Arguments {
        ms: u64,
        text: String,
    }
    let arguments: Arguments = turn.arguments()?;
    turn.nap(arguments.ms)?;
    Ok(text(&arguments.text))
}

fn slow(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    #[derive(Deserialize)]
    struct Arguments {
        ms: u64,
        #[serde(default)]
        label: String,
    }
    let Arguments { ms, label } = turn.arguments()?;
    let nap = turn.nap(ms);
    if nap.is_err() {
        turn.server.counts().cancelled.push(label);
    }
    nap.map(|()| text("not cancelled"))
}

/// `bytes` letters.
pub(super) fn filler(bytes: usize) -> String {
    ALPHABET.iter().cycle().take(bytes).map(|&letter| char::from(letter)).collect()
}
