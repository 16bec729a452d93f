//! Reading an envelope, writing one around a payload, changing a member.
//!
//! Owns these operations by themselves; `round_trip` has them in their place. Must not know of
//! clients or children.

use std::hint::black_box;

use bytes::Bytes;
use standpipe_core::message::{Id, Incoming, Message, Params, parse, parse_body};

use crate::texts;

/// A client's body is read.
pub(crate) fn read_request(length: usize) -> Box<dyn FnMut()> {
    let body = texts::call(length);
    Box::new(move || {
        let read = parse_body(black_box(&body)).expect("it is a good one");
        black_box(read);
    })
}

/// A child's line is read.
pub(crate) fn read_answer(length: usize) -> Box<dyn FnMut()> {
    let line = texts::answer(length);
    Box::new(move || {
        black_box(parse(black_box(&line)).expect("it is a good one"));
    })
}

/// What goes to the child is written.
pub(crate) fn write_request(length: usize) -> Box<dyn FnMut()> {
    write(request(&texts::call(length)))
}

/// What goes to the client is written.
pub(crate) fn write_answer(length: usize) -> Box<dyn FnMut()> {
    write(parse(&texts::answer(length)).expect("it is a good one"))
}

/// A progress token of ours gets into a client's parameters.
pub(crate) fn splice_token(length: usize) -> Box<dyn FnMut()> {
    let Message::Request(request) = request(&texts::call_with_token(length)) else {
        unreachable!("a call is a request");
    };
    let params: Params = request.params.expect("a call has parameters");
    let token = Id::from_number(90_210);
    Box::new(move || {
        black_box(black_box(&params).with_meta_progress_token(black_box(&token)));
    })
}

fn write(message: Message) -> Box<dyn FnMut()> {
    Box::new(move || {
        black_box(black_box(&message).encode());
    })
}

fn request(body: &Bytes) -> Message {
    match parse_body(body) {
        Ok(Incoming::Single(message)) => message,
        other => unreachable!("the body holds one request, not {other:?}"),
    }
}
