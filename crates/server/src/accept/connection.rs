//! One connection, from its acceptance to its end.
//!
//! Owns HTTP/1.1 on one socket. It must not know what requests mean. It exists to join three
//! endings: the client's, the graceful one and the abrupt one.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// From the end of one request, or the beginning of the connection, to the end of the next one's
/// headers. Longer than common clients keep idle connections, so that they end them and not we.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);

/// Memory for one request's headers, in bytes; longer ones are answered 431.
const MAX_HEADER_BYTES: usize = 64 * 1024;

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
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    move |stream| {
        Box::pin(async move {
            let _held = held;
            let service = service_fn(move |request| {
                let response = handler(request);
                async move { Ok::<_, Infallible>(response.await) }
            });
            let mut protocol = http1::Builder::new();
            protocol
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(MAX_HEADER_BYTES);
            let mut connection = pin!(protocol.serve_connection(TokioIo::new(stream), service));
            let ended = tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = closing.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection.as_mut() => ended,
                        () = aborting.cancelled() => Ok(()),
                    }
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
        })
    }
}
