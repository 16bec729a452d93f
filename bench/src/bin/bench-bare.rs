//! The ceiling: hyper answers the same bytes itself, with no child behind.
//!
//! Owns the answers. Must not know of Standpipe. One thread unless `--threads` says otherwise: on
//! two cores, with the load generator on one of them, a second one is no faster and costs more.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use standpipe_bench::arguments::Arguments;
use standpipe_bench::reply::{self, Reply};
use standpipe_bench::scan::{self, Message};
use standpipe_bench::serve;
use tokio::sync::mpsc;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const INITIALIZE: &[u8] = br#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"bench-bare","version":"1"}}"#;

/// What `blob` answers consists of.
const PATTERN: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

#[derive(Default)]
struct Shared {
    sessions: AtomicU64,
    /// The last blob asked for.
    blob: Mutex<Bytes>,
}

fn main() -> io::Result<Infallible> {
    let mut arguments = Arguments::of_process();
    let listen = arguments.one("--listen")?.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    let threads = arguments.one("--threads")?.unwrap_or(1);
    arguments.finish()?;
    serve::run(listen, threads, || {
        let shared = Arc::new(Shared::default());
        Ok(move |request| answer(Arc::clone(&shared), request))
    })
}

async fn answer(shared: Arc<Shared>, mut request: Request<Incoming>) -> Response<Reply> {
    match *request.method() {
        Method::POST => {}
        Method::GET => return open_stream(),
        Method::DELETE => return reply::empty(200),
        _ => return reply::empty(405),
    }
    let Ok(body) = serve::body(&mut request).await else {
        return reply::empty(400);
    };
    let Some(message) = scan::message(&body) else {
        return reply::empty(400);
    };
    let (Some(id), Some(method)) = (message.id, message.method) else {
        return reply::empty(202);
    };
    let is_modern = request.headers().contains_key("mcp-method");
    let mut head = Vec::with_capacity(160);
    let name = message.name.map_or(&b""[..], |name| name.of(&body));
    let is_stream = name == b"progress_echo";
    if is_stream {
        progress(&mut head, &body, &message);
        head.extend_from_slice(b"event: message\ndata: ");
    }
    head.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    head.extend_from_slice(id.of(&body));
    head.extend_from_slice(br#","result":"#);
    if method.of(&body) != b"tools/call" {
        head.extend_from_slice(INITIALIZE);
        head.push(b'}');
        let mut response = reply::json([head.into(), Bytes::new(), Bytes::new()]);
        if method.of(&body) == b"initialize" {
            let session = format!("{:032x}", shared.sessions.fetch_add(1, Ordering::Relaxed));
            if let Ok(session) = HeaderValue::from_str(&session) {
                response.headers_mut().insert(SESSION, session);
            }
        }
        return response;
    }
    head.extend_from_slice(br#"{"content":[{"type":"text","text":""#);
    let text = match (message.text, message.bytes) {
        (Some(text), _) => body.slice(text.start..text.end),
        (None, Some(size)) => shared.blob(size.of(&body)),
        (None, None) => Bytes::new(),
    };
    let tail: &'static [u8] = match (is_modern, is_stream) {
        (false, false) => br#""}]}}"#,
        (false, true) => b"\"}]}}\n\n",
        (true, false) => br#""}],"resultType":"complete"}}"#,
        (true, true) => b"\"}],\"resultType\":\"complete\"}}\n\n",
    };
    let parts = [head.into(), text, Bytes::from_static(tail)];
    if is_stream { stream(parts) } else { reply::json(parts) }
}

/// The answer's length is not known to the client, as it is with any proxy's event stream.
fn stream(parts: [Bytes; 3]) -> Response<Reply> {
    let (sender, receiver) = mpsc::channel(parts.len());
    for part in parts {
        // There is room for all of them.
        let _ = sender.try_send(part);
    }
    reply::events(Reply::Stream(receiver))
}

/// A GET stream on which nothing ever comes.
fn open_stream() -> Response<Reply> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move { sender.closed().await });
    reply::events(Reply::Stream(receiver))
}

fn progress(head: &mut Vec<u8>, body: &[u8], message: &Message) {
    let Some(token) = message.token else {
        return;
    };
    head.extend_from_slice(b"event: message\ndata: ");
    head.extend_from_slice(
        br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"#,
    );
    head.extend_from_slice(token.of(body));
    head.extend_from_slice(b",\"progress\":1}}\n\n");
}

impl Shared {
    fn blob(&self, size: &[u8]) -> Bytes {
        let size = std::str::from_utf8(size).ok().and_then(|size| size.parse::<usize>().ok());
        let size = size.unwrap_or_default();
        let mut blob = self.blob.lock().unwrap_or_else(PoisonError::into_inner);
        if blob.len() != size {
            *blob = PATTERN.iter().copied().cycle().take(size).collect();
        }
        blob.clone()
    }
}
