//! An event stream whose log lines name the request that opened it.
//!
//! Owns nothing but that. It must not know what is sent. It exists because a body is read, and
//! dropped, after the request was served, by the connection and not by the request's own task.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body::{Frame, SizeHint};
use standpipe_core::trace::Trace;

use crate::reply::ReplyBody;

/// Has the body of an event stream be sent as part of the request `named`. Other bodies have nothing
/// to say.
pub(super) fn spanned(response: Response<ReplyBody>, named: Trace) -> Response<ReplyBody> {
    let streams = response.headers().get(CONTENT_TYPE).is_some_and(is_event_stream);
    if !streams {
        return response;
    }
    response.map(|body| ReplyBody::boxed(Spanned { body, named }))
}

fn is_event_stream(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(b"text/event-stream")
}

#[derive(Debug)]
struct Spanned {
    body: ReplyBody,
    named: Trace,
}

impl http_body::Body for Spanned {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, named } = &mut *self;
        named.in_scope(|| Pin::new(body).poll_frame(cx))
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
        self.named.in_scope(|| drop(body));
    }
}
