//! The floor: what any proxy has to do, and nothing else. hyper, one shared child (or several, told
//! apart by the path), and ids that are replaced in the raw bytes.
//!
//! Owns the child's pipes and the table of open calls. Must not know of Standpipe; there are no
//! limits, no checks and no supervision. One thread unless `--threads` says otherwise: the child
//! and the load generator need the other core.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use slab::Slab;
use standpipe_bench::arguments::Arguments;
use standpipe_bench::opening;
use standpipe_bench::reply::{self, Reply};
use standpipe_bench::scan::{self, Span};
use standpipe_bench::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{Notify, mpsc, oneshot};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The child's answers come in reads of this size.
const READ: usize = 256 * 1024;

/// Messages from this size on are not copied into the common buffer.
const LARGE: usize = 16 * 1024;

/// Events that may wait for one client; more are lost.
const WAITING: usize = 1024;

/// How many slices one write takes.
const SLICES: usize = 64;

/// Where an answer goes.
enum Sink {
    /// The response of its request, as JSON.
    Once(oneshot::Sender<[Bytes; 3]>),
    /// The response of its request, as an event stream that ends with it.
    Events(mpsc::Sender<Bytes>),
    /// An HTTP+SSE session's stream.
    Session(mpsc::Sender<Bytes>),
}

struct Call {
    body: Bytes,
    id: Span,
    token: Option<Span>,
    sink: Sink,
}

#[derive(Default)]
struct Table {
    calls: Slab<Call>,
    sessions: Slab<mpsc::Sender<Bytes>>,
    minted: u64,
    large: VecDeque<Bytes>,
    small: BytesMut,
}

struct Floor {
    table: Mutex<Table>,
    written: Notify,
    /// The child's answer to the opening, around the id.
    opening: [Bytes; 2],
}

fn main() -> io::Result<Infallible> {
    let mut arguments = Arguments::of_process();
    let listen = arguments.one("--listen")?.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    let threads = arguments.one("--threads")?.unwrap_or(1);
    let is_modern = arguments.flag("--modern");
    let children = arguments.one("--children")?.unwrap_or(1);
    let command = arguments.finish()?;
    serve::run(listen, threads, || {
        let all = (0..children).map(|_| start(&command, is_modern)).collect::<io::Result<Vec<_>>>();
        let all = Arc::new(all?);
        Ok(move |request: Request<Incoming>| {
            let floor = &all[serve::service_of(request.uri().path()).min(all.len() - 1)];
            answer(Arc::clone(floor), request)
        })
    })
}

/// Starts the child, opens it, and leaves its pipes to two tasks.
fn start(command: &[String], is_modern: bool) -> io::Result<Arc<Floor>> {
    let opened = opening::open(command, is_modern)?;
    let floor =
        Arc::new(Floor { table: Mutex::default(), written: Notify::new(), opening: opened.answer });
    let stdin = pipe::Sender::from_owned_fd(OwnedFd::from(opened.stdin))?;
    let stdout = pipe::Receiver::from_owned_fd(OwnedFd::from(opened.stdout))?;
    tokio::spawn(write(Arc::clone(&floor), stdin));
    tokio::spawn(read(Arc::clone(&floor), stdout));
    Ok(floor)
}

async fn answer(floor: Arc<Floor>, mut request: Request<Incoming>) -> Response<Reply> {
    if request.method() == Method::GET {
        return floor.session();
    }
    let Ok(body) = serve::body(&mut request).await else {
        return reply::empty(400);
    };
    let Some(message) = scan::message(&body) else {
        return reply::empty(if request.method() == Method::DELETE { 200 } else { 400 });
    };
    let (Some(id), Some(method)) = (message.id, message.method) else {
        return reply::empty(202);
    };
    let session = request
        .uri()
        .query()
        .and_then(|query| query.strip_prefix("session=")?.parse().ok())
        .and_then(|session: usize| floor.table().sessions.get(session).cloned());
    if method.of(&body) == b"initialize" {
        return floor.initialize(session.as_ref(), body.slice(id.start..id.end));
    }
    let call = |sink, body| Call { body, id, token: message.token, sink };
    if let Some(session) = session {
        floor.send(call(Sink::Session(session), body));
        return reply::empty(202);
    }
    if message.token.is_some() {
        let (sender, receiver) = mpsc::channel(WAITING);
        floor.send(call(Sink::Events(sender), body));
        return reply::events(Reply::Stream(receiver));
    }
    let (sender, receiver) = oneshot::channel();
    floor.send(call(Sink::Once(sender), body));
    receiver.await.map_or_else(|_| reply::empty(502), reply::json)
}

