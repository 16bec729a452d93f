//! Where the control plane is served: a Unix socket, a TCP address, both or neither.
//!
//! Owns the sockets and their accept loops. It must not know calls. It exists apart from the loop that
//! serves MCP so that no crowd there can lock the operator out, and nothing of the one is ever reached
//! through the other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::api::{ControlApi, Plane};
use super::socket::{self, SocketError, SocketFile};
use super::token::Token;
use crate::accept::{self, serve_connection};
use crate::config::{AllowedHost, ControlSettings, ControlSocket, ControlTcp, usual_socket};
use crate::edge::Edge;

/// Connections to each of the two at a time, followers of logs included; the next one is told so and
/// closed.
const MOST_CONNECTIONS: usize = 64;

/// After an error accepting rests this long.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// For a refused client to take the refusal.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);

/// What a client hears for whom there is no room; its request is not read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
content-type: application/problem+json\r\n\
content-length: 153\r\n\
retry-after: 1\r\n\
connection: close\r\n\
\r\n\
{\"type\":\"urn:standpipe:problem:connections\",\"title\":\"Too many connections\",\"status\":503,\
\"detail\":\"the control plane has no room for another connection\"}\n";

/// A control plane that cannot be opened as it was configured.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Its address.
    #[error("the control plane cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Sockets that are open and not served yet.
#[derive(Debug, Default)]
pub struct Doors {
    unix: Option<(UnixListener, SocketFile)>,
    tcp: Option<(TcpListener, SocketAddr, Token)>,
}

/// What an accept loop shares with everything else that is served.
#[derive(Debug, Clone)]
pub(crate) struct Endings {
    pub(crate) closing: CancellationToken,
    pub(crate) aborting: CancellationToken,
    pub(crate) connections: TaskTracker,
}

/// Opens what was configured. Where nothing was said about the socket, `by_default` decides whether
/// there is one; if that cannot be made, it is left out with a warning, since nobody asked for it.
pub async fn open(settings: &ControlSettings, by_default: bool) -> Result<Doors, OpenError> {
    let unix = match &settings.socket {
        ControlSocket::At(path) => Some(socket::listen(path).await?),
        ControlSocket::Unsaid if by_default => match socket::listen(&usual_socket()).await {
            Ok(made) => Some(made),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(error, "there is no control socket; `control.socket` sets another");
                None
            }
        },
        ControlSocket::Unsaid | ControlSocket::Off => None,
    };
    let tcp = match &settings.tcp {
        Some(ControlTcp { listen, token }) => {
            let cannot = |source| OpenError::Listen { address: *listen, source };
            let listener = accept::listen(*listen).map_err(cannot)?;
            let address = listener.local_addr().map_err(cannot)?;
            Some((listener, address, Token::new(token.clone())))
        }
        None => None,
    };
    Ok(Doors { unix, tcp })
}

impl Doors {
    /// Serves until `endings` say otherwise. The loops are spawned on `tasks`.
    pub(crate) fn serve(self, plane: &Arc<Plane>, endings: &Endings, tasks: &TaskTracker) {
        if let Some((listener, file)) = self.unix {
            tracing::info!(socket = %file.path().display(), "the control plane is served");
            let edge = Edge { allow_host: vec![AllowedHost::Any], ..plane.app.edge.clone() };
            let api = ControlApi::new(plane, Edge { local: true, ..edge }, None);
            let endings = endings.clone();
            tasks.spawn(async move {
                accept_all(listener, api, endings).await;
                drop(file);
            });
        }
        if let Some((listener, address, token)) = self.tcp {
            tracing::info!(%address, "the control plane is served to those who have its token");
            let edge = Edge { local: address.ip().is_loopback(), ..plane.app.edge.clone() };
            let api = ControlApi::new(plane, edge, Some(token));
            tasks.spawn(accept_all(listener, api, endings.clone()));
        }
    }
}

/// What connections come from.
trait Listener: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection. Cancel safe.
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept().await?;
        let _harmless = stream.set_nodelay(true);
        Ok(stream)
    }
}

async fn accept_all<L: Listener>(listener: L, api: ControlApi, endings: Endings) {
    let seats = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // Refusals that are under way; whoever comes while all are is dropped without a word.
    let refusals = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            biased;
            () = endings.closing.cancelled() => return,
            accepted = listener.next() => accepted,
        };
        let mut stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the control plane cannot be accepted");
                sleep(ERROR_PAUSE).await;
                continue;
            }
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
            let Ok(place) = Arc::clone(&refusals).try_acquire_owned() else { continue };
            endings.connections.spawn(async move {
                let _place = place;
                let refusing = async {
                    stream.write_all(FULL).await?;
                    stream.shutdown().await
                };
                let _cut_off = timeout(REFUSAL_PATIENCE, refusing).await;
            });
            continue;
        };
        let api = api.clone();
        let handler = move |request| api.clone().answer(request);
        let served =
            serve_connection(handler, endings.closing.clone(), endings.aborting.clone(), seat);
        endings.connections.spawn(served(stream));
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::FULL;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        let problem: crate::control::Problem = serde_json::from_str(body).unwrap();
        assert_eq!(problem.status, 503);
    }
}
