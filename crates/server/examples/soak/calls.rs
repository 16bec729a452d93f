//! The calls that are made, and what their answers have to be.
//!
//! Owns the choice of a call and the check of everything that comes for it. Each call carries a
//! nonce, and nobody else's answer, progress, log message or question can pass for its own. Must
//! not know how messages are carried.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::verdict::{self, Breach, Fault, Judged, Refusal, Verdict};

/// What is called, and what the client does meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `initialize`.
    Open,
    /// A small message there and back.
    Echo,
    /// A large one.
    Big,
    /// An answer that takes a while.
    Delay,
    /// A list.
    List,
    /// A call that reports its progress.
    Progress,
    /// A call that writes log messages.
    Log,
    /// A call that asks its client something.
    Ask,
    /// A call that starts a process which does not want to end.
    Spawn,
    /// A call that its client cancels.
    Cancel,
    /// A call whose client loses the stream and takes it up again.
    Resume,
    /// A call whose client goes away.
    Leave,
}

impl Kind {
    /// The word in the report.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Open => "initialize",
            Self::Echo => "echo",
            Self::Big => "big echo",
            Self::Delay => "delay",
            Self::List => "list",
            Self::Progress => "progress",
            Self::Log => "log",
            Self::Ask => "ask",
            Self::Spawn => "spawn",
            Self::Cancel => "cancel",
            Self::Resume => "resume",
            Self::Leave => "leave",
        }
    }
}

/// How long a call takes that is going to be cancelled; far longer than the cancellation.
const CANCELLED_MS: u64 = 600_000;

/// How long a call takes whose stream is lost in the meantime: it becomes a stream after a second.
const RESUMED_MS: u64 = 2500;

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) id: Value,
    /// Nobody else has it.
    pub(crate) nonce: String,
    method: &'static str,
    params: Value,
    /// The text of the right answer; `None` where it has no text of its own.
    text: Option<String>,
    token: Value,
    steps: u64,
}

/// Who makes calls: a name that nobody else has, and the number of the next call.
#[derive(Debug)]
pub(crate) struct Caller {
    name: String,
    next: u64,
}

impl Caller {
    /// Somebody of this name.
    pub(crate) const fn new(name: String) -> Self {
        Self { name, next: 0 }
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A call of this kind. Ids and tokens are those that everybody uses: small numbers, mostly.
    pub(crate) fn call(&mut self, kind: Kind, dice: &mut Dice) -> Call {
        self.next += 1;
        let nonce = format!("{}.{}.{:x}", self.name, self.next, dice.next());
        let id = if dice.percent(80) { json!(self.next) } else { json!(format!("q{}", self.next)) };
        let token = if dice.percent(50) { json!(self.next) } else { json!(nonce) };
        let steps = dice.between(1, 9);
        let (name, arguments, text) = match kind {
            Kind::Delay | Kind::Leave => delay(&nonce, dice.below(400)),
            Kind::Resume => delay(&nonce, RESUMED_MS),
            Kind::Progress => {
                let arguments = json!({ "steps": steps, "delay_ms": dice.below(8) });
                ("progress", arguments, Some(format!("{steps} steps")))
            }
            Kind::Log => {
                let arguments = json!({ "level": "error", "message": nonce, "count": steps });
                ("log", arguments, Some("logged".to_owned()))
            }
            Kind::Ask => ("ask", json!({ "kind": "elicitation", "message": nonce }), None),
            Kind::Spawn => {
                let stubborn = dice.percent(50);
                let arguments = json!({ "setsid": stubborn, "ignore_term": stubborn });
                ("spawn_grandchild", arguments, None)
            }
            Kind::Cancel => ("slow", json!({ "ms": CANCELLED_MS, "label": nonce }), None),
            Kind::Big => {
                let bytes = usize::try_from(dice.between(1, 200) * 1024).unwrap_or(1024);
                echo(json!({ "nonce": nonce, "filler": "~".repeat(bytes) }))
            }
            Kind::Open | Kind::List | Kind::Echo => echo(json!({ "nonce": nonce })),
        };
        let meta = json!({ "progressToken": token });
        let (method, params) = if kind == Kind::List {
            ("tools/list", json!({}))
        } else {
            ("tools/call", json!({ "name": name, "arguments": arguments, "_meta": meta }))
        };
        Call { kind, id, nonce, method, params, text, token, steps }
    }
}

fn echo(arguments: Value) -> (&'static str, Value, Option<String>) {
    // The fixture gives back the bytes that came.
    let text = arguments.to_string();
    ("echo", arguments, Some(text))
}

fn delay(nonce: &str, ms: u64) -> (&'static str, Value, Option<String>) {
    ("delay", json!({ "ms": ms, "text": nonce }), Some(nonce.to_owned()))
}

impl Call {
    /// The method.
    pub(crate) const fn method(&self) -> &'static str {
        self.method
    }