impl Floor {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the stream of an HTTP+SSE session.
    fn session(&self) -> Response<Reply> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let number = self.table().sessions.insert(sender.clone());
        let endpoint = format!("event: endpoint\ndata: /message?session={number}\n\n");
        // A new channel has room.
        let _ = sender.try_send(endpoint.into());
        reply::events(Reply::Stream(receiver))
    }

    fn initialize(&self, session: Option<&mpsc::Sender<Bytes>>, id: Bytes) -> Response<Reply> {
        let [head, tail] = self.opening.clone();
        if let Some(session) = session {
            let _ = session.try_send(event([head, id, tail]));
            return reply::empty(202);
        }
        let mut response = reply::json([head, id, tail]);
        let mut table = self.table();
        table.minted += 1;
        if let Ok(session) = HeaderValue::from_str(&format!("{:032x}", table.minted)) {
            response.headers_mut().insert(SESSION, session);
        }
        response
    }

    /// Puts a call into the table, and its bytes, with our number for its id and its token, into
    /// what is written next.
    fn send(&self, call: Call) {
        let (body, id, token) = (call.body.clone(), call.id, call.token);
        let mut table = self.table();
        let number = table.calls.insert(call).to_string();
        let mut spans = [Some(id), token];
        if token.is_some_and(|token| token.start < id.start) {
            spans.reverse();
        }
        let mut from = 0;
        for span in spans.into_iter().flatten() {
            table.put(body.slice(from..span.start));
            table.small.put_slice(number.as_bytes());
            from = span.end;
        }
        table.put(body.slice(from..));
        table.small.put_u8(b'\n');
        drop(table);
        self.written.notify_one();
    }

    /// Hands one line of the child to whom it is for.
    fn receive(&self, line: &Bytes) {
        let Some(message) = scan::message(line) else {
            return;
        };
        let number = |span: Span| std::str::from_utf8(span.of(line)).ok()?.parse::<usize>().ok();
        let mut table = self.table();
        if let Some(span) = message.id {
            let Some(call) = number(span).and_then(|number| table.calls.try_remove(number)) else {
                return;
            };
            drop(table);
            let parts = splice(line, span, &call.body, call.id);
            match call.sink {
                Sink::Once(sender) => drop(sender.send(parts)),
                Sink::Events(sender) | Sink::Session(sender) => drop(sender.try_send(event(parts))),
            }
        } else if let Some(span) = message.token
            && let Some(call) = number(span).and_then(|number| table.calls.get(number))
            && let Some(token) = call.token
            && let Sink::Events(sender) | Sink::Session(sender) = &call.sink
        {
            let _ = sender.try_send(event(splice(line, span, &call.body, token)));
        }
    }
}

impl Table {
    fn put(&mut self, bytes: Bytes) {
        if bytes.len() < LARGE {
            self.small.put_slice(&bytes);
        } else {
            let before = self.small.split().freeze();
            self.large.extend([before, bytes]);
        }
    }
}

/// What the child said, with the caller's own value in place of ours.
fn splice(line: &Bytes, ours: Span, body: &Bytes, theirs: Span) -> [Bytes; 3] {
    [line.slice(..ours.start), body.slice(theirs.start..theirs.end), line.slice(ours.end..)]
}

fn event(parts: [Bytes; 3]) -> Bytes {
    let mut event = Vec::with_capacity(24 + parts.iter().map(Bytes::len).sum::<usize>());
    event.extend_from_slice(b"event: message\ndata: ");
    for part in parts {
        event.extend_from_slice(part.trim_ascii_end());
    }
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// Writes all that has gathered, as often as something has.
async fn write(floor: Arc<Floor>, mut stdin: pipe::Sender) -> io::Result<()> {
    loop {
        floor.written.notified().await;
        let mut queue = {
            let mut table = floor.table();
            let last = table.small.split().freeze();
            table.large.push_back(last);
            std::mem::take(&mut table.large)
        };
        while let Some(first) = queue.front_mut() {
            if first.is_empty() {
                queue.pop_front();
                continue;
            }
            let slices: Vec<IoSlice<'_>> =
                queue.iter().take(SLICES).map(|bytes| IoSlice::new(bytes)).collect();
            let mut count = stdin.write_vectored(&slices).await?;
            while count > 0 {
                let Some(first) = queue.front_mut() else {
                    break;
                };
                let here = count.min(first.len());
                first.advance(here);
                count -= here;
                if first.is_empty() {
                    queue.pop_front();
                }
            }
        }
    }
}

async fn read(floor: Arc<Floor>, mut stdout: pipe::Receiver) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    let mut searched = 0;
    loop {
        buffer.reserve(READ);
        if stdout.read_buf(&mut buffer).await? == 0 {
            // Every open call is answered with 502 by its dropped sender.
            floor.table().calls.clear();
            return Ok(());
        }
        while let Some(length) = memchr::memchr(b'\n', &buffer[searched..]) {
            let line = buffer.split_to(searched + length + 1).freeze();
            floor.receive(&line);
            searched = 0;
        }
        searched = buffer.len();
    }
}
