//! One client's session, as a transport would hold it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::Value;
use standpipe_core::budget::Budget;
use standpipe_core::connection::{Intake, Outlet, OutletLimits, Session, SessionProfile, outlet};
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::message::{Message, Outcome, Request, parse};
use standpipe_core::protocol::{ClientCapabilities, ProtocolVersion};
use standpipe_process::Service;
use tokio::time::timeout;

use crate::world::PATIENCE;

pub(crate) const SILENT: ClientCapabilities = ClientCapabilities {
    sampling: false,
    elicitation: false,
    elicitation_url: false,
    roots: false,
};
pub(crate) const ASKABLE: ClientCapabilities =
    ClientCapabilities { sampling: true, elicitation: true, elicitation_url: true, roots: true };

pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
    /// What belongs to none of its requests.
    pub(crate) stream: Intake,
    next: AtomicU64,
}

/// A request on its way.
pub(crate) struct Call {
    session: Arc<Session>,
    intake: Intake,
    outlet: Outlet,
}

/// How it was answered.
pub(crate) type Answer = Result<Value, Failure>;

#[derive(Debug)]
pub(crate) enum Failure {
    /// Standpipe's own.
    Fault(Fault),
    /// The child's error.
    Error(Value),
    /// The stream ended without an answer.
    Nothing,
}

impl Failure {
    pub(crate) fn kind(&self) -> &FaultKind {
        match self {
            Self::Fault(fault) => &fault.kind,
            other => panic!("a fault was expected, not {other:?}"),
        }
    }
}

pub(crate) fn stream() -> (Outlet, Intake) {
    outlet(OutletLimits::new(Budget::new(64 << 20)))
}

pub(crate) fn message(text: impl Into<Bytes>) -> Message {
    parse(&text.into()).unwrap()
}

impl Client {
    /// Opens a session; starts the service where that is needed.
    pub(crate) async fn open(service: &Service) -> Result<Self, Failure> {
        Self::with(service, SILENT).await
    }

    pub(crate) async fn with(
        service: &Service,
        capabilities: ClientCapabilities,
    ) -> Result<Self, Failure> {
        let (outlet, intake) = stream();
        let profile = SessionProfile::new(ProtocolVersion::V2025_06_18, capabilities);
        let session = Session::new(service.gate().clone(), profile, outlet);
        let client = Self { session, stream: intake, next: AtomicU64::new(1) };
        let inbox = service.gate().pass().await.map_err(Failure::Fault)?;
        let declared = if capabilities.any() {
            r#"{"sampling":{},"elicitation":{},"roots":{}}"#
        } else {
            "{}"
        };
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-06-18","capabilities":{declared},"clientInfo":{{"name":"test","version":"1"}}}}}}"#
        );
        let Message::Request(request) = message(text) else { unreachable!() };
        let (outlet, intake) = stream();
        inbox.open(&client.session, request, &outlet).map_err(Failure::Fault)?;
        let mut call = Call { session: Arc::clone(&client.session), intake, outlet };
        call.answer().await?;
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        client.notify(initialized).await.map_err(Failure::Fault)?;
        Ok(client)
    }

    pub(crate) async fn notify(&self, text: &str) -> Result<(), Fault> {
        let inbox = self.session.inbox().await?;
        inbox.send(&self.session, message(text.to_owned()), self.session.outlet(), None)
    }

    /// Sends a request; every one of a client has an id that other clients use as well.
    pub(crate) async fn send(&self, method: &str, params: &str) -> Result<Call, Failure> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        let (outlet, intake) = stream();
        let inbox = self.session.inbox().await.map_err(Failure::Fault)?;
        inbox.send(&self.session, message(text), &outlet, None).map_err(Failure::Fault)?;
        Ok(Call { session: Arc::clone(&self.session), intake, outlet })
    }

    pub(crate) async fn begin(&self, tool: &str, arguments: &str) -> Result<Call, Failure> {
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
        self.send("tools/call", &params).await
    }

    pub(crate) async fn request(&self, method: &str, params: &str) -> Answer {
        self.send(method, params).await?.answer().await
    }

    pub(crate) async fn call(&self, tool: &str, arguments: &str) -> Answer {
        self.begin(tool, arguments).await?.answer().await
    }

    /// The text that a tool answers with.
    pub(crate) async fn text(&self, tool: &str, arguments: &str) -> String {
        text(&self.call(tool, arguments).await.unwrap())
    }

    /// Calls the tool that asks, and answers what it asks.
    pub(crate) async fn ask(&self, kind: &str, answer: &str) -> Answer {
        let mut call = self.begin("ask", &format!(r#"{{"kind":"{kind}"}}"#)).await?;
        call.converse(answer).await
    }

    /// The process that serves the client.
    pub(crate) async fn pid(&self) -> u64 {
        let found = self.call("pid", "{}").await.unwrap();
        match found["structuredContent"]["pid"].as_u64() {
            Some(pid) => pid,
            None => text(&found).parse().unwrap(),
        }
    }

    /// Waits for a notification of this method on the session's own stream.
    pub(crate) async fn told(&mut self, method: &str) {
        let found = timeout(PATIENCE, async {
            while let Ok(Some(delivery)) = self.stream.next().await {
                match delivery.message {
                    Message::Notification(told) if &*told.method == method => return true,
                    _ => {}
                }
            }
            false
        });
        assert!(found.await.expect("the client is told"), "the stream ended before {method}");
    }
}

impl Call {
    pub(crate) fn new(session: Arc<Session>, intake: Intake, outlet: Outlet) -> Self {
        Self { session, intake, outlet }
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        loop {
            if let Message::Response(response) = self.next().await? {
                return self.read(response.outcome);
            }
        }
    }

    /// Answers each question with `answer` until the call itself is answered.
    pub(crate) async fn converse(&mut self, answer: &str) -> Answer {
        loop {
            match self.next().await? {
                Message::Request(question) => self.reply(&question, answer),
                Message::Response(response) => return self.read(response.outcome),
                Message::Notification(_) => {}
            }
        }
    }

    /// Waits until something is asked.
    pub(crate) async fn question(&mut self) -> Request {
        loop {
            match self.next().await.unwrap() {
                Message::Request(question) => return question,
                Message::Response(response) => panic!("answered: {:?}", response.outcome),
                Message::Notification(_) => {}
            }
        }
    }

    pub(crate) fn reply(&self, question: &Request, answer: &str) {
        let inbox = self.session.take_question(&question.id).expect("the question is known");
        let text = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{answer}}}"#, question.id);
        inbox.send(&self.session, message(text), &self.outlet, None).unwrap();
    }

    #[expect(clippy::unused_self, reason = "reads as the answer of this call")]
    fn read(&self, outcome: Outcome) -> Answer {
        match outcome {
            Outcome::Result(raw) => Ok(serde_json::from_str(raw.as_str()).unwrap()),
            Outcome::Error(raw) => Err(Failure::Error(serde_json::from_str(raw.as_str()).unwrap())),
        }
    }

    async fn next(&mut self) -> Result<Message, Failure> {
        let delivery = timeout(PATIENCE, self.intake.next()).await.expect("nobody hangs");
        let delivery = delivery.unwrap().ok_or(Failure::Nothing)?;
        match delivery.fault {
            Some(fault) => Err(Failure::Fault(fault)),
            None => Ok(delivery.message),
        }
    }
}

/// The first text of a tool's result.
pub(crate) fn text(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}")).to_owned()
}
