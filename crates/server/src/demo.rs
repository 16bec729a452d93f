//! The demo server: a small MCP server on stdio that shows the protocol off.
//!
//! Owns a complete legacy conversation (2024-11-05 to 2025-11-25) on two byte streams. It must not
//! use anything else of Standpipe: it is a child like any other, written with threads and plain
//! JSON, as somebody might write a first server. It exists so that `standpipe run --demo` needs
//! nothing else installed.

mod catalog;
mod conversation;
#[cfg(test)]
mod tests;
mod tools;

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::thread;

use conversation::Conversation;
use serde_json::{Value, json};

/// Longest line that is read, in bytes: what does not fit is refused, not stored.
const MAX_LINE: u64 = 64 * 1024 * 1024;

/// Calls that may run at a time. More are refused with an error; each is a thread.
const MAX_CALLS: usize = 256;

/// Speaks MCP until `input` ends. Calls that are still running then are given up.
pub fn run(input: &mut impl BufRead, output: impl Write + Send + 'static) -> io::Result<()> {
    let conversation = Arc::new(Conversation::new(output));
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = io::Read::take(&mut *input, MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice::<Value>(&line) {
            Ok(message) => receive(&conversation, &message),
            Err(error) => {
                let why = format!("Parse error: {error}");
                conversation.fail(&Value::Null, -32700, &why);
            }
        }
    }
}

fn receive(conversation: &Arc<Conversation>, message: &Value) {
    let id = message.get("id").unwrap_or(&Value::Null);
    let Some(method) = message.get("method").and_then(Value::as_str) else {
        if message.get("result").is_some() || message.get("error").is_some() {
            conversation.answered(message);
        } else {
            conversation.fail(id, -32600, "Invalid Request: neither a request nor a response");
        }
        return;
    };
    let params = message.get("params").cloned().unwrap_or_else(|| json!({}));
    if id.is_null() {
        conversation.notified(method, &params);
        return;
    }
    match method {
        "initialize" => {
            conversation.opened_by(&params);
            conversation.succeed(id, &catalog::initialize(&params));
        }
        "ping" => conversation.succeed(id, &json!({})),
        "logging/setLevel" => match conversation.set_level(&params) {
            Ok(()) => conversation.succeed(id, &json!({})),
            Err(why) => conversation.fail(id, -32602, &why),
        },
        "tools/list" => conversation.succeed(id, &catalog::tools()),
        "tools/call" => call(conversation, id, params),
        "resources/list" => conversation.succeed(id, &catalog::resources()),
        "resources/templates/list" => {
            conversation.succeed(id, &json!({"resourceTemplates": []}));
        }
        "resources/read" => conversation.conclude(id, catalog::read(&params)),
        "prompts/list" => conversation.succeed(id, &catalog::prompts()),
        "prompts/get" => conversation.conclude(id, catalog::prompt(&params)),
        _ => conversation.fail(id, -32601, &format!("Method not found: {method}")),
    }
}

/// Runs a tool on a thread of its own, so that a slow one holds up nobody.
fn call(conversation: &Arc<Conversation>, id: &Value, params: Value) {
    if conversation.running() >= MAX_CALLS {
        conversation.fail(id, -32603, "Too many calls are running; try again when one has ended");
        return;
    }
    let call = conversation.begin(id, &params);
    let failed_id = id.clone();
    let theirs = Arc::clone(conversation);
    let thread = thread::Builder::new().name("tool".to_owned()).spawn(move || {
        let outcome = tools::call(&call, &params);
        call.conclude(outcome);
    });
    if thread.is_err() {
        theirs.fail(&failed_id, -32603, "No thread could be started for this call; try again");
    }
}
