//! The control plane from the caller's side.
//!
//! Owns the way to a running Standpipe and back: its socket, or its address with a token. It must not
//! know what is asked or how answers are shown. It exists because a person at a terminal has no HTTP
//! client that speaks through a Unix socket and reads problem details.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use standpipe_core::secret::Redacted;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::problem::Problem;

/// For a connection, and then for an answer to begin. The longest call waits for processes that are
/// stubborn about their end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer, in bytes.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Where a control plane is.
#[derive(Debug, Clone)]
pub enum Target {
    /// A Unix socket.
    Socket(PathBuf),
    /// A TCP address, with the token that opens it.
    Address(Authority, Redacted<HeaderValue>),
}

impl Target {
    /// The target of a URL like `http://127.0.0.1:9086`.
    pub fn url(url: &str, token: &str) -> Result<Self, TargetError> {
        let parsed: Uri = url.parse().map_err(|_| TargetError::Url)?;
        if parsed.scheme() != Some(&Scheme::HTTP) {
            return Err(TargetError::Scheme);
        }
        if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() {
            return Err(TargetError::Path);
        }
        let authority = parsed.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or(TargetError::Url)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::Url);
        }
        let mut shown =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| TargetError::Token)?;
        shown.set_sensitive(true);
        Ok(Self::Address(authority.clone(), Redacted::new(shown)))
    }
}

/// A target that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL with a host.
    #[error("not a URL of a control plane; write one like http://127.0.0.1:9086")]
    Url,
    /// Another scheme.
    #[error("only http:// is spoken here; from elsewhere, go through an SSH tunnel")]
    Scheme,
    /// A path after the address.
    #[error("only the address is needed, without a path")]
    Path,
    /// A token that no header can carry.
    #[error("the token has characters that no token has")]
    Token,
}

/// A call that was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there.
    #[error(
        "no control plane is reached at {}: {source}; is `standpipe serve` running, with this socket? \
         (`--socket`, `control.socket`)", path.display()
    )]
    NoSocket {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody is there.
    #[error("no control plane is reached at http://{address}: {source}")]
    NoAddress {
        /// The address.
        address: Authority,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Whoever is there is silent.
    #[error("the control plane did not answer within {} seconds", PATIENCE.as_secs())]
    Silent,
    /// The conversation broke off.
    #[error("the conversation with the control plane broke off")]
    Exchange(#[source] hyper::Error),
    /// The answer broke off, or is endless.
    #[error("the answer of the control plane cannot be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An answer of another shape.
    #[error(
        "the answer ({status}) is none of a control plane; is there something else at this address?"
    )]
    NotUnderstood {
        /// Its status.
        status: StatusCode,
    },
    /// A refusal.
    #[error("{}", told(.0))]
    Refused(Box<Problem>),
}

/// Asks one control plane.
#[derive(Debug, Clone)]
pub struct Client {
    target: Target,
}

impl Client {
    /// One who asks at `target`.
    pub const fn new(target: Target) -> Self {
        Self { target }
    }

