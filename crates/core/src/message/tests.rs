//! The envelope against tables of awkward texts and against a second parser.

mod envelope;
mod ids;
mod members;
mod properties;
mod short_way;
mod wire;

use bytes::Bytes;

use super::*;

/// Parses a text that must be a message.
fn accepted(text: &str) -> Message {
    parse(&Bytes::copy_from_slice(text.as_bytes()))
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Parses a text that must not be one.
fn rejected(text: &str) -> Rejected {
    match parse(&Bytes::copy_from_slice(text.as_bytes())) {
        Err(rejected) => rejected,
        Ok(message) => panic!("{text}: {message:?}"),
    }
}

fn params(text: &str) -> Result<Params, MemberError> {
    Params::inspect(&raw(text))
}

fn raw(text: &str) -> RawJson {
    RawJson::new(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn line(message: &Message) -> String {
    String::from_utf8(message.encode().into_bytes().to_vec()).unwrap()
}
