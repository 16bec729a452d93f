//! Opens a session (2025-11-25, "Session Management").
//!
//! Owns what is read from `initialize`. Must not write its answer: that is the child's, or was.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response};
use standpipe_core::budget::Permit;
use standpipe_core::connection::{Delivery, Session, SessionProfile};
use standpipe_core::fault::FaultKind;
use standpipe_core::message::{Message, Outcome, RawJson, Request};
use standpipe_metrics::Wire;
use tokio::time::Instant;

use super::request::plain;
use crate::headers::{self, Named};
use crate::refusal::Refusal;
use crate::response::{self, StreamBody};
use crate::session::Record;
use crate::transport::{Route, StreamTransport};

/// Serves `initialize`. The session exists, for its client, from the moment this is answered with a
/// result.
pub(super) async fn serve(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
    request: Request,
    permit: Permit,
) -> Result<Response<StreamBody>, Refusal> {
    let in_flight = route.metrics.in_flight(Wire::StreamLegacy, Instant::now());
    match open(transport, route, headers, request, permit).await {
        Ok((answer, id)) => {
            in_flight.finish(response::outcome(&answer));
            let mut response = plain(answer);
            if let Some(id) = id {
                response.headers_mut().insert(headers::SESSION_ID, id);
            }
            Ok(response)
        }
        Err(refusal) => {
            in_flight.finish(refusal.outcome());
            Err(refusal)
        }
    }
}

async fn open(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
    request: Request,
    _permit: Permit,
) -> Result<(Delivery, Option<HeaderValue>), Refusal> {
    if headers::session(headers)? != Named::Nothing {
        super::session(transport, route, headers)?;
        return Err(Refusal::SessionOpen);
    }
    if transport.shutdown().is_cancelled() {
        return Err(Refusal::Fault(route.gate.fault(FaultKind::Draining)));
    }
    let profile = profile(&request)?;
    let seat = transport.table().seat().ok_or(Refusal::TooManySessions)?;
    let (to_general, general) = transport.outlet();
    let session = Session::new(route.gate.clone(), profile, to_general);
    super::name_session(&session);
    let mut opening = Opening { session, kept: false };
    let answer = opening.ask(transport, route, request).await?;
    let accepted = matches!(
        &answer.message,
        Message::Response(response) if matches!(response.outcome, Outcome::Result(_))
    );
    if !accepted {
        return Ok((answer, None));
    }
    let session = opening.keep();
    let id = HeaderValue::try_from(session.id().to_string())
        .expect("hexadecimal digits may stand in a header");
    tracing::debug!(
        session = %session.id().short(),
        service = %route.gate.service(),
        version = %session.profile().version,
        "session opened"
    );
    let metrics = Arc::clone(&route.metrics);
    let replay = transport.replay().clone();
    let record = Record::new(session, general, metrics, replay, seat);
    transport.table().insert(&record);
    Ok((answer, Some(id)))
}

/// A session that is being opened; it ends when this is dropped, as it is when the client goes away
/// before it has heard of it.
struct Opening {
    session: Arc<Session>,
    kept: bool,
}

impl Opening {
    async fn ask(
        &self,
        transport: &StreamTransport,
        route: &Route,
        request: Request,
    ) -> Result<Delivery, Refusal> {
        let inbox = route.gate.pass().await.map_err(Refusal::Fault)?;
        let (reply, mut intake) = transport.outlet();
        inbox.open(&self.session, request, &reply).map_err(Refusal::Fault)?;
        drop(reply);
        loop {
            match intake.next().await {
                Ok(Some(answer)) if answer.last => return Ok(answer),
                // The answer is one JSON object, for the id is in its headers; what comes before it
                // is there for the first GET.
                Ok(Some(other)) => {
                    let _undelivered = self.session.outlet().deliver(other.message);
                }
                Ok(None) => return Err(Refusal::unanswered(&self.session)),
                Err(_lagged) => {}
            }
        }
    }

    fn keep(&mut self) -> Arc<Session> {
        self.kept = true;
        Arc::clone(&self.session)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.kept {
            self.session.end();
        }
    }
}

fn profile(request: &Request) -> Result<SessionProfile, Refusal> {
    let empty = RawJson::empty_object();
    let raw = request.params.as_ref().map_or(&empty, |params| params.raw());
    SessionProfile::of_initialize(raw).map_err(Refusal::InitializeParams)
}
