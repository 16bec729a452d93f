//! A client on stdio for the tests of the two servers.
//!
//! Owns one child and what it wrote. It reads JSON with `serde_json::Value` where the order of
//! members does not matter, and hands out raw lines where it does.
#![expect(clippy::needless_pass_by_value, reason = "tests write `json!(…)` in place")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};
use standpipe_testkit::wait_until;

/// Far more than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server and its output so far.
pub(crate) struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    /// Messages that were read while waiting for another one.
    pub(crate) passed: Vec<Value>,
}

impl Driver {
    /// Starts `program` without a handshake.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    // The test is over; the rest is read so that the server does not block.
                    let _ = stdout.read_to_end(&mut line);
                    return;
                }
            }
        });
        Self { child, stdin, lines, passed: Vec::new() }
    }

    /// Starts `program` and shakes hands, declaring `capabilities`.
    pub(crate) fn open(program: &Path, arguments: &[&str], capabilities: &Value) -> Self {
        let mut driver = Self::start(program, arguments);
        let answer = driver.initialize(capabilities);
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
        driver.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        driver
    }

    /// Sends `initialize` under the id `"init"` and gives the answer.
    pub(crate) fn initialize(&mut self, capabilities: &Value) -> Value {
        let client = json!({"name": "driver", "version": "1"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client});
        self.request(json!("init"), "initialize", params)
    }

    /// Sends one message.
    pub(crate) fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string());
    }

    /// Sends one line as it is.
    pub(crate) fn send_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin was not closed");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("the server reads");
    }

    /// Sends a request and gives its answer.
    pub(crate) fn request(&mut self, id: Value, method: &str, params: Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": &id, "method": method, "params": params}));
        self.answer(&id)
    }

    /// Sends a `tools/call` without waiting.
    pub(crate) fn begin(&mut self, id: u64, tool: &str, arguments: Value) {
        let params = json!({"name": tool, "arguments": arguments});
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}));
    }

    /// Calls a tool and gives the result.
    pub(crate) fn call(&mut self, id: u64, tool: &str, arguments: Value) -> Value {
        self.begin(id, tool, arguments);
        self.answer(&json!(id))["result"].take()
    }

    /// Calls a tool and gives the text of its answer.
    pub(crate) fn text(&mut self, id: u64, tool: &str, arguments: Value) -> String {
        let result = self.call(id, tool, arguments);
        result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}")).to_owned()
    }

    /// Sends a request of 2026-07-28 that declares `capabilities`, without waiting.
    pub(crate) fn begin_modern(
        &mut self,
        id: &Value,
        method: &str,
        mut params: Value,
        capabilities: &Value,
    ) {
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        meta["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
    }

    /// Sends a request of 2026-07-28 that declares `capabilities`, and gives its answer.
    pub(crate) fn modern(
        &mut self,
        id: Value,
        method: &str,
        params: Value,
        capabilities: &Value,
    ) -> Value {
        self.begin_modern(&id, method, params, capabilities);
        self.answer(&id)
    }

    /// Reads until the response with this id comes; the rest goes to `passed`.
    pub(crate) fn answer(&mut self, id: &Value) -> Value {
        self.find(|message| message.get("method").is_none() && message["id"] == *id)
    }

    /// Reads until a message with this method comes; the rest goes to `passed`.
    pub(crate) fn incoming(&mut self, method: &str) -> Value {
        self.find(|message| message["method"] == method)
    }

    fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.passed.iter().position(&wanted) {
            return self.passed.remove(index);
        }
        loop {
            let line = self.line().expect("the server answers");
            let Ok(message) = serde_json::from_slice::<Value>(&line) else {
                continue;
            };
            if wanted(&message) {
                return message;
            }
            self.passed.push(message);
        }
    }

    /// The next line; `None` at the end of output.
    pub(crate) fn line(&mut self) -> Option<Vec<u8>> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("nothing came; before that: {:?}", self.passed)
            }
        }
    }

    /// The next line as text.
    pub(crate) fn text_line(&mut self) -> String {
        String::from_utf8(self.line().expect("the server answers"))
            .expect("answers are UTF-8")
            .trim_end()
            .to_owned()
    }

    /// Ends the server's input.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for the server's end.
    pub(crate) fn exit(&mut self) -> ExitStatus {
        wait_until(PATIENCE, || self.child.try_wait().expect("it is our child"))
            .expect("the server ends")
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself, which is all that is wanted here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
