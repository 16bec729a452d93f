//! The legacy era of Streamable HTTP: 2025-03-26, 2025-06-18 and 2025-11-25.
//!
//! Owns which checks come in which order, and what each HTTP method does. Must not know what the
//! messages mean, except that `initialize` opens a session.

mod batch;
mod initialize;
mod request;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use standpipe_core::budget::Permit;
use standpipe_core::connection::Session;
use standpipe_core::fault::FaultKind;
use standpipe_core::message::{Incoming, Message, Response as Answer, parse_body};
use standpipe_core::protocol::{ProtocolVersion, method};
use standpipe_core::trace;
use standpipe_metrics::{Dropped, Wire};
use tokio::time::Instant;

use crate::event_body::EventBody;
use crate::headers::{self, Media, Named, StreamId};
use crate::listening::{MAX_LISTENERS, Unlistened};
use crate::refusal::{EventIdFault, Refusal, Refused};
use crate::response::{self, StreamBody};
use crate::session::{Record, Resumed};
use crate::transport::{Route, StreamTransport};
use crate::usage::InUse;
use crate::{body, modern};

/// The revisions that are served over this transport, newest first.
pub(crate) const SERVED: [ProtocolVersion; 3] =
    [ProtocolVersion::V2025_11_25, ProtocolVersion::V2025_06_18, ProtocolVersion::V2025_03_26];

/// What is allowed here.
const METHODS: &str = "GET, POST, DELETE";

/// Serves one request. What is claimed is not held against the session's own version: clients are
/// known that send the one they asked for instead of the one they got, and nothing depends on it.
pub(crate) async fn handle<B>(
    transport: &StreamTransport,
    route: &Route,
    claimed: Option<ProtocolVersion>,
    request: &mut Request<B>,
) -> Response<StreamBody>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let headers = request.headers();
    let answer = match *request.method() {
        Method::POST => post(transport, route, request).await,
        Method::GET | Method::DELETE if claimed.is_none() && names_nothing(headers) => {
            // Of no era that has this method.
            Err(Refusal::Method { allow: "POST" }.into())
        }
        Method::GET => get(transport, route, headers),
        Method::DELETE => delete(transport, route, headers),
        _ => Err(Refusal::Method { allow: METHODS }.into()),
    };
    answer.unwrap_or_else(|refused| {
        tracing::debug!(
            service = %route.gate.service(),
            method = %request.method(),
            status = refused.refusal.status().as_u16(),
            reason = %refused.refusal,
            "request refused"
        );
        refused.into_response()
    })
}

/// A POST carries messages to the server (2025-11-25, "Sending Messages to the Server").
async fn post<B>(
    transport: &StreamTransport,
    route: &Route,
    http: &mut Request<B>,
) -> Result<Response<StreamBody>, Refused>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let began = Instant::now();
    let (incoming, permit) = match receive(transport, route, http).await {
        Ok(received) => received,
        Err(refused) => {
            count(route, &refused, began);
            return Err(refused);
        }
    };
    // What is rare is boxed: a connection has room for the largest future of all.
    if modern::is_modern(&incoming) {
        let served = modern::serve(transport, route, http.headers(), incoming, permit, began);
        return Box::pin(served).await;
    }
    if let Incoming::Single(message) = &incoming {
        trace::message(message);
    }
    match incoming {
        Incoming::Single(Message::Request(request)) => {
            let id = request.id.clone();
            let answer = if &*request.method == method::INITIALIZE {
                let headers = http.headers();
                Box::pin(initialize::serve(transport, route, headers, request, permit)).await
            } else {
                request::serve(transport, route, http, request, permit, began).await
            };
            answer.map_err(|refusal| Refused { refusal, id: Some(id) })
        }
        Incoming::Single(message) => {
            Box::pin(accept(transport, route, http.headers(), message, permit)).await
        }
        Incoming::Batch(elements) => {
            let served = batch::serve(transport, route, http.headers(), elements, permit);
            Box::pin(served).await.inspect_err(|refused| count(route, refused, began))
        }
    }
}

/// Checks the headers and reads the body.
async fn receive<B>(
    transport: &StreamTransport,
    route: &Route,
    request: &mut Request<B>,
) -> Result<(Incoming, Permit), Refused>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let limit = route.gate.settings().max_message_bytes;
    if let Some(refusal) = headers::unreadable(request.headers()) {
        let peek = body::peek_id(request, route.gate.settings(), transport.bodies());
        return Err(Refused { refusal, id: Box::pin(peek).await });
    }
    let (bytes, permit) =
        body::read(request, limit, transport.bodies()).await.map_err(Refusal::Body)?;
    let incoming = parse_body(&bytes).map_err(|mut rejected| Refused {
        id: rejected.id.take(),
        refusal: Refusal::Message(rejected),
    })?;
    Ok((incoming, permit))
}

