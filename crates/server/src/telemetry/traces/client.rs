//! Posts batches of spans to the collector.
//!
//! Owns one exchange of HTTP/1.1. It must not know what is posted. It exists because the server has
//! hyper already, and a client for one plain POST needs no library of its own. It logs nothing and
//! opens no spans: it would trace itself.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The most that is read of a collector's answer, in bytes; one that says more has failed.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The port of a URL that names none.
const DEFAULT_PORT: u16 = 80;

/// A batch was not posted.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// The URL names no host.
    #[error("the endpoint names no host")]
    NoHost,
    /// The collector did not answer in time.
    #[error("the collector did not answer within {0:?}")]
    TooSlow(Duration),
}

/// A client that opens a connection for every exchange: there is one in a second or so.
#[derive(Debug)]
pub(super) struct PostClient {
    timeout: Duration,
}

impl PostClient {
    /// A client whose exchanges take at most `timeout`, connecting and reading included.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout }
    }
}

impl HttpClient for PostClient {
    fn send_bytes<'client, 'future>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'client: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            match timeout(self.timeout, exchange(request)).await {
                Ok(answered) => answered,
                Err(_) => Err(PostError::TooSlow(self.timeout).into()),
            }
        })
    }
}

async fn exchange(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    let host = head.uri.host().ok_or(PostError::NoHost)?;
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = head.uri.port_u16().unwrap_or(DEFAULT_PORT);
    let authority = head.uri.authority().map_or(host, |authority| authority.as_str());
    head.headers.insert(HOST, HeaderValue::try_from(authority)?);
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(path) = head.uri.path_and_query().cloned() {
        head.uri = path.into();
    }
    let stream = TcpStream::connect((name, port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let talk = async move {
        let answer = sender.send_request(Request::from_parts(head, Full::new(body))).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    tokio::pin!(talk, connection);
    // The connection does the work; its end comes before the answer's only when that is broken off.
    tokio::select! {
        answered = &mut talk => answered,
        closed = &mut connection => {
            closed?;
            talk.await
        }
    }
}
