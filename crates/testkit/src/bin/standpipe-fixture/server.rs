//! The server's state, its reading loop and the table of open calls.
//!
//! Owns what was counted, and which calls and questions are open. Which method means what is decided in `legacy` and `modern`; what a tool
//! does, in `tools`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use standpipe_testkit::wire::{self, Incoming, Line, Outlet};

use crate::asking::{Caller, Question};
use crate::call::{Call, Cancelled, Reply};
use crate::modern::{Listeners, Topic};
use crate::options::Options;
use crate::session::{Opening, Session};
use crate::{legacy, modern, offer};

/// Calls open at once; a further one is refused, as threads are what they cost.
const MAX_OPEN_CALLS: usize = 4096;

/// How long calls may finish after the end of input, so that a piped script gets its answers.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a request without parameters has.
const NO_PARAMS: &RawValue = RawValue::NULL;

/// The stack of a call's thread: the tools need little, and there may be thousands.
const STACK_BYTES: usize = 256 * 1024;

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Messages by method; what is not a request or notification is in parentheses.
    pub received: BTreeMap<String, u64>,
    /// The labels of the `slow` calls that were cancelled, in order.
    pub cancelled: Vec<String>,
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    /// How it was started.
    pub options: Options,
    /// Where messages go.
    pub out: Outlet,
    session: Mutex<Session>,
    counts: Mutex<Counts>,
    calls: Mutex<HashMap<String, Arc<Call>>>,
    questions: Mutex<Questions>,
    listeners: Mutex<Listeners>,
    nonces: AtomicU64,
}

#[derive(Debug, Default)]
struct Questions {
    last_id: u64,
    open: HashMap<u64, Arc<Call>>,
}

/// How a request ends.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With this raw result.
    Result(String),
    /// With two answers, the second one too many.
    Twice(String, String),
    /// With this raw result, which asks for input first (2026-07-28).
    InputRequired(String),
    /// With an error; the data is raw.
    Error { code: i64, message: String, data: Option<String> },
}

/// Serves until the end of input.
pub(crate) fn serve(options: Options, input: &mut impl BufRead) {
    let server = Arc::new(Server {
        options,
        out: Outlet::default(),
        session: Mutex::default(),
        counts: Mutex::default(),
        calls: Mutex::default(),
        questions: Mutex::default(),
        listeners: Mutex::default(),
        nonces: AtomicU64::new(0),
    });
    let mut buffer = Vec::new();
    while let Ok(Some(line)) = wire::read_line(input, &mut buffer) {
        match line {
            Line::Message(message) => server.receive(*message),
            Line::Array => server.count("(array)"),
            Line::Malformed(error) => {
                server.count("(malformed)");
                // Standard error is for diagnosis only; a server lives on without it.
                let _ = writeln!(std::io::stderr(), "standpipe-fixture: not a message: {error}");
            }
        }
    }
    let _ =
        standpipe_testkit::wait_until(LAST_WORDS, || lock(&server.calls).is_empty().then_some(()));
    server.end_listening(true);
}

fn outcome(
    caller: Caller<'_>,
    method: &str,
    params: Option<&RawValue>,
) -> Result<Outcome, Cancelled> {
    match caller.modern {
        Some(_) => modern::request(caller, method, params),
        None => legacy::request(caller, method, params),
    }
}

impl Server {
    fn receive(self: &Arc<Self>, message: Incoming) {
        let Incoming { id, method, params, result, error } = message;
        match (method, id) {
            (Some(method), Some(id)) => {
                self.count(&method);
                self.request(id, &method, params);
            }
            (Some(method), None) => {
                self.count(&method);
                self.notification(&method, params.as_deref());
            }
            (None, id) => self.response(id.as_deref(), result, error),
        }
    }

