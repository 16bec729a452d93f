//! Tools that show what the server sees: counts, settings, environment, its process.
//!
//! Owns the form in which that is told.

use serde::Deserialize;
use standpipe_testkit::wire::quote;

use super::{NO_ARGUMENTS, Stop, Tool, Turn, object, text, tool_error};
use crate::asking::raw_or_null;
use crate::legacy::LEVELS;
use crate::server::Outcome;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "counters",
        description: "How many messages of each method arrived, this one included",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let counts = turn.server.counts();
            let members = counts.received.iter().map(|(what, n)| format!("{}:{n}", quote(what)));
            let members: Vec<String> = members.collect();
            Ok(object(&format!("{{{}}}", members.join(","))))
        },
    },
    Tool {
        name: "cancelled_calls",
        description: "The labels of the slow calls that were cancelled, in order",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let labels = list(turn.server.counts().cancelled.iter().map(|label| quote(label)));
            Ok(object(&format!(r#"{{"labels":{labels}}}"#)))
        },
    },
    Tool {
        name: "late_replies",
        description: "The answers to questions asked outside of any call, in order",
        input_schema: NO_ARGUMENTS,
        run: |turn| {
            let replies = list(turn.server.session().late_replies.iter().cloned());
            Ok(object(&format!(r#"{{"replies":{replies}}}"#)))
        },
    },
    Tool {
        name: "settings",
        description: "What the handshake, or the request itself, says of the client, and what was set since",
        input_schema: NO_ARGUMENTS,
        run: |turn| Ok(settings(turn)),
    },
    Tool {
        name: "session_state",
        description: "Stores a value for the whole process, if given, and answers with the stored one",
        input_schema: r#"{"type":"object","properties":{"set":{"type":"string"}}}"#,
        run: |turn| {
            #[derive(Deserialize)]
            struct Arguments {
                set: Option<String>,
            }
            let Arguments { set } = turn.arguments()?;
            let mut session = turn.server.session();
            if let Some(value) = set {
                session.stored = value;
            }
            Ok(text(&session.stored))
        },
    },
    Tool {
        name: "env",
        description: "The value of an environment variable; without a name, the names of all",
        input_schema: r#"{"type":"object","properties":{"name":{"type":"string"}}}"#,
        run: env,
    },
    Tool {
        name: "cwd",
        description: "The working directory",
        input_schema: NO_ARGUMENTS,
        run: |_| {
            Ok(match std::env::current_dir() {
                Ok(directory) => text(&directory.to_string_lossy()),
                Err(error) => tool_error(&error.to_string()),
            })
        },
    },
    Tool {
        name: "pid",
        description: "The ids of this process, its parent and its group",
        input_schema: NO_ARGUMENTS,
        run: |_| {
            let (pid, parent) = (nix::unistd::getpid(), nix::unistd::getppid());
            let group = nix::unistd::getpgrp();
            Ok(object(&format!(r#"{{"pid":{pid},"parent":{parent},"group":{group}}}"#)))
        },
    },
];

fn settings(turn: &Turn<'_>) -> Outcome {
    let subscriptions = list(turn.server.subscriptions().iter().map(|uri| quote(uri)));
    let session = turn.server.session();
    let (version, capabilities, client, level) = match turn.caller.modern {
        Some(request) => (
            Some("2026-07-28"),
            Some(&*request.capabilities),
            request.client_info.as_deref(),
            request.log_level,
        ),
        None => (
            session.version,
            session.capabilities.as_deref(),
            session.client_info.as_deref(),
            session.log_level,
        ),
    };
    let version = version.map_or("null".to_owned(), quote);
    let level = level.map_or("null".to_owned(), |index| quote(LEVELS[index]));
    let (capabilities, client) = (raw_or_null(capabilities), raw_or_null(client));
    object(&format!(
        r#"{{"protocolVersion":{version},"clientInfo":{client},"capabilities":{capabilities},"logLevel":{level},"subscriptions":{subscriptions}}}"#
    ))
}

fn env(turn: &Turn<'_>) -> Result<Outcome, Stop> {
    #[derive(Deserialize)]
    struct Arguments {
        name: Option<String>,
    }
    let Arguments { name } = turn.arguments()?;
    let Some(name) = name else {
        let mut names: Vec<String> =
            std::env::vars_os().map(|(name, _)| quote(&name.to_string_lossy())).collect();
        names.sort();
        return Ok(object(&format!(r#"{{"names":{}}}"#, list(names.into_iter()))));
    };
    Ok(match std::env::var_os(&name) {
        Some(value) => text(&value.to_string_lossy()),
        None => tool_error(&format!("{name} is not set")),
    })
}

/// A raw array of raw items.
fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}
