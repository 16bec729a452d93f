//! The body of an answer.
//!
//! Owns one type for what all parts of the program send. It must not know what is sent. It exists so
//! that a small answer goes to its connection as it is, without a box around it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use standpipe_transport_stream::StreamBody;

/// A body.
#[derive(Debug)]
pub struct ReplyBody(Kind);

#[derive(Debug)]
enum Kind {
    Stream(StreamBody),
    Boxed(Body),
}

impl ReplyBody {
    /// Any body.
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        Self(Kind::Boxed(Body::new(body)))
    }
}

impl From<StreamBody> for ReplyBody {
    fn from(body: StreamBody) -> Self {
        Self(Kind::Stream(body))
    }
}

impl From<Body> for ReplyBody {
    fn from(body: Body) -> Self {
        Self(Kind::Boxed(body))
    }
}

impl Default for ReplyBody {
    fn default() -> Self {
        Body::empty().into()
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.0 {
            Kind::Stream(body) => match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
                Some(Err(never)) => match never {},
                None => Poll::Ready(None),
            },
            Kind::Boxed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Stream(body) => body.is_end_stream(),
            Kind::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Stream(body) => body.size_hint(),
            Kind::Boxed(body) => body.size_hint(),
        }
    }
}
