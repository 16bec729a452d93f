//! The accept loop of the two reference servers.
//!
//! Owns the listener, its threads, and hyper on each connection. Must not know what is answered.
//! Every thread has a runtime of its own, and connections are dealt out among them.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::reply::Reply;

/// Connections that may wait for their thread; the accept loop then waits too.
const WAITING: usize = 1024;

/// Serves for ever. `start` runs inside the first thread's runtime and gives the handler.
pub fn run<H, R>(
    listen: SocketAddr,
    threads: usize,
    start: impl FnOnce() -> io::Result<H>,
) -> io::Result<Infallible>
where
    H: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<Reply>> + Send + 'static,
{
    let listener = TcpListener::bind(listen)?;
    let first = runtime()?;
    let handler = {
        let _inside = first.enter();
        start()?
    };
    let mut runtimes = vec![first];
    for _ in 1..threads {
        runtimes.push(runtime()?);
    }
    let senders: Vec<_> = runtimes
        .into_iter()
        .map(|runtime| {
            let (sender, streams) = mpsc::channel(WAITING);
            let handler = handler.clone();
            thread::spawn(move || runtime.block_on(connections(streams, handler)));
            sender
        })
        .collect();
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    for sender in senders.iter().cycle() {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        sender.blocking_send(stream).map_err(io::Error::other)?;
    }
    Err(io::Error::other("there is no thread to serve on"))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

async fn connections<H, R>(mut streams: mpsc::Receiver<TcpStream>, handler: H)
where
    H: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<Reply>> + Send + 'static,
{
    while let Some(stream) = streams.recv().await {
        let Ok(stream) = tokio::net::TcpStream::from_std(stream) else {
            continue;
        };
        let handler = handler.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = handler(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            // A client that is gone is no error of ours.
            let _ = http1::Builder::new()
                .header_read_timeout(None)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The number in a path `/servers/s{number}/…`, and 0 for any other.
pub fn service_of(path: &str) -> usize {
    let number = path.strip_prefix("/servers/s").and_then(|rest| rest.split('/').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Reads a whole body, in one piece and with one copy at most.
pub async fn body(request: &mut Request<Incoming>) -> Result<Bytes, hyper::Error> {
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or_default();
    let body = request.body_mut();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if whole.is_empty() {
            if data.len() >= length {
                return Ok(data);
            }
            whole.reserve(length);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}
