//! A child that writes lines of one length, read as a pipe is.
//!
//! Owns what is written and in which pieces it comes. Must not know what is measured.

use std::hint::black_box;

use standpipe_process::{Line, LineCodec};

/// What one read of a pipe gives at most.
const READ_BYTES: usize = 64 << 10;

/// The longest message of the service.
const MESSAGE_BYTES: usize = 4 << 20;

const HEAD: &str = r#"{"jsonrpc":"2.0","id":90210,"result":{"content":[{"type":"text","text":""#;
const TAIL: &str = r#""}],"isError":false}}"#;

/// `count` lines of `length` bytes each, line feed included, are cut.
pub(crate) fn cut(length: usize, count: usize) -> Box<dyn FnMut()> {
    let text = "x".repeat(length - HEAD.len() - TAIL.len() - 1);
    let written = format!("{HEAD}{text}{TAIL}\n").repeat(count);
    let mut codec = LineCodec::new(MESSAGE_BYTES);
    Box::new(move || {
        let mut found = 0;
        for piece in written.as_bytes().chunks(READ_BYTES) {
            let mut piece = black_box(piece);
            while !piece.is_empty() {
                let buffer = codec.read_buf();
                let fits = piece.len().min(buffer.capacity() - buffer.len());
                buffer.extend_from_slice(&piece[..fits]);
                piece = &piece[fits..];
                while let Some(line) = codec.next() {
                    found += usize::from(matches!(black_box(line), Line::Message(_)));
                }
            }
        }
        assert_eq!(found, count, "each line is a message");
    })
}
