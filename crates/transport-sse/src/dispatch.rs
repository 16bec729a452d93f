//! What becomes of one posted message.
//!
//! Owns the promise that a request is answered exactly once: what fails before the child has it is
//! answered on the event stream like everything else, because that is where its client waits. Must
//! not know HTTP.

use std::sync::Arc;

use standpipe_core::budget::Permit;
use standpipe_core::connection::{Inbox, Session};
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::message::{Id, Message, Notification, RawJson, Request, Response};
use standpipe_core::protocol::{code, method};
use standpipe_metrics::{Dropped, Outcome};

use crate::calls::outcome_of;
use crate::connection::{Connection, PhaseError};
use crate::handshake;
use crate::refusal::Refusal;
use crate::transport::Route;

/// Hands a message of `connection`'s client to the service. `permit` stands for its memory.
///
/// # Errors
/// When it was refused; then nothing comes on the stream for it.
pub(crate) async fn dispatch(
    route: &Route,
    connection: &Arc<Connection>,
    message: Message,
    permit: Permit,
) -> Result<(), Refusal> {
    match message {
        Message::Request(request) if &*request.method == method::INITIALIZE => {
            open(route, connection, request).await
        }
        Message::Request(request) => call(connection, request, permit).await,
        Message::Notification(notification) => notify(connection, notification, permit).await,
        Message::Response(response) => answer(route, connection, response, permit),
    }
}

async fn open(route: &Route, connection: &Connection, request: Request) -> Result<(), Refusal> {
    let profile = handshake::profile(request.params.as_ref()).map_err(Refusal::Handshake)?;
    let session = Session::new(route.gate.clone(), profile, connection.outlet.clone());
    connection
        .begin(&request.id, &session)
        .map_err(|error| Refusal::Phase { error, method: request.method.clone() })?;
    let claim = Claim::of(connection, &request.id);
    let gone = || route.gate.fault(FaultKind::SessionOver);
    let opened = reach(connection, route.gate.pass(), gone)
        .await
        .and_then(|inbox| inbox.open(&session, request, &connection.outlet));
    claim.settle(opened)
}

async fn call(connection: &Connection, request: Request, permit: Permit) -> Result<(), Refusal> {
    let session = connection.session();
    if &*request.method == method::PING
        && matches!(session, Err(PhaseError::Fresh | PhaseError::Opening))
    {
        return ping(connection, request.id);
    }
    let session =
        session.map_err(|error| Refusal::Phase { error, method: request.method.clone() })?;
    connection.open_call(&request.id).map_err(Refusal::Fault)?;
    let claim = Claim::of(connection, &request.id);
    let sent = inbox_of(connection, &session).await.and_then(|inbox| {
        let message = Message::Request(request);
        inbox.send(&session, message, &connection.outlet, Some(permit))
    });
    claim.settle(sent)
}

/// The one request that may come before `initialize` was answered (2024-11-05, "Initialization");
/// there may be no child yet that could answer it.
fn ping(connection: &Connection, id: Id) -> Result<(), Refusal> {
    connection.open_call(&id).map_err(Refusal::Fault)?;
    let claim = Claim::of(connection, &id);
    let pong = Message::Response(Response::result(id, RawJson::empty_object()));
    let answered = connection.answer(pong, None);
    claim.settle(answered.map_err(|_| Fault::new(&connection.service, FaultKind::SessionOver)))
}

async fn notify(
    connection: &Connection,
    notification: Notification,
    permit: Permit,
) -> Result<(), Refusal> {
    let session = connection
        .session()
        .map_err(|error| Refusal::Phase { error, method: notification.method.clone() })?;
    let withdrawn = notification
        .params
        .as_ref()
        .filter(|_| &*notification.method == method::CANCELLED)
        .and_then(standpipe_core::message::Params::request_id);
    let inbox = if withdrawn.is_some() {
        let gone = || session.gate().fault(FaultKind::SessionOver);
        reach(connection, session.inbox_of_calls(), gone).await
    } else {
        inbox_of(connection, &session).await
    };
    inbox
        .and_then(|inbox| {
            let message = Message::Notification(notification);
            inbox.send(&session, message, &connection.outlet, Some(permit))
        })
        .map_err(Refusal::Fault)?;
    if let Some(id) = withdrawn {
        connection.withdraw_call(&id);
    }
    Ok(())
}

fn answer(
    route: &Route,
    connection: &Connection,
    response: Response,
    permit: Permit,
) -> Result<(), Refusal> {
    let session = connection
        .session()
        .map_err(|error| Refusal::Phase { error, method: "a response".into() })?;
    let Some(inbox) = session.take_question(&response.id) else {
        // Answered before, withdrawn, timed out, or made up: there is nobody to tell.
        route.metrics.dropped(Dropped::UnknownQuestion, 1);
        return Ok(());
    };
    let message = Message::Response(response);
    inbox.send(&session, message, &connection.outlet, Some(permit)).map_err(Refusal::Fault)
}

async fn inbox_of(connection: &Connection, session: &Session) -> Result<Inbox, Fault> {
    let gone = || session.gate().fault(FaultKind::SessionOver);
    reach(connection, session.inbox(), gone).await
}

/// Waits for the way in, but not longer than for the stream on which the answer would come.
async fn reach(
    connection: &Connection,
    way_in: impl Future<Output = Result<Inbox, Fault>>,
    gone: impl FnOnce() -> Fault,
) -> Result<Inbox, Fault> {
    tokio::select! {
        biased;
        inbox = way_in => inbox,
        () = connection.over.cancelled() => Err(gone()),
    }
}

/// A request that nobody has taken yet. Dropped so, because its POST was closed, it is answered
/// that it was not taken.
struct Claim<'a> {
    connection: &'a Connection,
    id: Option<Id>,
}

impl<'a> Claim<'a> {
    /// The claim of a request that is entered as an open call.
    fn of(connection: &'a Connection, id: &Id) -> Self {
        Self { connection, id: Some(id.clone()) }
    }

    /// The service has taken the request, or the client is told on the stream why not.
    fn settle(mut self, taken: Result<(), Fault>) -> Result<(), Refusal> {
        let (Some(id), Err(fault)) = (self.id.take(), taken) else {
            return Ok(());
        };
        let answer = Message::Response(fault.answer(id.clone()));
        if self.connection.answer(answer, Some(fault.clone())).is_ok() {
            return Ok(());
        }
        self.connection.end_call(&id, outcome_of(&fault));
        Err(Refusal::Unanswerable(fault))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else {
            return;
        };
        self.connection.end_call(&id, Outcome::Cancelled);
        let told = Message::Response(Response::error(
            id,
            code::CONNECTION_CLOSED,
            "the POST with this request was closed before the service took it; it was not carried out",
        ));
        // A stream that is over has nobody to tell.
        let _over = self.connection.answer(told, None);
    }
}