    /// Asks, and reads the whole answer, which is JSON.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: PathAndQuery,
        body: Option<&serde_json::Value>,
    ) -> Result<T, ClientError> {
        let (status, body) = self.exchange(method, path, body).await?;
        serde_json::from_slice(&body).map_err(|_| ClientError::NotUnderstood { status })
    }

    /// Asks for something that has no answer but that it was done.
    pub async fn order(&self, method: Method, path: PathAndQuery) -> Result<(), ClientError> {
        self.exchange(method, path, None).await.map(|_| ())
    }

    /// Asks for a stream, which begins when this returns.
    pub async fn open(&self, path: PathAndQuery) -> Result<Response<Incoming>, ClientError> {
        let response = self.send(Method::GET, path, None).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, body) = whole(response).await?;
        Err(refusal(status, &body))
    }

    async fn exchange(
        &self,
        method: Method,
        path: PathAndQuery,
        body: Option<&serde_json::Value>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let (status, body) = whole(self.send(method, path, body).await?).await?;
        if status.is_success() { Ok((status, body)) } else { Err(refusal(status, &body)) }
    }

    async fn send(
        &self,
        method: Method,
        path: PathAndQuery,
        body: Option<&serde_json::Value>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        *request.uri_mut() = path.into();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Full::from(body.to_string());
        }
        match &self.target {
            Target::Socket(path) => {
                request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
                let no_socket = |source| ClientError::NoSocket { path: path.clone(), source };
                let stream = in_time(UnixStream::connect(path)).await?.map_err(no_socket)?;
                send_through(stream, request).await
            }
            Target::Address(address, token) => {
                let headers = request.headers_mut();
                let host = HeaderValue::try_from(address.as_str());
                headers.insert(
                    HOST,
                    host.map_err(|_| ClientError::NotUnderstood {
                        status: StatusCode::BAD_REQUEST,
                    })?,
                );
                headers.insert(AUTHORIZATION, token.expose().clone());
                let no_address =
                    |source| ClientError::NoAddress { address: address.clone(), source };
                let host = address.host().trim_start_matches('[').trim_end_matches(']');
                let port = address.port_u16().unwrap_or(80);
                let stream =
                    in_time(TcpStream::connect((host, port))).await?.map_err(no_address)?;
                send_through(stream, request).await
            }
        }
    }
}

async fn send_through<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(ClientError::Exchange)?;
    // It ends with the answer, or with this program.
    tokio::spawn(connection);
    in_time(sender.send_request(request)).await?.map_err(ClientError::Exchange)
}

async fn in_time<F: Future>(future: F) -> Result<F::Output, ClientError> {
    timeout(PATIENCE, future).await.map_err(|_| ClientError::Silent)
}

async fn whole(response: Response<Incoming>) -> Result<(StatusCode, Bytes), ClientError> {
    let status = response.status();
    let body = in_time(Limited::new(response.into_body(), MOST_BYTES).collect()).await?;
    Ok((status, body.map_err(ClientError::Body)?.to_bytes()))
}

fn refusal(status: StatusCode, body: &[u8]) -> ClientError {
    match serde_json::from_slice(body) {
        Ok(problem) => ClientError::Refused(Box::new(problem)),
        Err(_) => ClientError::NotUnderstood { status },
    }
}

/// A problem in the words of a terminal: each mistake on a line of its own.
fn told(problem: &Problem) -> String {
    if problem.errors.is_empty() {
        return problem.detail.clone();
    }
    let lines = problem.errors.iter().map(|error| {
        let key = error.pointer.trim_start_matches(['#', '/']).replace('/', ".");
        let key = key.replace("~1", "/").replace("~0", "~");
        if key.is_empty() { error.detail.clone() } else { format!("`{key}`: {}", error.detail) }
    });
    std::iter::once(format!("{}:", problem.title)).chain(lines).collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_and_nothing_else() {
        let good = ["http://127.0.0.1:9086", "http://localhost:1/", "http://[::1]:9086"];
        for url in good {
            assert!(Target::url(url, "0123456789abcdef").is_ok(), "{url}");
        }
        let bad = [
            ("https://127.0.0.1:1", TargetError::Scheme),
            ("127.0.0.1:9086", TargetError::Scheme),
            ("/run/x.sock", TargetError::Scheme),
            ("http://127.0.0.1:1/api", TargetError::Path),
            ("http://127.0.0.1:1/?x", TargetError::Path),
            ("http://u:p@127.0.0.1:1", TargetError::Url),
            ("not a url", TargetError::Url),
        ];
        for (url, expected) in bad {
            assert_eq!(Target::url(url, "0123456789abcdef").unwrap_err(), expected, "{url}");
        }
        assert_eq!(Target::url("http://h", "a\nb").unwrap_err(), TargetError::Token);
    }
}
