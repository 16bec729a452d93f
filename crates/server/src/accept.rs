//! The accept loop: connections in, dealt out among runtimes, each served until it ends.
//!
//! Owns the listening socket, the number of connections, and what happens when there are too many
//! or no descriptors are left. It must not know what requests mean. It exists in place of a ready
//! made server because of exactly these: which runtime serves, clear refusals, recovery by itself.

mod connection;
mod descriptors;
mod refuse;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
pub(crate) use connection::serve as serve_connection;
use descriptors::{Reserve, is_exhaustion};
pub use descriptors::{connections_that_fit, raise_descriptor_limit};
use http::{Request, Response};
use hyper::body::Incoming;
use refuse::Refuser;
use standpipe_metrics::{Metrics, Refusal};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that the kernel keeps for us while we are busy; when it is full new ones wait at
/// the client's side.
const BACKLOG: u32 = 1024;

/// A client that acknowledges nothing for this long, in milliseconds, is gone without having said
/// so: its connection ends, and its event streams with it. Comments on those make sure that there
/// is something to acknowledge.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MS: u32 = 120_000;

/// After an error that is nobody's in particular, accepting rests this long.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// A lasting shortage is logged this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What the loop works with. Every part is shared with others.
#[derive(Debug, Clone)]
pub struct Acceptor {
    /// Connections are dealt out among these, in turn.
    pub runtimes: Vec<Handle>,
    /// Connections that may be open at once.
    pub max_connections: usize,
    /// Cancelled when no new connections are wanted and open ones shall end after their request.
    pub closing: CancellationToken,
    /// Cancelled when connections end at once.
    pub aborting: CancellationToken,
    /// Connections are tracked here; whoever shuts down waits for them.
    pub connections: TaskTracker,
    /// Where connections and refusals are counted.
    pub metrics: Arc<Metrics>,
}

/// Opens the listening socket.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
    }?;
    // A restart must not wait until the kernel has forgotten the last connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Acceptor {
    /// Accepts until `closing` is cancelled. Connections outlive the loop.
    pub async fn run<H, F, B>(self, listener: TcpListener, handler: H)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let mut reserve = Reserve::new();
        let refuser = Refuser::new(self.connections.clone(), self.closing.clone());
        let seats = Arc::new(Semaphore::new(self.max_connections.min(Semaphore::MAX_PERMITS)));
        let mut shortage = Shortage::default();
        let mut turn = 0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _peer)) => stream,
                Err(error) if is_exhaustion(&error) => {
                    shortage.noticed("no file descriptors are left", Some(&error));
                    self.refuse_without_descriptors(&listener, &mut reserve).await;
                    continue;
                }
                // The client gave up while it waited; that is its own affair.
                Err(error) if is_of_one_client(&error) => continue,
                Err(error) => {
                    shortage.noticed("connections cannot be accepted", Some(&error));
                    sleep(ERROR_PAUSE).await;
                    continue;
                }
            };
            let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
                shortage.noticed("the limit of connections is reached", None);
                self.metrics.refused(Refusal::Connections);
                refuser.refuse(stream).await;
                continue;
            };
            shortage.over();
            reserve.refill();
            let served = connection::serve(
                handler.clone(),
                self.closing.clone(),
                self.aborting.clone(),
                (seat, self.metrics.open_connection()),
            );
            self.deal(stream, &mut turn, served);
        }
    }

    /// Hands the connection to the runtime whose turn it is.
    fn deal<S, F>(&self, stream: TcpStream, turn: &mut usize, served: S)
    where
        S: FnOnce(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        // Small answers must not wait for the client's acknowledgement of the last one.
        let _harmless = stream.set_nodelay(true);
        #[cfg(target_os = "linux")]
        let _harmless = rustix::net::sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MS);
        let count = self.runtimes.len().max(1);
        *turn = (*turn + 1) % count;
        let Some(runtime) = self.runtimes.get(*turn).filter(|_| count > 1) else {
            self.connections.spawn(served(stream));
            return;
        };
        // A socket belongs to the runtime that registered it, so it is registered anew.
        let Ok(stream) = stream.into_std() else { return };
        let moved = async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                served(stream).await;
            }
        };
        self.connections.spawn_on(moved, runtime);
    }

    /// Gives the reserved descriptor up for one connection, to tell its client why.
    async fn refuse_without_descriptors(&self, listener: &TcpListener, reserve: &mut Reserve) {
        if !reserve.release() {
            sleep(ERROR_PAUSE).await;
            reserve.refill();
            return;
        }
        // The connection that could not be accepted waits, unless its client has left.
        let waiting = tokio::time::timeout(ERROR_PAUSE, listener.accept()).await;
        if let Ok(Ok((stream, _peer))) = waiting {
            self.metrics.refused(Refusal::FileDescriptors);
            refuse::refuse(stream).await;
        }
        reserve.refill();
    }
}

/// Errors of `accept` that concern only the connection that was to be accepted.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted};
    use io::ErrorKind::{NetworkDown, NetworkUnreachable, PermissionDenied};
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            // A firewall refused it.
            | PermissionDenied
    )
}

/// Logs the beginning and the end of a shortage, and now and then that it goes on.
#[derive(Default)]
struct Shortage {
    logged: Option<Instant>,
}

impl Shortage {
    fn noticed(&mut self, what: &str, error: Option<&io::Error>) {
        if self.logged.is_some_and(|logged| logged.elapsed() < LOG_EVERY) {
            return;
        }
        self.logged = Some(Instant::now());
        let error = error.map(tracing::field::display);
        tracing::warn!(error, "{what}: new clients are answered 503 until that changes");
    }

    fn over(&mut self) {
        if self.logged.take().is_some() {
            tracing::info!("connections are accepted again");
        }
    }
}
