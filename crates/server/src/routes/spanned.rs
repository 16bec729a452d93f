//! An event stream whose log lines name the request that opened it.
//!
//! Owns nothing but that. It must not know what is sent. It exists because a body is read, and
//! dropped, after the request was served, by the connection and not by the request's own task.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body::{Frame, SizeHint};
use tracing::Span;

/// Puts the body of an event stream into `span`. Other bodies have nothing to say.
pub(super) fn spanned(response: Response<Body>, span: Span) -> Response<Body> {
    let streams = response.headers().get(CONTENT_TYPE).is_some_and(is_event_stream);
    if !streams || span.is_disabled() {
        return response;
    }
    response.map(|body| Body::new(Spanned { body, span }))
}

fn is_event_stream(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(b"text/event-stream")
}

#[derive(Debug)]
struct Spanned {
    body: Body,
    span: Span,
}

impl http_body::Body for Spanned {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, span } = &mut *self;
        span.in_scope(|| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Spanned {
    fn drop(&mut self) {
        // Its end may be a line of the log as well.
        let body = std::mem::take(&mut self.body);
        self.span.in_scope(|| drop(body));
    }
}
