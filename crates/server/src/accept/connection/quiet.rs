//! Whether a connection has anything to do.
//!
//! Owns when one ends because no request comes, or none that is ever complete. It must not know what
//! a request is. It exists because a timer that is set anew for every request costs more than
//! looking now and then whether there was one.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use http_body::{Body, Frame, SizeHint};
use tokio::time::sleep;

/// A connection on which nothing has happened between two looks ends: after so long at least, and
/// twice as long at most. Longer than common clients keep idle connections, so that they end them and
/// not we.
const BETWEEN_LOOKS: Duration = Duration::from_secs(75);

/// What has been done on one connection: even while it rests, odd while a request is answered.
#[derive(Debug, Default)]
pub(super) struct Quiet(AtomicU64);

/// A request is being answered; it has been when this is dropped.
pub(super) struct Busy(Arc<Quiet>);

impl Quiet {
    /// A request has come. There is one at a time (RFC 9112, section 9.3.2).
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.0.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Waits until nothing has happened for too long.
    pub(super) async fn for_too_long(&self) {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            sleep(BETWEEN_LOOKS).await;
            let now = self.0.load(Ordering::Relaxed);
            if now == seen && now.is_multiple_of(2) {
                return;
            }
            seen = now;
        }
    }
}

impl Busy {
    /// Goes on until the body of `response` has been sent, or is given up.
    pub(super) fn until_the_end_of<B>(self, response: Response<B>) -> Response<Answering<B>> {
        response.map(|body| Answering { body, _busy: self })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A body that is being sent.
pub(super) struct Answering<B> {
    body: B,
    _busy: Busy,
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_without_requests_ends() {
        let quiet = Arc::new(Quiet::default());
        let answering = quiet.busy();
        // However long it takes to answer.
        assert!(timeout(BETWEEN_LOOKS * 10, quiet.for_too_long()).await.is_err());
        drop(answering);
        let began = Instant::now();
        let ended = async {
            quiet.for_too_long().await;
            began.elapsed()
        };
        // One between any two looks.
        let pace = Duration::from_secs(74);
        let requests = async {
            for _ in 0..9 {
                sleep(pace).await;
                drop(quiet.busy());
            }
        };
        let (ended, ()) = tokio::join!(ended, requests);
        assert!(ended > 9 * pace + BETWEEN_LOOKS, "{ended:?}");
        assert!(ended <= 9 * pace + 2 * BETWEEN_LOOKS, "{ended:?}");
    }
}
