//! Asks a service for its tools.
//!
//! Owns the pages and their bounds. Must not know what is looked for in a tool.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use standpipe_core::budget::Budget;
use standpipe_core::connection::{Gate, Intake, OutletLimits, Session, SessionProfile, outlet};
use standpipe_core::message::{Id, Message, Outcome, RawJson, Request, Response, parse};
use standpipe_core::protocol::{ClientCapabilities, meta, method};
use tokio::time::{Instant, timeout_at};

use super::{Annotated, schema};
use crate::modern::SERVED;
use crate::transport::{Route, StreamTransport};

/// How long it may take. Calls wait less; this is when the child is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// A list with more pages is read no further.
const MAX_PAGES: u64 = 256;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default, borrow)]
    tools: Vec<Tool<'a>>,
    #[serde(default, rename = "nextCursor")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    name: String,
    #[serde(default, rename = "inputSchema", borrow)]
    schema: Option<&'a RawValue>,
}

/// The tools that have arguments to be repeated; `None` when that cannot be said now.
///
/// It holds all it needs, because no caller owns it. Dropping it tells the child that nobody waits.
pub(super) struct Fetch(Pin<Box<dyn Future<Output = Option<Annotated>> + Send>>);

impl Future for Fetch {
    type Output = Option<Annotated>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").finish_non_exhaustive()
    }
}

/// Begins to ask.
pub(super) fn all(transport: &StreamTransport, route: &Route) -> Fetch {
    let (gate, answers) = (route.gate.clone(), transport.answers().clone());
    let pages = async move {
        let mut annotated = Annotated::new();
        let mut cursor = None;
        for number in 1..=MAX_PAGES {
            match page(&gate, &answers, number, cursor.as_deref()).await? {
                Outcome::Result(result) => cursor = read(&result, &mut annotated),
                // It has no tools, or does not say.
                Outcome::Error(_) => break,
            }
            if cursor.is_none() {
                break;
            }
        }
        Some(annotated)
    };
    let deadline = Instant::now() + PATIENCE;
    Fetch(Box::pin(async move { timeout_at(deadline, pages).await.ok().flatten() }))
}

/// Notes what a page says. Returns the cursor of the next.
fn read(result: &RawJson, annotated: &mut Annotated) -> Option<String> {
    let page: Page<'_> = serde_json::from_str(result.as_str()).ok()?;
    for tool in page.tools {
        let schema = tool.schema.map(RawValue::get).filter(|text| text.contains(schema::KEYWORD));
        let parameters = schema.map(schema::parameters).unwrap_or_default();
        if !parameters.is_empty() {
            annotated.insert(tool.name, parameters);
        }
    }
    page.next
}

/// One page; `None` when the service does not answer.
async fn page(gate: &Gate, answers: &Budget, number: u64, cursor: Option<&str>) -> Option<Outcome> {
    let (reply, mut intake) = outlet(OutletLimits::new(answers.clone()));
    let profile = SessionProfile::new(SERVED, ClientCapabilities::default());
    let asking = Asking(Session::new(gate.clone(), profile, reply.clone()));
    let inbox = asking.0.inbox().await.ok()?;
    inbox.send(&asking.0, Message::Request(request(number, cursor)?), &reply, None).ok()?;
    answer(&mut intake).await
}

async fn answer(intake: &mut Intake) -> Option<Outcome> {
    loop {
        let Ok(delivery) = intake.next().await else { continue };
        let delivery = delivery?;
        if !delivery.last {
            continue;
        }
        return match delivery.message {
            Message::Response(Response { outcome, .. }) if delivery.fault.is_none() => {
                Some(outcome)
            }
            _ => None,
        };
    }
}

/// The request as a client would send it, so that nothing about it is special further down.
fn request(number: u64, cursor: Option<&str>) -> Option<Request> {
    let mut params = serde_json::json!({
        "_meta": { meta::PROTOCOL_VERSION: SERVED.as_str(), meta::CLIENT_CAPABILITIES: {} },
    });
    if let Some(cursor) = cursor {
        params["cursor"] = cursor.into();
    }
    let text = serde_json::json!({
        "jsonrpc": "2.0",
        "id": number,
        "method": method::TOOLS_LIST,
        "params": params,
    });
    match parse(&Bytes::from(text.to_string())) {
        Ok(Message::Request(request)) => Some(Request { id: Id::from_number(number), ..request }),
        _ => None,
    }
}

/// A request that is given up when it is dropped, answered or not.
struct Asking(Arc<Session>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.end();
    }
}
