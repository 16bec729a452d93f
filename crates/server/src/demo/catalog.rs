//! What the demo server offers: its introduction, tools, resource and prompt.
//!
//! Owns the descriptions and everything that can be answered from them alone. It must not talk to
//! the client. It exists so that the conversation and the tools stay readable.

use serde_json::{Value, json};

use super::conversation::Failure;

/// Revisions this server speaks, newest first.
const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// The one resource.
const ABOUT_URI: &str = "demo://about";

/// The result of `initialize`.
pub(super) fn initialize(params: &Value) -> Value {
    let asked = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
    let version = VERSIONS.into_iter().find(|version| *version == asked).unwrap_or(VERSIONS[0]);
    json!({
        "protocolVersion": version,
        "capabilities": {"logging": {}, "prompts": {}, "resources": {}, "tools": {}},
        "serverInfo": {
            "name": "standpipe-demo",
            "title": "Standpipe demo",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "instructions": "A demonstration. `echo` repeats, `add` adds, `countdown` takes its time \
                         and reports progress, `greet` asks the user for a name.",
    })
}

/// The result of `tools/list`.
pub(super) fn tools() -> Value {
    json!({"tools": [
        {
            "name": "echo",
            "title": "Echo",
            "description": "Repeats a text.",
            "inputSchema": object(&json!({"message": text("What to repeat")}), &["message"]),
            "annotations": {"readOnlyHint": true},
        },
        {
            "name": "add",
            "title": "Add",
            "description": "Adds two numbers.",
            "inputSchema": object(
                &json!({"a": number("First summand"), "b": number("Second summand")}),
                &["a", "b"],
            ),
            "outputSchema": object(&json!({"sum": number("The sum")}), &["sum"]),
            "annotations": {"readOnlyHint": true},
        },
        {
            "name": "countdown",
            "title": "Countdown",
            "description": "Counts down slowly, reporting progress and logging each step. \
                            It can be cancelled.",
            "inputSchema": object(
                &json!({
                    "steps": {
                        "type": "integer", "description": "From where to count",
                        "minimum": 1, "maximum": 100, "default": 5,
                    },
                    "delay_ms": {
                        "type": "integer", "description": "Milliseconds between two steps",
                        "minimum": 0, "maximum": 60000, "default": 500,
                    },
                }),
                &[],
            ),
            "annotations": {"readOnlyHint": true},
        },
        {
            "name": "greet",
            "title": "Greet",
            "description": "Asks the user for a name, by elicitation, and greets.",
            "inputSchema": object(&json!({}), &[]),
        },
    ]})
}

/// The result of `resources/list`.
pub(super) fn resources() -> Value {
    json!({"resources": [{
        "uri": ABOUT_URI,
        "name": "about",
        "title": "About this server",
        "description": "What the demo server is for.",
        "mimeType": "text/plain",
    }]})
}

/// The result of `resources/read`.
pub(super) fn read(params: &Value) -> Result<Value, Failure> {
    let uri = params
        .get("uri")
        .and_then(Value::as_str)
        .ok_or_else(|| Failure::params("`uri` is missing"))?;
    if uri != ABOUT_URI {
        return Err(Failure::resource_not_found(uri));
    }
    Ok(json!({"contents": [{
        "uri": ABOUT_URI,
        "mimeType": "text/plain",
        "text": "This is the demo server of Standpipe. It speaks MCP on stdio and knows nothing \
                 of HTTP; if you read this over HTTP, Standpipe carried it.\n",
    }]}))
}

/// The result of `prompts/list`.
pub(super) fn prompts() -> Value {
    json!({"prompts": [{
        "name": "welcome",
        "title": "Welcome",
        "description": "Asks the model to welcome somebody.",
        "arguments": [
            {"name": "name", "description": "Who is welcomed", "required": true},
            {"name": "style", "description": "How, for example `formal`", "required": false},
        ],
    }]})
}

/// The result of `prompts/get`.
pub(super) fn prompt(params: &Value) -> Result<Value, Failure> {
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
    if name != "welcome" {
        return Err(Failure::params(&format!("there is no prompt {name:?}")));
    }
    let argument = |name: &str| {
        params.get("arguments").and_then(|arguments| arguments.get(name)).and_then(Value::as_str)
    };
    let who = argument("name").ok_or_else(|| Failure::params("the argument `name` is missing"))?;
    let style = argument("style").unwrap_or("friendly");
    Ok(json!({
        "description": "A welcome",
        "messages": [{
            "role": "user",
            "content": {
                "type": "text",
                "text": format!("Welcome {who} in two sentences. The style is {style}."),
            },
        }],
    }))
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn number(description: &str) -> Value {
    json!({"type": "number", "description": description})
}
