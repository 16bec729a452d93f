//! The conversation with the one client: what was agreed, what is open in either direction.
//!
//! Owns the output, the running calls and the questions to the client. It must not know what tools
//! do. It exists so that a tool sees only its [`Call`]: report, log, ask, and whether to stop.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// Levels of log messages, least severe first (RFC 5424).
const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// How often a waiting call looks whether it was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(20);

/// What goes wrong with a request, as JSON-RPC says it.
#[derive(Debug)]
pub(super) struct Failure {
    code: i64,
    message: String,
    data: Option<Value>,
}

impl Failure {
    pub(super) fn params(why: &str) -> Self {
        Self { code: -32602, message: format!("Invalid params: {why}"), data: None }
    }

    pub(super) fn resource_not_found(uri: &str) -> Self {
        let data = Some(json!({"uri": uri}));
        Self { code: -32002, message: "Resource not found".to_owned(), data }
    }
}

/// The state of the conversation.
pub(super) struct Conversation {
    output: Mutex<Box<dyn Write + Send>>,
    /// Index into [`LEVELS`] of the lowest level that is sent.
    level: Mutex<usize>,
    can_elicit: AtomicBool,
    /// Running calls by the text of their id.
    calls: Mutex<HashMap<String, Arc<AtomicBool>>>,
    questions: Mutex<HashMap<u64, SyncSender<Value>>>,
    next_question: AtomicU64,
}

impl Conversation {
    pub(super) fn new(output: impl Write + Send + 'static) -> Self {
        Self {
            output: Mutex::new(Box::new(output)),
            level: Mutex::new(1),
            can_elicit: AtomicBool::new(false),
            calls: Mutex::default(),
            questions: Mutex::default(),
            next_question: AtomicU64::new(1),
        }
    }

    /// Takes note of what the client can do.
    pub(super) fn opened_by(&self, params: &Value) {
        let elicitation = params.pointer("/capabilities/elicitation");
        self.can_elicit.store(elicitation.is_some_and(Value::is_object), Ordering::Relaxed);
    }

    pub(super) fn set_level(&self, params: &Value) -> Result<(), String> {
        let asked = params.get("level").and_then(Value::as_str).unwrap_or_default();
        let level = LEVELS.iter().position(|level| *level == asked).ok_or_else(|| {
            format!("Invalid params: `level` is not one of {}", LEVELS.join(", "))
        })?;
        *lock(&self.level) = level;
        Ok(())
    }

    pub(super) fn succeed(&self, id: &Value, result: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
    }

    pub(super) fn fail(&self, id: &Value, code: i64, message: &str) {
        let error = json!({"code": code, "message": message});
        self.send(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
    }

    pub(super) fn conclude(&self, id: &Value, outcome: Result<Value, Failure>) {
        match outcome {
            Ok(result) => self.succeed(id, &result),
            Err(Failure { code, message, data: None }) => self.fail(id, code, &message),
            Err(Failure { code, message, data: Some(data) }) => {
                let error = json!({"code": code, "message": message, "data": data});
                self.send(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
            }
        }
    }

    /// A notification of the client.
    pub(super) fn notified(&self, method: &str, params: &Value) {
        if method != "notifications/cancelled" {
            return;
        }
        let id = params.get("requestId").map(Value::to_string).unwrap_or_default();
        if let Some(cancelled) = lock(&self.calls).get(&id) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// An answer of the client to a question.
    pub(super) fn answered(&self, message: &Value) {
        let id = message.get("id").and_then(Value::as_u64).unwrap_or(0);
        if let Some(waiting) = lock(&self.questions).remove(&id) {
            // The call may have been cancelled meanwhile; then nobody wants the answer.
            drop(waiting.try_send(message.clone()));
        }
    }

    /// How many calls run now.
    pub(super) fn running(&self) -> usize {
        lock(&self.calls).len()
    }

    pub(super) fn begin(self: &Arc<Self>, id: &Value, params: &Value) -> Call {
        let cancelled = Arc::new(AtomicBool::new(false));
        lock(&self.calls).insert(id.to_string(), Arc::clone(&cancelled));
        let token = params.pointer("/_meta/progressToken").cloned();
        Call { conversation: Arc::clone(self), id: id.clone(), token, cancelled }
    }

    fn send(&self, message: &Value) {
        let mut line = message.to_string();
        line.push('\n');
        let mut output = lock(&self.output);
        // A client that does not listen any more closes our input too, and that ends us.
        drop(output.write_all(line.as_bytes()).and_then(|()| output.flush()));
    }
}

/// One running call.
pub(super) struct Call {
    conversation: Arc<Conversation>,
    id: Value,
    token: Option<Value>,
    cancelled: Arc<AtomicBool>,
}

impl Call {
    /// Whether the client has cancelled the call.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Whether the client said that it can ask its user.
    pub(super) fn can_elicit(&self) -> bool {
        self.conversation.can_elicit.load(Ordering::Relaxed)
    }

    /// Reports progress, where the client asked for reports.
    pub(super) fn progress(&self, progress: u64, total: u64, message: &str) {
        if let Some(token) = &self.token {
            self.notify("notifications/progress", &json!({
                "progressToken": token, "progress": progress, "total": total, "message": message,
            }));
        }
    }

    /// Logs, where the level is wanted.
    pub(super) fn log(&self, level: &str, text: &str) {
        let severity = LEVELS.iter().position(|known| *known == level).unwrap_or(0);
        if severity >= *lock(&self.conversation.level) {
            let params = json!({"level": level, "logger": "demo", "data": text});
            self.notify("notifications/message", &params);
        }
    }

    /// Waits, unless the call is cancelled meanwhile.
    pub(super) fn pause(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() && !self.is_cancelled() {
            let part = left.min(CANCEL_CHECK);
            std::thread::sleep(part);
            left -= part;
        }
    }

    /// Asks the client and waits for its answer: the whole response. `None` when the call is
    /// cancelled meanwhile.
    pub(super) fn ask(&self, method: &str, params: &Value) -> Option<Value> {
        let (sender, receiver) = sync_channel(1);
        let id = self.conversation.next_question.fetch_add(1, Ordering::Relaxed);
        lock(&self.conversation.questions).insert(id, sender);
        let question = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.conversation.send(&question);
        loop {
            match receiver.recv_timeout(CANCEL_CHECK) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Timeout) if !self.is_cancelled() => {}
                Err(_) => {
                    lock(&self.conversation.questions).remove(&id);
                    return None;
                }
            }
        }
    }

    /// Answers the call, unless it was cancelled: a cancelled call has no answer.
    pub(super) fn conclude(self, outcome: Result<Value, Failure>) {
        lock(&self.conversation.calls).remove(&self.id.to_string());
        if !self.is_cancelled() {
            self.conversation.conclude(&self.id, outcome);
        }
    }

    fn notify(&self, method: &str, params: &Value) {
        self.conversation.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here is left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
