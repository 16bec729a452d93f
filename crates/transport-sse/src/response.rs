//! The bodies of all responses.
//!
//! Owns the one body type that the server maps into its own. Must not know what is in a body.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::events::Events;

/// The body of a response: an event stream, or a few bytes.
#[derive(Debug)]
pub struct SseBody(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Bytes),
    Stream(Box<Events>),
}

impl Body for SseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stream(events) => {
                events.poll_bytes(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}

/// The POST was taken; whatever answers it comes on the stream.
pub(crate) fn accepted() -> Response<SseBody> {
    let mut response = Response::new(SseBody(Kind::Whole(Bytes::new())));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// A JSON document.
pub(crate) fn json(status: StatusCode, document: Bytes) -> Response<SseBody> {
    let mut response = Response::new(SseBody(Kind::Whole(document)));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// An event stream, with what keeps intermediaries from holding it back.
pub(crate) fn stream(events: Events) -> Response<SseBody> {
    let mut response = Response::new(SseBody(Kind::Stream(Box::new(events))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
