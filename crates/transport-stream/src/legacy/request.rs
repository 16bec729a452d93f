//! A request of a session, and how its answer takes shape.
//!
//! Owns the choice between plain JSON and an event stream. Must not know what is asked.

use std::mem::take;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use smallvec::{SmallVec, smallvec};
use standpipe_core::budget::Permit;
use standpipe_core::connection::{Delivery, Intake, Lagged};
use standpipe_core::fault::FaultKind;
use standpipe_core::message::{Message, Request};
use standpipe_metrics::Wire;
use tokio::time::Instant;

use super::{is_primed, session};
use crate::call::{Calls, OpenCall};
use crate::event_body::EventBody;
use crate::refusal::Refusal;
use crate::response::{self, StreamBody};
use crate::session::Record;
use crate::transport::{Route, StreamTransport};
use crate::usage::InUse;

/// An answer that takes longer than this comes on an event stream: that can be kept alive, and
/// resumed when it breaks.
const PLAIN_WITHIN: Duration = Duration::from_secs(1);

/// Serves one request, which began to arrive when it `began`.
pub(super) async fn serve<B>(
    transport: &StreamTransport,
    route: &Route,
    http: &mut http::Request<B>,
    request: Request,
    permit: Permit,
    began: Instant,
) -> Result<Response<StreamBody>, Refusal> {
    let in_flight = route.metrics.in_flight(Wire::StreamLegacy, began);
    let id = request.id.clone();
    let (record, in_use, intake) = match send(transport, route, http, request, permit).await {
        Ok(sent) => sent,
        Err(refusal) => {
            in_flight.finish(refusal.outcome());
            return Err(refusal);
        }
    };
    let call = OpenCall { id, intake, in_flight };
    let calls = Calls::new(&record, in_use, smallvec![call]);
    let mut waiting = Waiting::new(record, calls, Vec::new());
    Ok(match waiting.answers(transport).await {
        Answers::Stream(response) => response,
        Answers::Plain(answers) => match answers.into_iter().next() {
            Some(answer) => plain(answer),
            // Cancelled by its client, which wants no answer any more.
            None => nothing(),
        },
    })
}

async fn send<B>(
    transport: &StreamTransport,
    route: &Route,
    http: &mut http::Request<B>,
    request: Request,
    permit: Permit,
) -> Result<(Arc<Record>, InUse, Intake), Refusal> {
    let (record, in_use) = session(transport, route, http.headers())?;
    // They hold pieces of the connection's buffer, which can be used again without them.
    drop((take(http.headers_mut()), take(http.uri_mut())));
    if transport.shutdown().is_cancelled() {
        return Err(Refusal::Fault(route.gate.fault(FaultKind::Draining)));
    }
    let inbox = record.session().inbox().await.map_err(Refusal::Fault)?;
    let (reply, intake) = transport.outlet();
    let message = Message::Request(request);
    inbox.send(record.session(), message, &reply, Some(permit)).map_err(Refusal::Fault)?;
    Ok((record, in_use, intake))
}

/// One JSON-RPC message as the whole response. An error of ours has its HTTP status; what the child
/// answered is 200, be it a result or an error.
pub(super) fn plain(answer: Delivery) -> Response<StreamBody> {
    let fault = answer.fault.clone();
    let status =
        fault.as_ref().map_or(Ok(StatusCode::OK), |fault| StatusCode::from_u16(fault.status()));
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = response::json(status, StreamBody::answer(answer));
    if let Some(seconds) = fault.and_then(|fault| fault.retry_after()) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// An event stream without an event: a request has to be answered by a stream or by one JSON object
/// (2025-11-25, "Sending Messages to the Server"), and here there is no object.
pub(super) fn nothing() -> Response<StreamBody> {
    response::event_stream(StreamBody::empty())
}

/// What became of the calls of one POST.
pub(super) enum Answers {
    /// All were answered soon, and nothing came before.
    Plain(SmallVec<[Delivery; 1]>),
    /// They are answered on this event stream.
    Stream(Response<StreamBody>),
}

/// Calls whose HTTP response has not begun. When the client goes away meanwhile, the calls go on in
/// the session.
pub(super) struct Waiting {
    record: Arc<Record>,
    calls: Option<Calls>,
    /// Answers that were there before anything was sent on, as text.
    refused: Vec<Bytes>,
    answered: SmallVec<[Delivery; 1]>,
}

impl Waiting {
    pub(super) fn new(record: Arc<Record>, calls: Calls, refused: Vec<Bytes>) -> Self {
        Self { record, calls: Some(calls), refused, answered: SmallVec::new() }
    }

    /// Waits for the answers, or for the reason to open a stream.
    pub(super) async fn answers(&mut self, transport: &StreamTransport) -> Answers {
        let _in_time = transport.patience().within(PLAIN_WITHIN, |cx| self.poll_answered(cx)).await;
        let answered = take(&mut self.answered);
        let Some(calls) = self.calls.take() else {
            return Answers::Plain(answered);
        };
        let stream = self.record.add(calls);
        stream.begin_with(take(&mut self.refused), answered);
        let primed = is_primed(&self.record);
        let body = EventBody::begin(&self.record, stream, primed, transport.shutdown());
        Answers::Stream(response::event_stream(StreamBody::events(body)))
    }

    /// Ready when all were answered, or when something else has come.
    fn poll_answered(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(calls) = &mut self.calls {
            match ready!(calls.poll_next(cx)) {
                Ok(None) => self.calls = None,
                Ok(Some(delivery)) => {
                    let last = delivery.last;
                    self.answered.push(delivery);
                    if !last {
                        break;
                    }
                }
                Err(Lagged) => break,
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(calls) = self.calls.take() {
            let stream = self.record.add(calls);
            // From now on nobody reads it. What becomes of it is seen to with all others.
            let _later = stream.tidy(Instant::now());
        }
    }
}
