//! Tools that send notifications: log messages, progress, changes.
//!
//! Owns when they are sent and how many.

use serde::Deserialize;
use standpipe_testkit::wire::{self, quote};

use super::echo::filler;
use super::{NO_ARGUMENTS, Stop, Tool, Turn, text, tool_error};
use crate::modern::Topic;
use crate::server::Outcome;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "test_tool_with_logging",
        description: "Logs three messages while it runs",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            turn.caller.log("info", &quote("Tool execution started"));
            turn.nap(50)?;
            turn.caller.log("info", &quote("Tool processing data"));
            turn.nap(50)?;
            turn.caller.log("info", &quote("Tool execution completed"));
            Ok(text("Tool with logging executed successfully"))
        },
    },
    Tool {
        name: "test_logging_tool",
        description: "Logs a message whether or not anyone wants one, as some published servers do",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            turn.server.log_unasked("info", &quote("Logged unasked"));
            Ok(text("Logging evaluated"))
        },
    },
    Tool {
        name: "test_tool_with_progress",
        description: "Reports progress 0, 50 and 100 of 100, if asked to",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            for step in [0, 50, 100] {
                progress(turn, step, 100);
                turn.nap(if step < 100 { 50 } else { 0 })?;
            }
            Ok(text("Tool with progress executed successfully"))
        },
    },
    Tool {
        name: "progress",
        description: "Reports progress after each step, if asked to",
        input_schema: r#"{"type":"object","properties":{"steps":{"type":"integer","minimum":0},"delay_ms":{"type":"integer","minimum":0}},"required":["steps"]}"#,
        run: |turn| {
            #[derive(Deserialize)]
            struct Arguments {
                steps: u64,
                #[serde(default)]
                delay_ms: u64,
            }
            let Arguments { steps, delay_ms } = turn.arguments()?;
            for step in 1..=steps {
                turn.nap(delay_ms)?;
                progress(turn, step, steps);
            }
            Ok(text(&format!("{steps} steps")))
        },
    },
    Tool {
        name: "log",
        description: "Logs messages; unasked, it does so below the level set as well",
        input_schema: r#"{"type":"object","properties":{"level":{"type":"string"},"message":{"type":"string"},"count":{"type":"integer","minimum":0},"unasked":{"type":"boolean"}},"required":["level","message"]}"#,
        run: log,
    },
    Tool {
        name: "emit_list_changed",
        description: "Announces that a list has changed",
        input_schema: r#"{"type":"object","properties":{"which":{"type":"string","enum":["tools","prompts","resources"]}},"required":["which"]}"#,
        run: |turn| {
            #[derive(Deserialize)]
            struct Arguments {
                which: String,
            }
            let Arguments { which } = turn.arguments()?;
            if !matches!(which.as_str(), "tools" | "prompts" | "resources") {
                return Ok(tool_error(&format!("there is no list of {which}")));
            }
            turn.server.announce(Topic::List(&which), false);
            Ok(text(&format!("announced {which}")))
        },
    },
    Tool {
        name: "test_trigger_tool_change",
        description: "Announces that the list of tools has changed",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            turn.server.announce(Topic::List("tools"), false);
            Ok(text("Mutation triggered"))
        },
    },
    Tool {
        name: "test_trigger_prompt_change",
        description: "Announces that the list of prompts has changed",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            turn.server.announce(Topic::List("prompts"), false);
            Ok(text("Mutation triggered"))
        },
    },
    Tool {
        name: "end_listening",
        description: "Ends every subscriptions/listen: with a result, or by cancelling it",
        input_schema: r#"{"type":"object","properties":{"how":{"type":"string","enum":["result","cancelled"]}},"required":["how"]}"#,
        run: |turn| {
            #[derive(Deserialize)]
            struct Arguments {
                how: String,
            }
            let Arguments { how } = turn.arguments()?;
            turn.server.end_listening(how == "result");
            Ok(text("ended"))
        },
    },
    Tool {
        name: "touch_resource",
        description: "Announces that a resource was updated, if it is subscribed to or if forced",
        input_schema: r#"{"type":"object","properties":{"uri":{"type":"string"},"force":{"type":"boolean"}},"required":["uri"]}"#,
        run: |turn| {
            #[derive(Deserialize)]
            struct Arguments {
                uri: String,
                #[serde(default)]
                force: bool,
            }
            let Arguments { uri, force } = turn.arguments()?;
            let subscribed = turn.server.subscriptions().contains(&uri);
            if subscribed || force {
                turn.server.announce(Topic::Resource(&uri), force);
            }
            Ok(text(if subscribed { "subscribed" } else { "not subscribed" }))
        },
    },
    Tool {
        name: "flood",
        description: "Sends count notifications of about that many bytes, as fast as they are read",
        input_schema: r#"{"type":"object","properties":{"count":{"type":"integer","minimum":0},"bytes":{"type":"integer","minimum":0},"kind":{"type":"string","enum":["message","updated","list_changed","progress"]},"uri":{"type":"string"}},"required":["count"]}"#,
        run: flood,
    },
];

/// Sends one progress notification, if the caller gave a token.
pub(super) fn progress(turn: &Turn<'_>, done: u64, total: u64) {
    let Some(token) = turn.progress_token else {
        return;
    };
    let params = format!(
        r#"{{"progressToken":{},"progress":{done},"total":{total},"message":"step {done} of {total}"}}"#,
        token.get()
    );
    turn.server.out.send(&wire::notification("notifications/progress", &params));
}

fn log(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    #[derive(Deserialize)]
    struct Arguments {
        level: String,
        message: String,
        count: Option<u64>,
        #[serde(default)]
        unasked: bool,
    }
    let Arguments { level, message, count, unasked } = turn.arguments()?;
    let data = quote(&message);
    for _ in 0..count.unwrap_or(1) {
        if unasked {
            turn.server.log_unasked(&level, &data);
        } else {
            turn.caller.log(&level, &data);
        }
    }
    Ok(text("logged"))
}

fn flood(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    #[derive(Deserialize)]
    struct Arguments {
        count: u64,
        #[serde(default)]
        bytes: usize,
        kind: Option<String>,
        uri: Option<String>,
    }
    let Arguments { count, bytes, kind, uri } = turn.arguments()?;
    let uri = uri.unwrap_or_else(|| "test://watched-resource".to_owned());
    let data = quote(&filler(bytes));
    for done in 1..=count {
        match kind.as_deref() {
            None | Some("message") => turn.server.log_unasked("info", &data),
            Some("updated") => turn.server.announce(Topic::Resource(&uri), true),
            Some("list_changed") => turn.server.announce(Topic::List("tools"), false),
            Some("progress") => progress(turn, done, count),
            Some(other) => return Ok(tool_error(&format!("there is no flood of {other}"))),
        }
    }
    Ok(text(&format!("sent {count}")))
}
