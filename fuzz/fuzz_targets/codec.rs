//! Any bytes as a child's stdout, in pieces of any size: the same lines as in one piece, and the same
//! as a reader finds that has all of it in memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use standpipe_process::{Line, LineCodec};

/// Small, so that lines are over it soon.
const MAX_MESSAGE_BYTES: usize = 48;

/// How much is shown of noise.
const NOISE_BYTES: usize = 4096;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (sizes, text) = input;
    let whole = lines(std::iter::once(text));
    let mut rest = text;
    let mut sizes = sizes.into_iter().cycle();
    let pieces = std::iter::from_fn(|| {
        let size = usize::from(sizes.next().unwrap_or(1)).clamp(1, rest.len().max(1));
        let (piece, after) = rest.split_at_checked(size)?;
        rest = after;
        Some(piece)
    });
    assert_eq!(lines(pieces), whole);
    check(text, &whole);
});

fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Line> {
    let mut codec = LineCodec::new(MAX_MESSAGE_BYTES);
    let mut lines = Vec::new();
    for piece in pieces {
        codec.read_buf().extend_from_slice(piece);
        lines.extend(std::iter::from_fn(|| codec.next()));
    }
    lines.extend(codec.finish());
    lines
}

fn check(text: &[u8], lines: &[Line]) {
    let mut found = lines.iter();
    for raw in text.split(|byte| *byte == b'\n') {
        let line = raw.strip_suffix(b"\r").unwrap_or(raw);
        if line.len() > MAX_MESSAGE_BYTES {
            check_oversized(line, found.next());
            continue;
        }
        let content = trimmed(line);
        if content.is_empty() {
            continue;
        }
        let readable = matches!(content[0], b'{' | b'[') && std::str::from_utf8(content).is_ok();
        let expected = if readable {
            Line::Message(content.to_vec().into())
        } else {
            Line::Noise(content[..content.len().min(NOISE_BYTES)].to_vec().into())
        };
        assert_eq!(found.next(), Some(&expected));
    }
    assert_eq!(found.next(), None);
}

/// An id that is told is the one that a parser finds.
fn check_oversized(line: &[u8], found: Option<&Line>) {
    let Some(Line::Oversized { bytes, id, .. }) = found else {
        panic!("{found:?} for a line of {} bytes", line.len());
    };
    assert_eq!(*bytes, line.len() as u64);
    let (Some(id), Ok(Value::Object(object))) = (id, serde_json::from_slice(line)) else {
        return;
    };
    let id: Value = serde_json::from_slice(id).expect("an id is JSON");
    assert_eq!(object.get("id"), Some(&id));
}

fn trimmed(line: &[u8]) -> &[u8] {
    let mut rest = line.trim_ascii();
    while let Some(after) = rest.strip_prefix("\u{feff}".as_bytes()) {
        rest = after.trim_ascii();
    }
    rest
}
