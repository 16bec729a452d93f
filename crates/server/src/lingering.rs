//! Reading the rest of a request that was answered before it had been read.
//!
//! Owns what happens to a body that nobody wants. It must not know why. It exists because a client
//! that is still sending when its connection is closed sees a broken pipe, and not the answer that
//! says what was wrong with its request.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Of a body that nobody wants, so much is read and thrown away, in bytes. A client that sends
/// more is cut off.
const MOST: u64 = 256 * 1024 * 1024;

/// And for so long. A client that takes longer is cut off.
const LONGEST: Duration = Duration::from_secs(10);

/// A request's body that is read to its end even when it is dropped before.
#[derive(Debug)]
pub(crate) struct Lingering<B: Body<Data = Bytes> + Send + Unpin + 'static> {
    /// `None` once it has been read to its end, or has failed.
    body: Option<B>,
    /// The client asked whether to send it (`Expect: 100-continue`), and has not been told.
    asks: bool,
    tasks: TaskTracker,
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Lingering<B> {
    /// A body whose rest, if it is dropped, is read by one of `tasks`. Where its client `asks` whether
    /// to send it and nobody began to read, there is no rest: to read it would be to ask for it.
    pub(crate) fn new(body: B, asks: bool, tasks: &TaskTracker) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        Self { body, asks, tasks: tasks.clone() }
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Body for Lingering<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.asks = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(Pin::new(&mut *body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Drop for Lingering<B> {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|_| !self.asks) else { return };
        // Without a runtime there is no connection either.
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.spawn_on(discard(body), &runtime);
        }
    }
}

async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let reading = async {
        let mut total = 0;
        while let Some(Ok(frame)) = body.frame().await {
            total += frame.data_ref().map_or(0, |data| data.len() as u64);
            if total > MOST {
                return;
            }
        }
    };
    let _cut_off = timeout(LONGEST, reading).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Ten frames, counted as they are read.
    #[derive(Clone)]
    struct Frames(Arc<AtomicUsize>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let read = self.0.fetch_add(1, Ordering::Relaxed);
            Poll::Ready((read < 10).then(|| Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    #[tokio::test]
    async fn what_is_dropped_is_read_to_its_end() {
        let read = Arc::new(AtomicUsize::new(0));
        let tasks = TaskTracker::new();
        let mut body = Lingering::new(Frames(Arc::clone(&read)), true, &tasks);
        body.frame().await.expect("a frame").expect("it is read");
        drop(body);
        tasks.close();
        tasks.wait().await;
        assert_eq!(read.load(Ordering::Relaxed), 11, "ten frames and the end");
    }

    #[tokio::test]
    async fn what_was_not_asked_for_is_not_read() {
        let read = Arc::new(AtomicUsize::new(0));
        let tasks = TaskTracker::new();
        drop(Lingering::new(Frames(Arc::clone(&read)), true, &tasks));
        assert!(tasks.is_empty());
        assert_eq!(read.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_was_read_needs_nobody() {
        let tasks = TaskTracker::new();
        let body = Lingering::new(Frames(Arc::default()), false, &tasks);
        assert_eq!(body.collect().await.expect("it is read").to_bytes().len(), 10);
        assert!(tasks.is_empty());
    }
}
