//! Bodies of the reference servers' answers.
//!
//! Owns a body that is a few slices, or what comes over a channel. Must not know what is in it.
//! Large texts are not copied: they are slices of what was read.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::mpsc;

/// Below this size slices are copied into one.
const SMALL: usize = 8 * 1024;

/// A body.
#[derive(Debug)]
pub enum Reply {
    /// Slices, and how many of them are gone.
    Parts([Bytes; 3], usize),
    /// Whatever comes, until the sender is dropped.
    Stream(mpsc::Receiver<Bytes>),
}

impl Reply {
    /// A body of three slices.
    pub fn parts(parts: [Bytes; 3]) -> Self {
        let length: usize = parts.iter().map(Bytes::len).sum();
        if length > SMALL {
            return Self::Parts(parts, 0);
        }
        let mut whole = Vec::with_capacity(length);
        for part in &parts {
            whole.extend_from_slice(part);
        }
        Self::Parts([whole.into(), Bytes::new(), Bytes::new()], 0)
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Parts(parts, gone) => {
                while let Some(part) = parts.get_mut(*gone) {
                    *gone += 1;
                    if !part.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(std::mem::take(part)))));
                    }
                }
                Poll::Ready(None)
            }
            Self::Stream(receiver) => {
                receiver.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Parts(parts, _) => {
                SizeHint::with_exact(parts.iter().map(|part| part.len() as u64).sum())
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// 200 with JSON.
pub fn json(parts: [Bytes; 3]) -> Response<Reply> {
    typed(Reply::parts(parts), "application/json")
}

/// 200 with an event stream.
pub fn events(body: Reply) -> Response<Reply> {
    typed(body, "text/event-stream")
}

/// An answer without a body.
pub fn empty(status: u16) -> Response<Reply> {
    let mut response = Response::new(Reply::parts(Default::default()));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response
}

fn typed(body: Reply, kind: &'static str) -> Response<Reply> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
