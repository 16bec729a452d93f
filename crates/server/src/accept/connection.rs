//! One connection, from its acceptance to its end.
//!
//! Owns HTTP/1.1 on one socket. It must not know what requests mean. It exists to join four
//! endings: the client's, the graceful one, the abrupt one, and that of a client that says nothing.

mod joined;
mod quiet;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use joined::Joined;
use quiet::Quiet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// Memory for one request's headers, in bytes; longer ones are answered 431.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// What may end a connection besides itself.
enum Other {
    /// No more requests are wanted.
    Closing,
    /// None has come for too long.
    Quiet,
}

/// How a connection is served, as a function of its socket. `held` is dropped when it ends.
pub(crate) fn serve<H, F, S, B>(
    handler: H,
    closing: CancellationToken,
    aborting: CancellationToken,
    held: impl Send + 'static,
) -> impl FnOnce(S) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    move |stream| {
        Box::pin(async move {
            let _held = held;
            let quiet = Arc::new(Quiet::default());
            let watched = Arc::clone(&quiet);
            // Not an async block: it would have room for the handler's future twice, and the
            // connection keeps that room for as long as it is open.
            let service = service_fn(move |request| {
                let busy = quiet.busy();
                handler(request)
                    .map(|response| Ok::<_, Infallible>(busy.until_the_end_of(response)))
            });
            let mut protocol = http1::Builder::new();
            // A timer of hyper's own would be set anew for every request.
            protocol.header_read_timeout(None).max_buf_size(MAX_HEADER_BYTES);
            let mut connection =
                pin!(protocol.serve_connection(Joined(TokioIo::new(stream)), service));
            // In a set of one, which looks at it when it has been woken: not for every request.
            let mut others = FuturesUnordered::new();
            others.push(async move {
                tokio::select! {
                    () = closing.cancelled() => Other::Closing,
                    () = watched.for_too_long() => Other::Quiet,
                }
            });
            let ended = tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                Some(other) = others.next() => match other {
                    Other::Closing => {
                        connection.as_mut().graceful_shutdown();
                        tokio::select! {
                            ended = connection.as_mut() => ended,
                            () = aborting.cancelled() => Ok(()),
                        }
                    }
                    Other::Quiet => {
                        tracing::debug!("connection ended: no request came");
                        Ok(())
                    }
                },
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
        })
    }
}
