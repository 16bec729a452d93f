//! One modern request, from its checks to the shape of its answer.
//!
//! Owns the choice between plain JSON and an event stream, and between a call of its own and one
//! that is carried on. Must not know what is asked.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response};
use standpipe_core::bridge::parking::{Binding, InputResponses};
use standpipe_core::budget::Permit;
use standpipe_core::connection::Session;
use standpipe_core::fault::FaultKind;
use standpipe_core::message::{Message, Params, RawJson, Request};
use standpipe_core::protocol::method;
use standpipe_core::trace;
use standpipe_metrics::{InFlight, Wire};
use tokio::time::Instant;

use super::answer::plain;
use super::call::{Call, Facts};
use super::checks::{self, Said};
use super::parked::ParkedCall;
use super::stream::ModernBody;
use super::unfit::Unfit;
use crate::refusal::{Refusal, Unread};
use crate::response::{self, StreamBody};
use crate::transport::{Route, StreamTransport};

/// An answer that takes longer than this comes on an event stream, which can be kept alive.
const PLAIN_WITHIN: Duration = Duration::from_secs(1);

/// The same for requests that do no work of their own. They are answered soon, or with an error that
/// has a status of its own: an event stream has none but 200.
const LOOKED_UP_WITHIN: Duration = Duration::from_secs(10);

/// Serves one request, which began to arrive when it `began`.
///
/// # Errors
/// When it is not passed on.
pub(super) async fn serve(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
    request: Request,
    permit: Permit,
    began: Instant,
) -> Result<Response<StreamBody>, Refusal> {
    let in_flight = route.metrics.in_flight(Wire::StreamModern, began);
    let works =
        method::may_ask(&request.method) || &*request.method == method::SUBSCRIPTIONS_LISTEN;
    let plain_within = if works { PLAIN_WITHIN } else { LOOKED_UP_WITHIN };
    let call = match begin(transport, route, headers, request, permit).await {
        Ok(Begun::Fresh { facts, session, intake, prefilled }) => {
            Call::fresh(facts, session, intake, prefilled, in_flight)
        }
        Ok(Begun::Resumed { facts, parked, answers, permit }) => {
            match Call::resumed(facts, parked, answers, permit, in_flight) {
                Ok(call) => call,
                Err((refusal, in_flight)) => return Err(counted(refusal, in_flight)),
            }
        }
        Err(refusal) => return Err(counted(refusal, in_flight)),
    };
    Ok(answer(transport, call, plain_within).await)
}

fn counted(refusal: Refusal, in_flight: InFlight) -> Refusal {
    in_flight.finish(refusal.outcome());
    refusal
}

/// Waits for the answer, or for the reason to open a stream.
async fn answer(
    transport: &StreamTransport,
    mut call: Call,
    plain_within: Duration,
) -> Response<StreamBody> {
    let first = transport.patience().within(plain_within, |cx| call.poll_next(cx)).await;
    let first = match first.flatten() {
        Some(delivery) if delivery.last => return plain(delivery),
        first => first,
    };
    let body = ModernBody::new(call, first, transport.shutdown());
    response::event_stream(StreamBody::modern(body))
}

/// What a request is the beginning of.
enum Begun {
    /// A call of its own.
    Fresh {
        facts: Facts,
        session: Arc<Session>,
        intake: standpipe_core::connection::Intake,
        prefilled: (InputResponses, Option<Permit>),
    },
    /// Another round of a call that is under way.
    Resumed { facts: Facts, parked: ParkedCall, answers: InputResponses, permit: Permit },
}

async fn begin(
    transport: &StreamTransport,
    route: &Route,
    headers: &HeaderMap,
    request: Request,
    permit: Permit,
) -> Result<Begun, Refusal> {
    let Said { profile, log_level } = checks::request(headers, &request)?;
    if transport.shutdown().is_cancelled() {
        return Err(Refusal::Fault(route.gate.fault(FaultKind::Draining)));
    }
    let params = request.params.as_ref();
    let may_ask = method::may_ask(&request.method);
    let answers = params.filter(|_| may_ask).and_then(Params::input_responses);
    let state = params.filter(|_| may_ask).and_then(Params::request_state);
    let answers_weigh = answers.as_ref().map_or(0, |raw| raw.as_bytes().len());
    let answers = answers.as_ref().map(InputResponses::read).transpose().map_err(Unfit::from)?;
    let state = state.map(|raw| text(&raw)).transpose()?;
    // Only what can be asked, or says that it was, is ever parked.
    let bound = may_ask && (profile.capabilities.any() || state.is_some());
    let binding = bound.then(|| Binding {
        service: Arc::clone(route.gate.service()),
        principal: profile.principal.clone(),
        request: transport.parked().digester().digest(&request.method, params),
    });
    let facts = Facts {
        id: request.id.clone(),
        capabilities: profile.capabilities,
        token: params.and_then(Params::meta_progress_token),
        logs: log_level.is_some(),
        binding,
        listens: &*request.method == method::SUBSCRIPTIONS_LISTEN,
        metrics: Arc::clone(&route.metrics),
        parked: Arc::clone(transport.parked()),
    };
    let calls_tool = &*request.method == method::TOOLS_CALL;
    let answers = answers.unwrap_or_default();
    if calls_tool && state.is_some() {
        transport.tools().check_known(route, headers, params)?;
    }
    // Before anything is waited for: the child may answer nothing until this call is carried on.
    if let (Some(state), Some(binding)) = (&state, &facts.binding) {
        let resumed = transport.parked().resume(state, binding, &answers, Instant::now())?;
        if let Some(parked) = resumed {
            if let Some(level) = log_level {
                parked.session.set_log_level(level);
            }
            return Ok(Begun::Resumed { facts, parked, answers, permit });
        }
    }
    if calls_tool {
        transport.tools().check(transport, route, headers, params).await?;
    }
    // The answers are kept beside the request, which goes with its own permit.
    let held = (!answers.is_empty()).then(|| transport.bodies().take(answers_weigh));
    let held = held.map(|permit| permit.ok_or(Refusal::Body(Unread::NoMemory))).transpose()?;
    let (reply, intake) = transport.outlet();
    let session = Session::new(route.gate.clone(), profile, reply.clone());
    if let Some(level) = log_level {
        session.set_log_level(level);
    }
    let message = Message::Request(request);
    trace::message(&message);
    let inbox = session.inbox().await.map_err(Refusal::Fault)?;
    inbox.send(&session, message, &reply, Some(permit)).map_err(Refusal::Fault)?;
    Ok(Begun::Fresh { facts, session, intake, prefilled: (answers, held) })
}

fn text(raw: &RawJson) -> Result<String, Unfit> {
    raw.as_string().ok_or(Unfit::StateNotText)
}
