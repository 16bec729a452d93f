//! The demo server's tools.
//!
//! Owns what they do. It must not know how messages are written. It exists to show, in a few lines
//! each, a plain answer, a structured one, a slow one with progress, and one that asks the user.

use std::time::Duration;

use serde_json::{Value, json};

use super::conversation::{Call, Failure};

/// Runs the tool that `params` name.
pub(super) fn call(call: &Call, params: &Value) -> Result<Value, Failure> {
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
    let nothing = json!({});
    let arguments = params.get("arguments").unwrap_or(&nothing);
    match name {
        "echo" => echo(arguments),
        "add" => add(arguments),
        "countdown" => countdown(call, arguments),
        "greet" => Ok(greet(call)),
        _ => Err(Failure::params(&format!("there is no tool {name:?}"))),
    }
}

fn echo(arguments: &Value) -> Result<Value, Failure> {
    let text = arguments
        .get("message")
        .and_then(Value::as_str)
        .ok_or_else(|| Failure::params("the argument `message` has to be a string"))?;
    Ok(says(text))
}

fn add(arguments: &Value) -> Result<Value, Failure> {
    let summand = |name: &str| {
        arguments
            .get(name)
            .and_then(Value::as_number)
            .ok_or_else(|| Failure::params(&format!("the argument `{name}` has to be a number")))
    };
    let (a, b) = (summand("a")?, summand("b")?);
    let whole = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b));
    let sum = whole.map_or_else(
        || json!(a.as_f64().unwrap_or(f64::NAN) + b.as_f64().unwrap_or(f64::NAN)),
        |sum| json!(sum),
    );
    let mut result = says(&sum.to_string());
    result["structuredContent"] = json!({"sum": sum});
    Ok(result)
}

fn countdown(call: &Call, arguments: &Value) -> Result<Value, Failure> {
    let steps = whole(arguments, "steps", 5, 1, 100)?;
    let delay = whole(arguments, "delay_ms", 500, 0, 60_000)?;
    for step in 0..steps {
        let left = steps - step;
        call.log("info", &format!("{left}…"));
        call.progress(step, steps, &format!("{left} to go"));
        call.pause(Duration::from_millis(delay));
        if call.is_cancelled() {
            break;
        }
    }
    call.progress(steps, steps, "done");
    Ok(says("Lift-off!"))
}

fn greet(call: &Call) -> Value {
    if !call.can_elicit() {
        return fails("This client cannot ask its user (it did not declare `elicitation`).");
    }
    let question = json!({
        "message": "What is your name?",
        "requestedSchema": {
            "type": "object",
            "properties": {"name": {"type": "string", "title": "Name", "minLength": 1}},
            "required": ["name"],
        },
    });
    let Some(answer) = call.ask("elicitation/create", &question) else {
        return fails("The call was cancelled.");
    };
    if let Some(why) = answer.pointer("/error/message").and_then(Value::as_str) {
        return fails(&format!("The question could not be asked: {why}"));
    }
    let action = answer.pointer("/result/action").and_then(Value::as_str).unwrap_or("none");
    let name = answer.pointer("/result/content/name").and_then(Value::as_str);
    match (action, name) {
        ("accept", Some(name)) => says(&format!("Hello, {name}!")),
        ("decline", _) => says("Hello, whoever you are!"),
        _ => says("Hello? Maybe another time."),
    }
}

fn whole(arguments: &Value, name: &str, default: u64, min: u64, max: u64) -> Result<u64, Failure> {
    let Some(value) = arguments.get(name) else {
        return Ok(default);
    };
    value.as_u64().filter(|number| (min..=max).contains(number)).ok_or_else(|| {
        Failure::params(&format!(
            "the argument `{name}` has to be a whole number from {min} to {max}"
        ))
    })
}

fn says(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn fails(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": true})
}