    /// The message that makes the call.
    pub(crate) fn message(&self) -> Value {
        json!({ "jsonrpc": "2.0", "id": self.id, "method": self.method, "params": self.params })
    }

    /// The same as text.
    pub(crate) fn request(&self) -> String {
        self.message().to_string()
    }

    /// The message that withdraws it.
    pub(crate) fn cancellation(&self) -> String {
        let params = json!({ "requestId": self.id });
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })
            .to_string()
    }

    /// Judges the message that answers it.
    pub(crate) fn judge(&self, answer: &Value, refusal: Option<Refusal>) -> Judged {
        if answer.get("error").is_some() {
            return verdict::of_error(answer, &self.id, refusal);
        }
        if answer["id"] != self.id {
            return Err(crossed(&format!("an answer for {}", self.id), answer));
        }
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str();
        match (self.kind, &self.text) {
            (Kind::List, _) if result["tools"].is_array() => Ok(Verdict::Right),
            (Kind::Spawn, _) if result["structuredContent"]["pid"].is_u64() => Ok(Verdict::Right),
            (Kind::Ask, _) if result["isError"] == true => Ok(Verdict::Declined),
            (Kind::Ask, _) if text.is_some_and(|text| text.contains(&self.nonce)) => {
                Ok(Verdict::Right)
            }
            (_, Some(wanted)) if text == Some(wanted) => Ok(Verdict::Right),
            _ => Err(crossed(&format!("the answer of {}", self.nonce), answer)),
        }
    }

    /// Whether progress of this token is this call's.
    pub(crate) fn has_token(&self, token: &Value) -> bool {
        self.token == *token
    }

    /// Checks progress of this call; `last` is how far it was before.
    pub(crate) fn progress(&self, params: &Value, last: &mut u64) -> Result<(), Fault> {
        let done = params["progress"].as_u64().unwrap_or(0);
        let own = self.kind == Kind::Progress && params["total"] == self.steps;
        if !own || done <= *last || done > self.steps {
            let wanted = format!("progress of {} after {last} of {}", self.nonce, self.steps);
            return Err(crossed(&wanted, params));
        }
        *last = done;
        Ok(())
    }

    /// The message that answers a question which this call has caused.
    pub(crate) fn reply(&self, question: &Value) -> Result<String, Fault> {
        let result = self.reply_to(question)?;
        Ok(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string())
    }

    /// The answer to such a question.
    pub(crate) fn reply_to(&self, question: &Value) -> Result<Value, Fault> {
        if self.kind != Kind::Ask || question["params"]["message"] != self.nonce {
            return Err(crossed(&format!("a question for {}", self.nonce), question));
        }
        let content = json!({ "username": self.nonce, "email": "soak@example.com" });
        Ok(json!({ "action": "accept", "content": content }))
    }
}

/// Checks a notification that is not progress: a log message names whose it is, and changes are
/// everybody's.
pub(crate) fn notice(caller: &str, message: &Value) -> Result<(), Fault> {
    let data = message["params"]["data"].as_str().unwrap_or_default();
    let own = data.strip_prefix(caller).is_some_and(|rest| rest.starts_with('.'));
    if message["method"] == "notifications/message" && !own {
        return Err(crossed(&format!("a log message of {caller}"), message));
    }
    Ok(())
}

/// The message that opens a session.
pub(crate) fn initialize(version: &str, asks: bool) -> Value {
    let capabilities = if asks { json!({ "elicitation": {} }) } else { json!({}) };
    let client = json!({ "name": "standpipe-soak", "version": "1.0.0" });
    let params =
        json!({ "protocolVersion": version, "capabilities": capabilities, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

/// The message that ends the handshake.
pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The message that wants log messages.
pub(crate) const SET_LEVEL: &str =
    r#"{"jsonrpc":"2.0","id":"level","method":"logging/setLevel","params":{"level":"error"}}"#;

pub(crate) fn crossed(wanted: &str, got: &Value) -> Fault {
    Fault::new(Breach::Crossed, format!("{wanted} was expected, and this came: {got}"))
}
