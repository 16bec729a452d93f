//! What goes back over HTTP: [`StreamBody`], and the heads of the responses.
//!
//! Owns the headers of each kind of response. Must not know why one is given.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;
use standpipe_core::budget::Permit;
use standpipe_core::connection::Delivery;
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::message::{Message, Outcome as Ended, Response as Answer};
use standpipe_metrics::Outcome;

use crate::event_body::EventBody;
use crate::events::held;
use crate::modern::ModernBody;

/// Tells nginx and its kin not to hold events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The body of a response: whole, or a stream of events.
pub struct StreamBody(Kind);

enum Kind {
    Whole(Whole),
    Events(Box<EventBody>),
    Modern(Box<ModernBody>),
}

struct Whole {
    first: Bytes,
    rest: VecDeque<Bytes>,
    /// Of one small answer. What is larger holds its permit itself: a connection may keep it for
    /// longer than this lives.
    _permit: Option<Permit>,
}

impl StreamBody {
    /// No bytes.
    pub(crate) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// These bytes.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(Whole { first: bytes, rest: VecDeque::new(), _permit: None }))
    }

    pub(crate) fn events(body: EventBody) -> Self {
        Self(Kind::Events(Box::new(body)))
    }

    pub(crate) fn modern(body: ModernBody) -> Self {
        Self(Kind::Modern(Box::new(body)))
    }

    /// One message as JSON.
    pub(crate) fn answer(delivery: Delivery) -> Self {
        let encoded = delivery.message.encode();
        if encoded.body.is_empty() {
            let rest = VecDeque::new();
            return Self(Kind::Whole(Whole {
                first: encoded.head,
                rest,
                _permit: delivery.permit,
            }));
        }
        let body = held(encoded.body, delivery.permit.map(Arc::new));
        let rest = VecDeque::from([body, encoded.tail]);
        Self(Kind::Whole(Whole { first: encoded.head, rest, _permit: None }))
    }

    /// Several messages as a JSON array: some written already, and others.
    pub(crate) fn answers(texts: Vec<Bytes>, deliveries: SmallVec<[Delivery; 1]>) -> Self {
        let mut rest = VecDeque::new();
        let texts = texts.into_iter().map(|text| [text, Bytes::new(), Bytes::new()]);
        for message in texts.chain(deliveries.into_iter().map(pieces)) {
            if !rest.is_empty() {
                rest.push_back(Bytes::from_static(b","));
            }
            rest.extend(message.into_iter().filter(|piece| !piece.is_empty()));
        }
        rest.push_back(Bytes::from_static(b"]"));
        Self(Kind::Whole(Whole { first: Bytes::from_static(b"["), rest, _permit: None }))
    }
}

/// The text of a message; its permit is held until the largest piece has left the process.
fn pieces(delivery: Delivery) -> [Bytes; 3] {
    let encoded = delivery.message.encode();
    let permit = delivery.permit.map(Arc::new);
    if encoded.body.is_empty() {
        [held(encoded.head, permit), encoded.body, encoded.tail]
    } else {
        [encoded.head, held(encoded.body, permit), encoded.tail]
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut self.0 {
            Kind::Events(events) => std::task::ready!(events.poll_piece(cx)),
            Kind::Modern(events) => std::task::ready!(events.poll_piece(cx)),
            Kind::Whole(whole) if whole.first.is_empty() => whole.rest.pop_front(),
            Kind::Whole(whole) => Some(std::mem::take(&mut whole.first)),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(whole) => whole.first.is_empty() && whole.rest.is_empty(),
            Kind::Events(events) => events.is_over(),
            Kind::Modern(events) => events.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(whole) => SizeHint::with_exact(whole.len()),
            Kind::Events(_) | Kind::Modern(_) => SizeHint::default(),
        }
    }
}

impl Whole {
    fn len(&self) -> u64 {
        let rest: usize = self.rest.iter().map(Bytes::len).sum();
        (self.first.len() + rest) as u64
    }
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Whole(whole) => write!(f, "StreamBody({} bytes)", whole.len()),
            Kind::Events(_) | Kind::Modern(_) => f.write_str("StreamBody(events)"),
        }
    }
}

/// A JSON response. Its length is the body's to tell.
pub(crate) fn json(status: StatusCode, body: StreamBody) -> Response<StreamBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A response that is an event stream.
pub(crate) fn event_stream(body: StreamBody) -> Response<StreamBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// A response without a body.
pub(crate) fn bare(status: StatusCode) -> Response<StreamBody> {
    let mut response = Response::new(StreamBody::empty());
    *response.status_mut() = status;
    response
}

/// How a request that was answered like this is counted.
pub(crate) fn outcome(delivery: &Delivery) -> Outcome {
    match (&delivery.fault, &delivery.message) {
        (Some(fault), _) => outcome_of(fault),
        (None, Message::Response(Answer { outcome: Ended::Error(_), .. })) => Outcome::Error,
        _ => Outcome::Ok,
    }
}

/// How a request that failed like this is counted.
pub(crate) fn outcome_of(fault: &Fault) -> Outcome {
    match fault.kind {
        FaultKind::ChildGone(_) => Outcome::Died,
        FaultKind::Timeout(_) => Outcome::Timeout,
        FaultKind::RequestTooLarge { .. }
        | FaultKind::Unfit(_)
        | FaultKind::SessionOver
        | FaultKind::Removed => Outcome::Rejected,
        FaultKind::AnswerTooLarge { .. } | FaultKind::MalformedAnswer(_) => Outcome::Error,
        FaultKind::Starting
        | FaultKind::StartFailed(_)
        | FaultKind::CoolingDown(_)
        | FaultKind::CrashLoop
        | FaultKind::Draining
        | FaultKind::TooManyInstances
        | FaultKind::Overloaded
        | FaultKind::AnswersHeld => Outcome::Unavailable,
    }
}
