//! Several messages in one POST (2025-03-26 alone, "Sending Messages to the Server").
//!
//! Owns how a batch is taken apart and how its answers are put together. Children never see one.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use smallvec::SmallVec;
use standpipe_core::budget::Permit;
use standpipe_core::connection::Inbox;
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::message::{Id, Message, Rejected};
use standpipe_core::protocol::ProtocolVersion;
use standpipe_metrics::Wire;
use tokio::time::Instant;

use super::request::{Answers, Waiting, nothing};
use super::{answer_question, is_initialize, session};
use crate::call::{Calls, OpenCall};
use crate::headers::{self, Named};
use crate::refusal::{Refusal, Refused, error_body};
use crate::response::{self, StreamBody};
use crate::session::Record;
use crate::transport::{Route, StreamTransport};

/// Serves a batch.
///
/// # Errors
/// When none of it is taken in, for a reason that all of it shares.
pub(super) async fn serve(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
    elements: Vec<Result<Message, Rejected>>,
    permit: Permit,
) -> Result<Response<StreamBody>, Refused> {
    if headers::session(headers)? == Named::Nothing && elements.iter().flatten().any(is_initialize)
    {
        return Err(Refusal::InitializeInBatch.into());
    }
    let (record, in_use) = session(transport, route, headers)?;
    let version = record.session().profile().version;
    if version != ProtocolVersion::V2025_03_26 {
        return Err(Refusal::Batch(version).into());
    }
    if transport.shutdown().is_cancelled() {
        return Err(Refusal::Fault(route.gate.fault(FaultKind::Draining)).into());
    }
    // Asked for once, before anything is sent: from here on nothing waits.
    let inbox = record.session().inbox().await;
    let mut taken = Taken {
        transport,
        route,
        record: &record,
        inbox,
        permit: Some(permit),
        open: SmallVec::new(),
        refused: Vec::new(),
        accepted: 0,
        first: None,
    };
    let count = elements.len();
    for (at, element) in elements.into_iter().enumerate() {
        taken.element(element, at + 1 == count);
    }
    let Taken { open, refused, accepted, first, .. } = taken;
    if open.is_empty() {
        let status = match first {
            Some(refusal) if accepted == 0 && refused.is_empty() => return Err(refusal.into()),
            Some(refusal) if accepted == 0 => refusal.status(),
            _ if refused.is_empty() => return Ok(response::bare(StatusCode::ACCEPTED)),
            _ => StatusCode::OK,
        };
        let body = StreamBody::answers(refused, SmallVec::new());
        return Ok(response::json(status, body));
    }
    let calls = Calls::new(&record, in_use, open);
    let mut waiting = Waiting::new(record, calls, refused.clone());
    Ok(match waiting.answers(transport).await {
        Answers::Stream(response) => response,
        Answers::Plain(answers) if answers.is_empty() && refused.is_empty() => nothing(),
        Answers::Plain(answers) => {
            response::json(StatusCode::OK, StreamBody::answers(refused, answers))
        }
    })
}

/// What has been done with a batch so far.
struct Taken<'a> {
    transport: &'a StreamTransport,
    route: &'a Route,
    record: &'a Record,
    inbox: Result<Inbox, Fault>,
    permit: Option<Permit>,
    open: SmallVec<[OpenCall; 1]>,
    /// Errors for elements that were not taken in.
    refused: Vec<Bytes>,
    accepted: usize,
    /// Why the first that was not taken in was not.
    first: Option<Refusal>,
}

impl Taken<'_> {
    fn element(&mut self, element: Result<Message, Rejected>, last: bool) {
        // The messages share one buffer, so one of them holds what it weighs.
        let permit = if last { self.permit.take() } else { None };
        let message = match element {
            Ok(message) => message,
            Err(mut rejected) => {
                let id = rejected.id.take();
                return self.refuse(id.as_ref(), Refusal::Message(rejected));
            }
        };
        if is_initialize(&message) {
            let Message::Request(request) = &message else {
                return;
            };
            return self.refuse(Some(&request.id), Refusal::InitializeInBatch);
        }
        match message {
            Message::Request(request) => {
                let id = request.id.clone();
                let in_flight = self.route.metrics.in_flight(Wire::StreamLegacy, Instant::now());
                let (reply, intake) = self.transport.outlet();
                let sent = self.inbox.as_ref().map_err(Clone::clone).and_then(|inbox| {
                    let message = Message::Request(request);
                    inbox.send(self.record.session(), message, &reply, permit)
                });
                match sent {
                    Ok(()) => {
                        self.accepted += 1;
                        self.open.push(OpenCall { id, intake, in_flight });
                    }
                    Err(fault) => {
                        let refusal = Refusal::Fault(fault);
                        in_flight.finish(refusal.outcome());
                        self.refused.push(error_body(Some(&id), &refusal.error()));
                        self.first.get_or_insert(refusal);
                    }
                }
            }
            Message::Response(answer) => {
                let sent = answer_question(self.record, answer, permit);
                self.noted(sent);
            }
            Message::Notification(_) => {
                let session = self.record.session();
                let sent = self.inbox.as_ref().map_err(Clone::clone);
                let sent = sent
                    .and_then(|inbox| inbox.send(session, message, session.outlet(), permit))
                    .map_err(Refusal::Fault);
                self.noted(sent);
            }
        }
    }

    /// What wants no answer gets none; its refusal is told only if nothing else is.
    fn noted(&mut self, sent: Result<(), Refusal>) {
        match sent {
            Ok(()) => self.accepted += 1,
            Err(refusal) => {
                self.first.get_or_insert(refusal);
            }
        }
    }

    fn refuse(&mut self, id: Option<&Id>, refusal: Refusal) {
        let in_flight = self.route.metrics.in_flight(Wire::StreamLegacy, Instant::now());
        in_flight.finish(refusal.outcome());
        self.refused.push(error_body(id, &refusal.error()));
        self.first.get_or_insert(refusal);
    }
}
