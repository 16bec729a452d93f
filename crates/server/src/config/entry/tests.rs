//! An entry from the control plane obeys the rules of a file, and says what it breaks where.

use serde_json::json;

use super::*;

fn read(entry: &serde_json::Value) -> Result<ServiceSpec, Vec<String>> {
    let id = ServiceId::new("x").unwrap();
    read_entry(id, entry.as_object().unwrap(), &Tuning::default())
        .map_err(|mistakes| mistakes.iter().map(|m| format!("{}: {}", m.key, m.fault)).collect())
}

#[test]
fn an_entry_is_read_like_one_in_a_file() {
    let spec = read(&json!({
        "command": "server", "args": ["-v", "$${env:NOT}"], "env": { "A": "1", "B.C": "2" },
        "cwd": "/tmp", "sharing": "session", "request_timeout": "7s", "max_message_bytes": 4096,
        "restart": { "max_failures": 2 }, "limits": { "memory": "64MiB" }, "type": "stdio",
        "autoApprove": ["x"]
    }))
    .unwrap();
    assert_eq!(spec.command, "server");
    assert_eq!(spec.args, ["-v", "${env:NOT}"]);
    assert_eq!(spec.env["B.C"].expose(), "2");
    assert_eq!(spec.timeouts.request.as_secs(), 7);
    assert_eq!(spec.limits.max_message_bytes, 4096);
    assert_eq!(spec.restart.max_failures, 2);
    assert_eq!(spec.resources.memory, Some(64 << 20));
}

#[test]
fn every_mistake_is_named_with_its_key() {
    let cases = [
        (json!({}), "command: `command` is missing"),
        (json!({ "command": 7 }), "command: expected a string, found a number"),
        (json!({ "command": null }), "command: expected a string, found null"),
        (json!({ "command": "" }), "command: `command` is empty"),
        (json!({ "comand": "x", "command": "x" }), "comand: unknown key; did you mean `command`?"),
        (json!({ "command": "x", "restart": { "cool": "1s" } }), "restart.cool: unknown key"),
        (json!({ "command": "x", "env": { "A": 1 } }), "env.A: expected a string"),
        (json!({ "command": "x", "request_timeout": "5" }), "request_timeout: `5` has no unit"),
        (json!({ "command": "x", "max_instances": -1 }), "max_instances: must be"),
        (json!({ "command": "x", "max_instances": 1.5 }), "max_instances: expected a whole number"),
        (json!({ "command": "x", "args": ["a", 1] }), "args: expected a string"),
        (json!({ "command": "${env:HOME}" }), "command: `${env:…}` and `${file:…}`"),
        (json!({ "command": "x", "args": ["${file:/etc/passwd}"] }), "args: `${env:…}`"),
        (json!({ "command": "x", "env": { "A": "[redacted]" } }), "env.A: `[redacted]`"),
        (json!({ "command": "x", "disabled": true }), "disabled: "),
        (json!({ "url": "https://example.com" }), "url: `url` describes a remote server"),
        (json!({ "command": "x", "start_timeout": "0s" }), "start_timeout: "),
    ];
    for (entry, expected) in cases {
        let mistakes = read(&entry).unwrap_err();
        assert!(mistakes.iter().any(|m| m.starts_with(expected)), "{entry}: {mistakes:?}");
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    let mistakes = read(&json!({ "sharing": "x", "envs": {}, "probe": 1 })).unwrap_err();
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
}

#[test]
fn no_message_shows_a_secret() {
    let entry =
        json!({ "command": "x", "env": { "A": "${env:s3cret" }, "args": ["${file:s3cret}"] });
    let mistakes = read(&entry).unwrap_err();
    assert!(!mistakes.concat().contains("s3cret"), "{mistakes:?}");
}
