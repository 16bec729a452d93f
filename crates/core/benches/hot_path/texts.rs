//! The messages that are measured.
//!
//! Owns their texts: a call of a tool and its answer, of any length. Must not know what is done with
//! them.

use bytes::{Bytes, BytesMut};

/// A message as most are.
pub(crate) const SHORT: usize = 160;
/// One with a file in it.
pub(crate) const LONG: usize = 64 * 1024;
/// One with a picture or a large file in it.
pub(crate) const HUGE: usize = 1024 * 1024;

/// Text as files have it: every so often something that JSON escapes.
const LINE: &str = r"the quick brown fox jumps over the lazy dog, again and again;\n";

/// A legacy client's call, of exactly `length` bytes.
pub(crate) fn call(length: usize) -> Bytes {
    let head = r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"echo","arguments":{"text":""#;
    filled(head, r#""}}}"#, length)
}

/// The same of a client that wants to hear of the call's progress.
pub(crate) fn call_with_token(length: usize) -> Bytes {
    let head = r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"_meta":{"progressToken":7},"name":"echo","arguments":{"text":""#;
    filled(head, r#""}}}"#, length)
}

/// The same of a modern client, which says of itself what it must with every request.
pub(crate) fn modern_call(length: usize) -> Bytes {
    let head = r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}},"name":"echo","arguments":{"text":""#;
    filled(head, r#""}}}"#, length)
}

/// A child's answer, of exactly `length` bytes.
pub(crate) fn answer(length: usize) -> Bytes {
    let head = r#"{"jsonrpc":"2.0","id":90210,"result":{"content":[{"type":"text","text":""#;
    filled(head, r#""}],"isError":false}}"#, length)
}

/// The result in a legacy child's answer, and what closes the answer.
pub(crate) const RESULT: &[u8] = br#","result":{"content":[{"type":"text","text":"the quick brown fox jumps over the lazy dog, again and again"}],"isError":false}}"#;

/// The same of a modern child.
pub(crate) const MODERN_RESULT: &[u8] = br#","result":{"resultType":"complete","content":[{"type":"text","text":"the quick brown fox jumps over the lazy dog, again and again"}],"isError":false}}"#;

/// The buffer is a shared one, as those are that a socket or a pipe is read into.
fn filled(head: &str, tail: &str, length: usize) -> Bytes {
    let mut text = BytesMut::with_capacity(length);
    text.extend_from_slice(head.as_bytes());
    let room = length - head.len() - tail.len();
    for _ in 0..room / LINE.len() {
        text.extend_from_slice(LINE.as_bytes());
    }
    text.resize(length - tail.len(), b'x');
    text.extend_from_slice(tail.as_bytes());
    text.split().freeze()
}
