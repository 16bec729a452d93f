//! The bounded ends between transport and child: what fits, what is told to whom, what comes back.

mod gate;
mod inbox;
mod outlet;
mod session;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::budget::Budget;
use crate::message::{Id, Message, RawJson, Request, Response};
use crate::protocol::{ClientCapabilities, ProtocolVersion};

fn settings() -> GateSettings {
    GateSettings {
        start_timeout: Duration::from_mins(1),
        max_message_bytes: 1000,
        question_timeout: Duration::from_mins(5),
    }
}

fn session() -> Arc<Session> {
    let (gate, _) = super::gate(&"demo".into(), settings());
    session_of(gate)
}

fn session_of(gate: Gate) -> Arc<Session> {
    let profile = SessionProfile::new(ProtocolVersion::V2025_06_18, ClientCapabilities::default());
    Session::new(gate, profile, stream(1000).0)
}

/// A stream that draws on a budget of so many bytes.
fn stream(budget: usize) -> (Outlet, Intake) {
    super::outlet(OutletLimits::new(Budget::new(budget)))
}

/// A notification with a payload of so many bytes.
fn notification(method: &str, bytes: usize) -> Message {
    Message::notification(method, Some(payload(bytes)))
}

fn answer(id: u64, bytes: usize) -> Message {
    Message::Response(Response::result(Id::from_number(id), payload(bytes)))
}

fn request(id: u64) -> Request {
    Request { id: Id::from_number(id), method: "m".into(), params: None }
}

fn payload(bytes: usize) -> RawJson {
    RawJson::new(&Bytes::from(format!("\"{}\"", "x".repeat(bytes - 2)))).unwrap()
}