    fn request(self: &Arc<Self>, id: Box<RawValue>, method: &str, params: Option<Box<RawValue>>) {
        let modern = if modern::is_modern(self, method, params.as_deref()) {
            match modern::Request::read(self, method, params.as_deref().unwrap_or(NO_PARAMS)) {
                Ok(request) => Some(request),
                Err(refusal) => return self.answer(&id, Ok(refusal)),
            }
        } else {
            None
        };
        if modern.is_some() && method == "subscriptions/listen" {
            return self.listen(&id, params.as_deref().unwrap_or(NO_PARAMS));
        }
        let late = method == "server/discover" && modern.is_some();
        if !late && !offer::may_wait(method, params.as_deref()) {
            // Everything else is quick, and answered in order.
            let caller = Caller { server: self, call: &Arc::default(), modern: modern.as_ref() };
            return self.answer(&id, outcome(caller, method, params.as_deref()));
        }
        let Some(call) = self.open_call(&id) else {
            let message = format!("{MAX_OPEN_CALLS} calls are open already");
            return self.answer(&id, Ok(Outcome::Error { code: -32000, message, data: None }));
        };
        let server = Arc::clone(self);
        let method = method.to_owned();
        let spawned = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let caller = Caller { server: &server, call: &call, modern: modern.as_ref() };
            let ready = if late { modern::discover_delay(&server, &call) } else { Ok(()) };
            let outcome = ready.and_then(|()| outcome(caller, &method, params.as_deref()));
            server.answer(&id, outcome);
            // Closed after the answer, so that the end of input waits for it.
            server.close_call(&id, &call);
        });
        if spawned.is_err() {
            // Without a thread there is no way on: the test machine is out of something.
            std::process::exit(71);
        }
    }

    fn listen(&self, id: &RawValue, params: &RawValue) {
        // Sent under the lock: nothing may come before the acknowledgement.
        let mut listeners = lock(&self.listeners);
        match listeners.open(id, params) {
            Ok(acknowledgement) => self.out.send(&acknowledgement),
            Err(refusal) => self.answer(id, Ok(refusal)),
        }
    }

    /// Tells of a change: to those that listen for it, or in a legacy session to its client.
    pub(crate) fn announce(&self, topic: Topic<'_>, forced: bool) {
        if self.session().opening == Opening::Modern {
            let listeners = lock(&self.listeners);
            let messages = listeners.tell(topic, forced);
            if !messages.is_empty() {
                self.out.send_all(&messages);
            }
            return;
        }
        self.out.send(&match topic {
            Topic::List(which) => {
                wire::notification(&format!("notifications/{which}/list_changed"), "")
            }
            Topic::Resource(uri) => {
                let params = format!(r#"{{"uri":{}}}"#, wire::quote(uri));
                wire::notification("notifications/resources/updated", &params)
            }
        });
    }

    /// Ends every `subscriptions/listen`, with a result or with `notifications/cancelled`.
    pub(crate) fn end_listening(&self, with_result: bool) {
        let mut listeners = lock(&self.listeners);
        let messages = if with_result { listeners.end() } else { listeners.cancel() };
        if !messages.is_empty() {
            self.out.send_all(&messages);
        }
    }

    /// The resources that someone has subscribed to.
    pub(crate) fn subscriptions(&self) -> BTreeSet<String> {
        let mut uris = lock(&self.listeners).resources();
        uris.extend(self.session().subscriptions.iter().cloned());
        uris
    }

    /// A number for each `requestState`, so that no two are the same.
    pub(crate) fn next_nonce(&self) -> u64 {
        self.nonces.fetch_add(1, Ordering::Relaxed)
    }

    /// The member `instructions` with its comma, if there are any.
    pub(crate) fn instructions(&self) -> String {
        let text = self.options.instructions.as_ref();
        text.map(|text| format!(r#","instructions":{}"#, wire::quote(text))).unwrap_or_default()
    }

    fn notification(self: &Arc<Self>, method: &str, params: Option<&RawValue>) {
        match method {
            "notifications/initialized" if self.options.roots_at_start => {
                let question =
                    Question { key: "roots", method: "roots/list", params: String::new() };
                self.ask_outside_any_call(question);
            }
            "notifications/cancelled" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Params {
                    request_id: Box<RawValue>,
                }
                let params = params.and_then(|params| serde_json::from_str(params.get()).ok());
                let Some(Params { request_id }) = params else {
                    return;
                };
                let call = lock(&self.calls).get(request_id.get()).cloned();
                match call {
                    Some(call) => call.cancel(),
                    None if lock(&self.listeners).close(request_id.get()) => {}
                    None => self.count("(cancelled unknown)"),
                }
            }
            _ => {}
        }
    }

    fn response(
        &self,
        id: Option<&RawValue>,
        result: Option<Box<RawValue>>,
        error: Option<Box<RawValue>>,
    ) {
        let id: Option<u64> = id.and_then(|id| id.get().parse().ok());
        let call = id.and_then(|id| lock(&self.questions).open.remove(&id));
        let (Some(id), Some(call)) = (id, call) else {
            return self.count("(unknown response)");
        };
        match (result, error) {
            (Some(result), None) => {
                self.count("(response)");
                call.reply(id, Reply::Result(result));
            }
            (None, Some(error)) => {
                self.count("(error response)");
                call.reply(id, Reply::Error(error));
            }
            _ => self.count("(neither result nor error)"),
        }
    }

    fn answer(&self, id: &RawValue, outcome: Result<Outcome, Cancelled>) {
        let id = id.get();
        match outcome {
            Ok(Outcome::Result(result) | Outcome::InputRequired(result)) => {
                self.out.send(&wire::response(id, &result));
            }
            Ok(Outcome::Twice(first, second)) => {
                let both = [wire::response(id, &first), wire::response(id, &second)];
                self.out.send_all(&both);
            }
            Ok(Outcome::Error { code, message, data }) => {
                self.out.send(&wire::failure(id, code, &message, data.as_deref()));
            }
            Err(Cancelled) => {}
        }
    }

    fn open_call(&self, id: &RawValue) -> Option<Arc<Call>> {
        let call = Arc::new(Call::default());
        let mut calls = lock(&self.calls);
        if calls.len() >= MAX_OPEN_CALLS {
            return None;
        }
        if calls.insert(id.get().to_owned(), Arc::clone(&call)).is_some() {
            self.count("(duplicate id)");
        }
        Some(call)
    }

    fn close_call(&self, id: &RawValue, call: &Arc<Call>) {
        call.close();
        let mut calls = lock(&self.calls);
        // Under a duplicate id it may be another call's entry by now.
        if calls.get(id.get()).is_some_and(|open| Arc::ptr_eq(open, call)) {
            calls.remove(id.get());
        }
    }

    /// Asks a legacy client all of these at once and waits for every answer.
    ///
    /// When the call is cancelled first, its questions are withdrawn.
    pub(crate) fn ask(
        &self,
        call: &Arc<Call>,
        questions: &[Question],
    ) -> Result<Vec<Reply>, Cancelled> {
        let ids = self.send_questions(call, questions);
        let replies = call.replies(&ids);
        if replies.is_err() {
            let open = &mut lock(&self.questions).open;
            for id in ids.iter().filter(|id| open.remove(id).is_some()) {
                let params = format!(r#"{{"requestId":{id},"reason":"the call was cancelled"}}"#);
                self.out.send(&wire::notification("notifications/cancelled", &params));
            }
        }
        replies
    }

    /// Asks the client something that belongs to no call; the answer goes to `late_replies`.
    pub(crate) fn ask_outside_any_call(self: &Arc<Self>, question: Question) {
        let call = Arc::new(Call::default());
        let ids = self.send_questions(&call, &[question]);
        let server = Arc::clone(self);
        std::thread::spawn(move || {
            if let Ok(replies) = call.replies(&ids) {
                let replies = replies.iter().map(|reply| reply.raw().to_owned());
                server.session().late_replies.extend(replies);
            }
        });
    }

    fn send_questions(&self, call: &Arc<Call>, questions: &[Question]) -> Vec<u64> {
        let mut ids = Vec::new();
        let mut lines = Vec::new();
        {
            let mut table = lock(&self.questions);
            for Question { method, params, .. } in questions {
                // Small integers, which are sure to be ids of the client's requests as well.
                table.last_id += 1;
                let id = table.last_id;
                table.open.insert(id, Arc::clone(call));
                ids.push(id);
                lines.push(wire::request(id, method, params));
            }
        }
        self.out.send_all(&lines);
        ids
    }

    /// Sends a log message whatever the client asked for; `data` is raw.
    pub(crate) fn log_unasked(&self, level: &str, data: &str) {
        let level = wire::quote(level);
        let params = format!(r#"{{"level":{level},"logger":"standpipe-fixture","data":{data}}}"#);
        self.out.send(&wire::notification("notifications/message", &params));
    }

    /// Counts one more of `what`.
    pub(crate) fn count(&self, what: &str) {
        *lock(&self.counts).received.entry(what.to_owned()).or_default() += 1;
    }

    /// The session.
    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        lock(&self.session)
    }

    /// The counts.
    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }
}

/// A poisoned lock is a panic in a tool; the server goes on, as its data has no broken states.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
