//! A response body that keeps its trace open until it has been written.
//!
//! Owns nothing but that. It must not know what the body says.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::call::Call;
use crate::reply::ReplyBody;

/// A body and the trace of the request that it answers.
#[derive(Debug)]
pub(super) struct Traced {
    body: ReplyBody,
    _call: Arc<Call>,
}

impl Traced {
    pub(super) fn new(body: ReplyBody, call: Arc<Call>) -> Self {
        Self { body, _call: call }
    }
}

impl http_body::Body for Traced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