/// Takes in a message that wants no answer.
async fn accept(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
    message: Message,
    permit: Permit,
) -> Result<Response<StreamBody>, Refused> {
    let (record, _in_use) = session(transport, route, headers)?;
    let session = record.session();
    match message {
        Message::Response(answer) => answer_question(&record, answer, Some(permit))?,
        other => {
            let way_in = if is_about_a_call(&other) {
                session.inbox_of_calls().await
            } else {
                session.inbox().await
            };
            let inbox = way_in.map_err(Refusal::Fault)?;
            inbox.send(session, other, session.outlet(), Some(permit)).map_err(Refusal::Fault)?;
        }
    }
    Ok(response::bare(StatusCode::ACCEPTED))
}

/// Passes the answer to a child's question on to the child that asked, whoever serves the session by
/// now. An answer to no open question is dropped.
fn answer_question(record: &Record, answer: Answer, permit: Option<Permit>) -> Result<(), Refusal> {
    let session = record.session();
    let Some(inbox) = session.take_question(&answer.id) else {
        record.metrics().dropped(Dropped::UnknownQuestion, 1);
        return Ok(());
    };
    let message = Message::Response(answer);
    inbox.send(session, message, session.outlet(), permit).map_err(Refusal::Fault)
}

/// A GET opens a stream for messages that belong to no request, or resumes any stream
/// (2025-11-25, "Listening for Messages from the Server", "Resumability and Redelivery").
fn get(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
) -> Result<Response<StreamBody>, Refused> {
    if !headers::accepts(headers, Media::EventStream) {
        return Err(Refusal::Accept("text/event-stream").into());
    }
    let (record, _in_use) = session(transport, route, headers)?;
    if transport.shutdown().is_cancelled() {
        return Err(Refusal::Fault(route.gate.fault(FaultKind::Draining)).into());
    }
    let resume = match headers::last_event(headers)? {
        None => None,
        Some(id) => match id.stream {
            StreamId::Listener(number) => Some((number, id.event)),
            StreamId::Call(number) => {
                let found = record.resume(number, id.event).map_err(Refusal::EventId)?;
                let Resumed::Stream(stream) = found else {
                    // The client has all of it: "No Content" is how it is told not to come back
                    // (HTML Living Standard, "Server-sent events").
                    return Ok(response::bare(StatusCode::NO_CONTENT));
                };
                let body = EventBody::resume(&record, stream, id.event, transport.shutdown());
                return Ok(response::event_stream(StreamBody::events(body)));
            }
        },
    };
    let place = record.listening().attach(resume);
    let place = place.map_err(|why| match why {
        Unlistened::TooMany => Refusal::TooManyListeners(MAX_LISTENERS),
        Unlistened::Unknown => Refusal::EventId(EventIdFault::Unknown),
    })?;
    let primed = is_primed(&record);
    let body = EventBody::listen(&record, place, primed, transport.shutdown());
    Ok(response::event_stream(StreamBody::events(body)))
}

/// A DELETE ends the session (2025-11-25, "Session Management").
fn delete(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
) -> Result<Response<StreamBody>, Refused> {
    let (record, _in_use) = session(transport, route, headers)?;
    transport.table().end(record.session().id());
    Ok(response::bare(StatusCode::NO_CONTENT))
}

/// The session that the request names.
fn session(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
) -> Result<(Arc<Record>, InUse), Refusal> {
    let id = match headers::session(headers)? {
        Named::Nothing => return Err(Refusal::SessionMissing),
        Named::Impossible => return Err(Refusal::SessionUnknown),
        Named::Session(id) => id,
    };
    let found = transport.table().find(id, route.gate.service()).ok_or(Refusal::SessionUnknown)?;
    name_session(found.0.session());
    Ok(found)
}

/// Names the session in the request's trace and on its log lines: shortened, for the whole id is a
/// credential.
fn name_session(session: &Session) {
    trace::session(session.id(), Some(session.profile().version));
}

/// Whether the session's client understands events without data; older ones choke on them.
fn is_primed(record: &Record) -> bool {
    record.session().profile().version >= ProtocolVersion::V2025_11_25
}

fn names_nothing(headers: &HeaderMap) -> bool {
    matches!(headers::session(headers), Ok(Named::Nothing))
}

/// Whether it is about a call or a question that is open, wherever new ones go.
fn is_about_a_call(message: &Message) -> bool {
    matches!(message, Message::Notification(told)
        if matches!(&*told.method, method::CANCELLED | method::PROGRESS))
}

fn is_initialize(message: &Message) -> bool {
    matches!(message, Message::Request(request) if &*request.method == method::INITIALIZE)
}

fn count(route: &Route, refused: &Refused, began: Instant) {
    let outcome = refused.refusal.outcome();
    let took = began.elapsed();
    route.metrics.request(Wire::StreamLegacy, outcome, took);
}
