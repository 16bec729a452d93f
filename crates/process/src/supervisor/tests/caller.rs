//! One client, as a transport would hold it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use standpipe_core::budget::Budget;
use standpipe_core::connection::{Intake, Outlet, OutletLimits, Session, SessionProfile, outlet};
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::message::{Message, Outcome, parse};
use standpipe_core::protocol::{ClientCapabilities, ProtocolVersion};
use tokio::time::sleep;

use crate::service::Service;

/// How a request was answered: the first text of the result, or why there is none.
pub(super) type Answer = Result<String, Failure>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Standpipe's own.
    Fault(FaultKind),
    /// The child's error.
    Error(String),
    /// The stream ended without an answer.
    Nothing,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault.kind)
    }
}

#[derive(Debug)]
pub(super) struct Caller {
    pub(super) session: Arc<Session>,
    number: usize,
    /// Between finding the way in and going there. On other threads, much may happen meanwhile.
    dawdles: Duration,
    next: AtomicU64,
    _stream: Intake,
}

impl Caller {
    /// A client that has not said anything yet, and can be asked.
    pub(super) fn new(service: &Service, number: usize) -> Arc<Self> {
        Self::dawdling(service, number, Duration::ZERO)
    }

    pub(super) fn dawdling(service: &Service, number: usize, dawdles: Duration) -> Arc<Self> {
        let (outlet, stream) = stream();
        let capabilities = ClientCapabilities {
            sampling: true,
            elicitation: true,
            ..ClientCapabilities::default()
        };
        let profile = SessionProfile::new(ProtocolVersion::V2025_06_18, capabilities);
        let session = Session::new(service.gate().clone(), profile, outlet);
        Arc::new(Self { session, number, dawdles, next: AtomicU64::new(1), _stream: stream })
    }

    /// One whose session is open.
    pub(super) async fn open(service: &Service, number: usize) -> Result<Arc<Self>, Failure> {
        let caller = Self::new(service, number);
        caller.initialize().await?;
        Ok(caller)
    }

    pub(super) async fn initialize(&self) -> Answer {
        let inbox = self.session.gate().pass().await?;
        self.dawdle().await;
        let params = format!(
            r#"{{"protocolVersion":"2025-06-18","capabilities":{{"elicitation":{{}}}},"clientInfo":{{"name":"client-{}","version":"1"}}}}"#,
            self.number
        );
        let Message::Request(request) = self.message("initialize", &params) else { unreachable!() };
        let (outlet, intake) = stream();
        inbox.open(&self.session, request, &outlet)?;
        self.answer(intake, outlet).await
    }

    pub(super) async fn call(&self, tool: &str, arguments: &str) -> Answer {
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
        self.request("tools/call", &params).await
    }

    pub(super) async fn request(&self, method: &str, params: &str) -> Answer {
        let inbox = self.session.inbox().await?;
        self.dawdle().await;
        let (outlet, intake) = stream();
        inbox.send(&self.session, self.message(method, params), &outlet, None)?;
        self.answer(intake, outlet).await
    }

    async fn dawdle(&self) {
        if !self.dawdles.is_zero() {
            sleep(self.dawdles).await;
        }
    }

    fn message(&self, method: &str, params: &str) -> Message {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        parse(&text.into()).expect("it is a message")
    }

    /// Answers whatever is asked until the call itself is answered.
    async fn answer(&self, mut intake: Intake, outlet: Outlet) -> Answer {
        loop {
            let delivery = intake.next().await.map_err(|_| Failure::Nothing)?;
            let delivery = delivery.ok_or(Failure::Nothing)?;
            if let Some(fault) = delivery.fault {
                return Err(fault.into());
            }
            match delivery.message {
                Message::Request(question) => {
                    let Some(inbox) = self.session.take_question(&question.id) else { continue };
                    let text = format!(
                        r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"decline"}}}}"#,
                        question.id
                    );
                    let reply = parse(&text.into()).expect("it is a message");
                    // Should the child be gone, so is the call, which says so.
                    let _gone = inbox.send(&self.session, reply, &outlet, None);
                }
                Message::Response(response) => {
                    return match response.outcome {
                        Outcome::Result(raw) => Ok(first_text(raw.as_str())),
                        Outcome::Error(raw) => Err(Failure::Error(raw.as_str().to_owned())),
                    };
                }
                Message::Notification(_) => {}
            }
        }
    }
}

fn stream() -> (Outlet, Intake) {
    outlet(OutletLimits::new(Budget::new(1 << 20)))
}

fn first_text(result: &str) -> String {
    let result: serde_json::Value = serde_json::from_str(result).expect("it is JSON");
    result["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}
