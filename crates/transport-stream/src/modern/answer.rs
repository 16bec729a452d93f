//! The HTTP form of a modern answer.
//!
//! Owns which status an answer has and when it is plain JSON. Must not know what was asked.

use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use serde::Deserialize;
use standpipe_core::connection::Delivery;
use standpipe_core::fault::Fault;
use standpipe_core::message::{Message, Outcome};
use standpipe_core::protocol::code;

use crate::response::{self, StreamBody};

/// One answer as the whole response.
pub(super) fn plain(answer: Delivery) -> Response<StreamBody> {
    let retry_after = answer.fault.as_ref().and_then(Fault::retry_after);
    let mut response = response::json(status(&answer), StreamBody::answer(answer));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The status of an answer: an error of ours has its own, some errors of the protocol have one that
/// is prescribed (2026-07-28, "Error Codes"), and everything else was served.
fn status(answer: &Delivery) -> StatusCode {
    if let Some(fault) = &answer.fault {
        return StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    match &answer.message {
        Message::Response(response) => match &response.outcome {
            Outcome::Error(error) => match error_code(error.as_str()) {
                Some(code::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
                Some(code) if code::is_modern(code) => StatusCode::BAD_REQUEST,
                _ => StatusCode::OK,
            },
            Outcome::Result(_) => StatusCode::OK,
        },
        _ => StatusCode::OK,
    }
}

fn error_code(error: &str) -> Option<i32> {
    #[derive(Deserialize)]
    struct Coded {
        code: i32,
    }
    serde_json::from_str::<Coded>(error).ok().map(|coded| coded.code)
}
