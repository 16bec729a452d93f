//! A call's whole way through the core: read, queued, taken in by the `Mux`, written for the child,
//! answered, read, written for the client.
//!
//! Owns the four pairs of eras, and many clients at once. Must not know how a child and its clients
//! are played: that is `conversation`.

use std::hint::black_box;

use bytes::Bytes;
use standpipe_core::connection::SessionProfile;
use standpipe_core::protocol::{ClientCapabilities, Era, ProtocolVersion};

use crate::conversation::{Caller, Conversation, client_reads};
use crate::texts;

/// How many clients call at the same time in [`crowd`].
pub(crate) const CROWD: u64 = 32;

/// Bytes of a modern call, which carries more.
const MODERN: usize = 340;

/// A legacy client and a legacy child.
pub(crate) fn legacy_to_legacy() -> Box<dyn FnMut()> {
    of_session(Era::Legacy)
}

/// A legacy client and a modern child.
pub(crate) fn legacy_to_modern() -> Box<dyn FnMut()> {
    of_session(Era::Modern)
}

/// A modern client and a legacy child.
pub(crate) fn modern_to_legacy() -> Box<dyn FnMut()> {
    of_one_request(Era::Legacy)
}

/// A modern client and a modern child.
pub(crate) fn modern_to_modern() -> Box<dyn FnMut()> {
    of_one_request(Era::Modern)
}

/// Many legacy clients that call before the first of them is answered, and a legacy child: one run
/// is a call of each.
pub(crate) fn crowd() -> Box<dyn FnMut()> {
    let mut conversation = Conversation::new(Era::Legacy);
    let mut callers: Vec<Caller> = (0..CROWD).map(|_| conversation.caller()).collect();
    let body = texts::call(texts::SHORT);
    let (mut streams, mut ids) = (Vec::new(), Vec::new());
    Box::new(move || {
        for caller in &mut callers {
            streams.push(conversation.call(caller, black_box(&body)));
        }
        conversation.child_reads(&mut ids);
        for id in ids.drain(..) {
            conversation.child_answers(id, texts::RESULT);
        }
        for mut stream in streams.drain(..) {
            client_reads(&mut stream);
        }
    })
}

fn of_session(child: Era) -> Box<dyn FnMut()> {
    let mut conversation = Conversation::new(child);
    let mut caller = conversation.caller();
    let body = texts::call(texts::SHORT);
    let mut ids = Vec::new();
    Box::new(move || round_trip(&mut conversation, &mut caller, &body, child, &mut ids))
}

/// Each modern request is a client of its own, which is made and ends with it.
fn of_one_request(child: Era) -> Box<dyn FnMut()> {
    let mut conversation = Conversation::new(child);
    let profile = SessionProfile::new(ProtocolVersion::V2026_07_28, ClientCapabilities::default());
    let body = texts::modern_call(MODERN);
    let mut ids = Vec::new();
    Box::new(move || {
        let mut caller = conversation.modern_caller(profile.clone());
        round_trip(&mut conversation, &mut caller, &body, child, &mut ids);
        conversation.end(&caller);
    })
}

fn round_trip(
    conversation: &mut Conversation,
    caller: &mut Caller,
    body: &Bytes,
    child: Era,
    ids: &mut Vec<u64>,
) {
    let result = match child {
        Era::Legacy => texts::RESULT,
        Era::Modern => texts::MODERN_RESULT,
    };
    let mut stream = conversation.call(caller, black_box(body));
    conversation.child_reads(ids);
    for id in ids.drain(..) {
        conversation.child_answers(id, result);
    }
    client_reads(&mut stream);
}
