//! Conversations with the demo server, over pipes.

use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _, pipe};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

/// A client at the other ends of two pipes.
struct Client {
    to_server: Option<PipeWriter>,
    from_server: BufReader<PipeReader>,
    server: Option<JoinHandle<()>>,
}

impl Client {
    fn start() -> Self {
        let (theirs, to_server) = pipe().unwrap();
        let (from_server, ours) = pipe().unwrap();
        let server = thread::spawn(move || {
            super::run(&mut BufReader::new(theirs), ours).unwrap();
        });
        Self {
            to_server: Some(to_server),
            from_server: BufReader::new(from_server),
            server: Some(server),
        }
    }

    fn open(capabilities: &Value) -> Self {
        let mut client = Self::start();
        let params = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": capabilities,
            "clientInfo": {"name": "test", "version": "0"},
        });
        let opened = client.call("initialize", &params);
        assert_eq!(opened["result"]["protocolVersion"], "2025-06-18");
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    fn write(&mut self, line: &str) {
        let pipe = self.to_server.as_mut().unwrap();
        pipe.write_all(line.as_bytes()).unwrap();
        pipe.write_all(b"\n").unwrap();
    }

    fn send(&mut self, message: &Value) {
        self.write(&message.to_string());
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.from_server.read_line(&mut line).unwrap(), 0, "the server has ended");
        serde_json::from_str(&line).unwrap()
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": "x", "method": method, "params": params}));
        self.next()
    }

    fn tool(&mut self, name: &str, arguments: &Value) -> Value {
        self.call("tools/call", &json!({"name": name, "arguments": arguments}))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.to_server = None;
        if let Some(server) = self.server.take() {
            server.join().unwrap();
        }
    }
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn versions_are_negotiated() {
    for (asked, given) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("junk", "2025-11-25"),
    ] {
        let answer = Client::start().call("initialize", &json!({"protocolVersion": asked}));
        assert_eq!(answer["result"]["protocolVersion"], given, "{asked}");
        assert_eq!(answer["id"], "x");
    }
}

#[test]
fn simple_tools() {
    let mut client = Client::open(&json!({}));
    assert_eq!(text(&client.tool("echo", &json!({"message": "hé\n"}))), "hé\n");
    let sum = client.tool("add", &json!({"a": 2, "b": 40}));
    assert_eq!((text(&sum), &sum["result"]["structuredContent"]["sum"]), ("42", &json!(42)));
    assert_eq!(text(&client.tool("add", &json!({"a": 0.5, "b": 1}))), "1.5");
    for (name, arguments) in [
        ("echo", json!({})),
        ("add", json!({"a": "1", "b": 2})),
        ("countdown", json!({"steps": 101})),
        ("nothing", json!({})),
    ] {
        assert_eq!(client.tool(name, &arguments)["error"]["code"], -32602, "{name}");
    }
}

#[test]
fn lists_resource_and_prompt() {
    let mut client = Client::open(&json!({}));
    let none = json!({});
    assert_eq!(client.call("tools/list", &none)["result"]["tools"].as_array().unwrap().len(), 4);
    let uri = client.call("resources/list", &none)["result"]["resources"][0]["uri"].clone();
    let read = client.call("resources/read", &json!({"uri": uri}));
    assert!(read["result"]["contents"][0]["text"].as_str().unwrap().contains("demo server"));
    let missing = client.call("resources/read", &json!({"uri": "demo://no"}));
    assert_eq!(missing["error"]["code"], -32002);
    assert_eq!(missing["error"]["data"]["uri"], "demo://no");
    let welcome = json!({"name": "welcome", "arguments": {"name": "Ada"}});
    let prompt = client.call("prompts/get", &welcome);
    let text = prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.contains("Ada"), "{text}");
    assert_eq!(client.call("prompts/get", &json!({"name": "x"}))["error"]["code"], -32602);
    assert_eq!(client.call("ping", &none)["result"], json!({}));
    assert_eq!(client.call("server/discover", &none)["error"]["code"], -32601);
    assert_eq!(client.call("logging/setLevel", &json!({"level": "x"}))["error"]["code"], -32602);
}

#[test]
fn progress_and_log_messages_precede_the_answer() {
    let mut client = Client::open(&json!({}));
    client.send(&json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {
            "name": "countdown", "arguments": {"steps": 2, "delay_ms": 0},
            "_meta": {"progressToken": "t"},
        },
    }));
    let mut seen = Vec::new();
    let answer = loop {
        let message = client.next();
        if message.get("id").is_some() {
            break message;
        }
        seen.push((message["method"].clone(), message["params"]["progress"].clone()));
    };
    assert_eq!(text(&answer), "Lift-off!");
    let progress: Vec<_> =
        seen.iter().filter(|(method, _)| method == "notifications/progress").collect();
    assert_eq!(
        progress.iter().map(|(_, value)| value.as_u64()).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(2)]
    );
    assert_eq!(seen.len() - progress.len(), 2, "two log messages");
}

#[test]
fn the_log_level_is_respected() {
    let mut client = Client::open(&json!({}));
    client.call("logging/setLevel", &json!({"level": "warning"}));
    let answer = client.tool("countdown", &json!({"steps": 1, "delay_ms": 0}));
    assert_eq!(text(&answer), "Lift-off!", "no log message came before");
}

#[test]
fn a_cancelled_call_has_no_answer() {
    let mut client = Client::open(&json!({}));
    client.call("logging/setLevel", &json!({"level": "emergency"}));
    client.send(&json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "countdown", "arguments": {"steps": 100, "delay_ms": 60_000}},
    }));
    client.send(&json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1},
    }));
    assert_eq!(client.call("ping", &json!({}))["id"], "x");
}

#[test]
fn the_user_is_asked() {
    let mut client = Client::open(&json!({"elicitation": {}}));
    for (answer, expected) in [
        (json!({"action": "accept", "content": {"name": "Ada"}}), "Hello, Ada!"),
        (json!({"action": "decline"}), "Hello, whoever you are!"),
        (json!({"action": "cancel"}), "Hello? Maybe another time."),
    ] {
        let question = client.tool("greet", &json!({}));
        assert_eq!(question["method"], "elicitation/create");
        client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": answer}));
        assert_eq!(text(&client.next()), expected);
    }
    let question = client.tool("greet", &json!({}));
    let error = json!({"code": -32603, "message": "no screen"});
    client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "error": error}));
    let answer = client.next();
    assert!(text(&answer).contains("no screen"));
    assert_eq!(answer["result"]["isError"], true);
}

#[test]
fn a_client_that_cannot_ask_is_told() {
    let mut client = Client::open(&json!({}));
    assert_eq!(client.tool("greet", &json!({}))["result"]["isError"], true);
}

#[test]
fn bad_input_is_answered_and_the_conversation_goes_on() {
    let mut client = Client::open(&json!({}));
    client.write("{not json");
    assert_eq!(client.next()["error"]["code"], -32700);
    client.write("   ");
    client.send(&json!({"jsonrpc": "2.0", "id": 1}));
    assert_eq!(client.next()["error"]["code"], -32600);
    client.send(&json!([]));
    assert_eq!(client.next()["error"]["code"], -32600);
    assert_eq!(client.call("ping", &json!({}))["result"], json!({}));
}
