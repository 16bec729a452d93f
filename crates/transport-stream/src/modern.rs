//! The modern era of Streamable HTTP: 2026-07-28.
//!
//! Owns which checks come in which order. There are no sessions: a request carries all that is to be
//! known of its client, and its response owns its call. Must not know of which era the child is.

mod answer;
mod call;
mod checks;
mod parked;
mod request;
mod stream;
mod tools;
mod unfit;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use standpipe_core::budget::Permit;
use standpipe_core::connection::{Session, SessionProfile};
use standpipe_core::fault::FaultKind;
use standpipe_core::message::{Incoming, Message, Notification, Params, parse_body};
use standpipe_core::protocol::{ClientCapabilities, ProtocolVersion, method};
use standpipe_core::trace;
use standpipe_metrics::Wire;
use tokio::time::Instant;

use crate::body;
use crate::headers;
use crate::refusal::{Refusal, Refused};
use crate::response::{self, StreamBody};
use crate::transport::{Route, StreamTransport};

pub(crate) use parked::ParkedCalls;
pub(crate) use stream::ModernBody;
pub(crate) use tools::Tools;
pub(crate) use unfit::Unfit;

/// The revision that is served without sessions.
pub(crate) const SERVED: ProtocolVersion = ProtocolVersion::V2026_07_28;

/// What is allowed here.
const METHODS: &str = "POST";

/// Whether a body is a modern message, whatever its headers say.
pub(crate) fn is_modern(incoming: &Incoming) -> bool {
    let params = match incoming {
        Incoming::Single(Message::Request(request)) => &request.params,
        Incoming::Single(Message::Notification(notification)) => &notification.params,
        Incoming::Single(Message::Response(_)) | Incoming::Batch(_) => return false,
    };
    params.as_ref().is_some_and(Params::is_modern)
}

/// Serves a request whose headers say that it is a modern one.
pub(crate) async fn handle<B>(
    transport: &StreamTransport,
    route: &Route,
    request: &mut Request<B>,
) -> Response<StreamBody>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    if request.method() != Method::POST {
        return refuse(route, Refusal::Method { allow: METHODS }.into());
    }
    let began = Instant::now();
    let answer = match receive(transport, route, request).await {
        Ok((incoming, permit)) => {
            serve(transport, route, request.headers(), incoming, permit, began).await
        }
        Err(refused) => {
            count(route, &refused, began);
            Err(refused)
        }
    };
    answer.unwrap_or_else(|refused| refuse(route, refused))
}

/// Serves a request whose headers do not say of which era it is. Where its body is of none either,
/// it is refused as a legacy one, with `refusal`.
pub(crate) async fn unclear<B>(
    transport: &StreamTransport,
    route: &Route,
    refusal: Refusal,
    request: &mut Request<B>,
) -> Response<StreamBody>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let began = Instant::now();
    let limit = route.gate.settings().max_message_bytes;
    let read = body::read(request, limit, transport.bodies()).await;
    let parsed = read.map(|(bytes, permit)| (parse_body(&bytes), permit));
    let (id, answer) = match parsed {
        Ok((Ok(incoming), permit)) if is_modern(&incoming) => {
            let headers = request.headers();
            let answer = serve(transport, route, headers, incoming, permit, began).await;
            return answer.unwrap_or_else(|refused| refuse(route, refused));
        }
        Ok((Ok(Incoming::Single(Message::Request(request))), _)) => (Some(request.id), refusal),
        Ok((Err(mut rejected), _)) => (rejected.id.take(), refusal),
        Ok(_) | Err(_) => (None, refusal),
    };
    let refused = Refused { refusal: answer, id };
    let outcome = refused.refusal.outcome();
    route.metrics.request(Wire::StreamLegacy, outcome, began.elapsed());
    refuse(route, refused)
}

/// Serves a modern message; its body was read, its headers are yet to be compared with it.
///
/// # Errors
/// When it is not passed on.
pub(crate) async fn serve(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
    incoming: Incoming,
    permit: Permit,
    began: Instant,
) -> Result<Response<StreamBody>, Refused> {
    let refused: Refused = match incoming {
        Incoming::Single(Message::Request(request)) => {
            let id = request.id.clone();
            let served = request::serve(transport, route, headers, request, permit, began).await;
            // Counted where it was served.
            return served.map_err(|refusal| Refused { refusal, id: Some(id) });
        }
        Incoming::Single(Message::Notification(notification)) => {
            match notified(transport, route, headers, notification, permit).await {
                Ok(()) => return Ok(response::bare(StatusCode::ACCEPTED)),
                Err(refusal) => refusal.into(),
            }
        }
        Incoming::Single(Message::Response(_)) => Refusal::from(Unfit::Answer).into(),
        Incoming::Batch(_) => Refusal::from(Unfit::Array).into(),
    };
    count(route, &refused, began);
    Err(refused)
}

/// Takes in a notification. This revision has none that a client would send here: to give a request
/// up it closes the response (2026-07-28, "Cancellation"). Extensions may have others.
async fn notified(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
    notification: Notification,
    permit: Permit,
) -> Result<(), Refusal> {
    checks::notification(headers, &notification.method, notification.params.as_ref())?;
    if &*notification.method == method::CANCELLED {
        return Ok(());
    }
    if transport.shutdown().is_cancelled() {
        return Err(Refusal::Fault(route.gate.fault(FaultKind::Draining)));
    }
    let (outlet, _nobody_reads) = transport.outlet();
    let profile = SessionProfile::new(SERVED, ClientCapabilities::default());
    let session = Session::new(route.gate.clone(), profile, outlet);
    let message = Message::Notification(notification);
    trace::message(&message);
    let inbox = session.inbox().await.map_err(Refusal::Fault)?;
    inbox.send(&session, message, session.outlet(), Some(permit)).map_err(Refusal::Fault)
}

/// Checks what is needed to read the body, and reads it.
async fn receive<B>(
    transport: &StreamTransport,
    route: &Route,
    request: &mut Request<B>,
) -> Result<(Incoming, Permit), Refused>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let settings = route.gate.settings();
    let limit = settings.max_message_bytes;
    let too_large = body::is_too_large(request.headers(), limit);
    if let Some(refusal) = headers::unreadable(request.headers()).filter(|_| !too_large) {
        let id = body::peek_id(request, settings, transport.bodies()).await;
        return Err(Refused { refusal, id });
    }
    let (bytes, permit) =
        body::read(request, limit, transport.bodies()).await.map_err(Refusal::Body)?;
    let incoming = parse_body(&bytes).map_err(|mut rejected| Refused {
        id: rejected.id.take(),
        refusal: Refusal::Message(rejected),
    })?;
    Ok((incoming, permit))
}

fn count(route: &Route, refused: &Refused, began: Instant) {
    route.metrics.request(Wire::StreamModern, refused.refusal.outcome(), began.elapsed());
}

fn refuse(route: &Route, refused: Refused) -> Response<StreamBody> {
    tracing::debug!(
        service = %route.gate.service(),
        status = refused.refusal.status().as_u16(),
        reason = %refused.refusal,
        "request refused"
    );
    refused.into_response()
}
