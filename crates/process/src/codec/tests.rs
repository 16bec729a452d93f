//! What is a line, what is a message, and that neither depends on how the bytes arrive.

use bytes::{BufMut as _, Bytes};
use proptest::prelude::*;

use super::{COPY_BYTES, KEEP_BYTES, Line, LineCodec, NOISE_BYTES, READ_BYTES};

/// Feeds `input` in pieces of at most `piece` bytes, as an I/O task would.
fn lines_of(input: &[u8], piece: usize, max: usize) -> Vec<Line> {
    let mut codec = LineCodec::new(max);
    let mut lines = Vec::new();
    for piece in input.chunks(piece) {
        codec.read_buf().put_slice(piece);
        while let Some(line) = codec.next() {
            lines.push(line);
        }
    }
    lines.extend(codec.finish());
    assert_eq!(codec.finish(), None);
    lines
}

fn message(text: &str) -> Line {
    Line::Message(Bytes::copy_from_slice(text.as_bytes()))
}

fn noise(text: &[u8]) -> Line {
    Line::Noise(Bytes::copy_from_slice(text))
}

#[test]
fn lines_are_told_apart() {
    let table: &[(&[u8], &[Line])] = &[
        (b"{\"a\":1}\n", &[message("{\"a\":1}")]),
        (b"{\"a\":1}\r\n[2]\n", &[message("{\"a\":1}"), message("[2]")]),
        (b"\n\r\n  \n\t\r\n", &[]),
        (b" \t{}  \n", &[message("{}")]),
        (b"\xef\xbb\xbf{}\n", &[message("{}")]),
        (b"\xef\xbb\xbf\n", &[]),
        (b"Server listening\n{}\n", &[noise(b"Server listening"), message("{}")]),
        (b"{\"a\":\"\xff\"}\n{}\n", &[noise(b"{\"a\":\"\xff\"}"), message("{}")]),
        (b"\0\x01\x02\n", &[noise(b"\0\x01\x02")]),
        (b"{\"cut", &[message("{\"cut")]),
        (b"", &[]),
    ];
    for (input, expected) in table {
        for piece in [1, 2, 3, 1000] {
            assert_eq!(lines_of(input, piece, 100), *expected, "{input:?} by {piece}");
        }
    }
}

#[test]
fn the_limit_counts_the_line_without_its_end() {
    let exact = format!("{{{}}}", " ".repeat(98));
    for end in ["\n", "\r\n", ""] {
        for piece in [1, 99, 100, 101, 102, 1000] {
            let input = format!("{exact}{end}");
            assert_eq!(lines_of(input.as_bytes(), piece, 100), [message(&exact)]);
            let input = format!("{{{}}}{end}", " ".repeat(99));
            let oversized = Line::Oversized { bytes: 101, id: None, is_response: false };
            assert_eq!(lines_of(input.as_bytes(), piece, 100), [oversized], "{end:?} {piece}");
        }
    }
}

#[test]
fn after_an_over_long_line_good_ones_follow() {
    let long = format!("{{\"result\":\"{}\",\"id\":\"x-1\"}}", "y".repeat(500));
    let input = format!("{long}\n{{\"id\":2}}\n");
    for piece in [1, 7, 64, 10_000] {
        let oversized = Line::Oversized {
            bytes: long.len() as u64,
            id: Some(Bytes::from_static(b"\"x-1\"")),
            is_response: true,
        };
        let lines = lines_of(input.as_bytes(), piece, 100);
        assert_eq!(lines, [oversized, message("{\"id\":2}")]);
    }
}

#[test]
fn noise_is_shown_in_part() {
    let lines = lines_of(&vec![b'x'; NOISE_BYTES * 3], 1000, 1 << 20);
    assert_eq!(lines, [noise(&vec![b'x'; NOISE_BYTES])]);
}

#[test]
fn a_passing_giant_needs_no_memory() {
    let mut codec = LineCodec::new(1 << 20);
    let chunk = vec![b'x'; READ_BYTES];
    for _ in 0..(64 << 20) / READ_BYTES {
        codec.read_buf().put_slice(&chunk);
        assert_eq!(codec.next(), None);
        assert!(codec.buffer.capacity() <= (4 << 20), "{}", codec.buffer.capacity());
    }
    assert!(codec.buffer.capacity() <= KEEP_BYTES);
    codec.read_buf().put_slice(b"\n");
    let oversized = Line::Oversized { bytes: 64 << 20, id: None, is_response: false };
    assert_eq!(codec.next(), Some(oversized));
}

#[test]
fn a_large_buffer_is_given_back_and_small_messages_do_not_hold_one() {
    let mut codec = LineCodec::new(64 << 20);
    let large = format!("[{}]\n{{\"next\":1}}\n", " ".repeat(8 << 20));
    for piece in large.as_bytes().chunks(READ_BYTES) {
        codec.read_buf().put_slice(piece);
        while let Some(line) = codec.next() {
            let Line::Message(message) = line else { panic!("{line:?}") };
            drop(message);
        }
    }
    assert!(codec.read_buf().capacity() <= KEEP_BYTES);

    codec.read_buf().put_slice(b"{}\n");
    let before = codec.buffer.as_ptr();
    let small = codec.next();
    codec.read_buf().put_slice(b"{}\n");
    drop(codec.next());
    assert_eq!(codec.read_buf().as_ptr().addr(), before.addr() + 6, "the buffer was replaced");
    drop(small);
}

#[test]
fn a_large_message_is_not_copied() {
    let mut codec = LineCodec::new(64 << 20);
    let text = format!("[{}]\n", " ".repeat(COPY_BYTES));
    codec.read_buf().put_slice(text.as_bytes());
    let start = codec.buffer.as_ptr();
    let Some(Line::Message(message)) = codec.next() else { panic!("no message") };
    assert_eq!(message.as_ptr(), start);
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b" ".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"{\"id\":1,\"result\":{}}".to_vec()),
        Just(b"[1]".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
        "[ -~]{0,60}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// The same, slowly and on all of the input at once.
fn expected(input: &[u8], max: usize) -> Vec<Option<Vec<u8>>> {
    let mut raw: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    if raw.last() == Some(&&b""[..]) {
        raw.pop();
    }
    let lines = raw.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines
        .filter_map(|line| {
            if line.len() > max {
                return Some(None);
            }
            let mut text = line;
            while let Some((first, rest)) = text.split_first() {
                match (first, text.strip_prefix(b"\xef\xbb\xbf")) {
                    (_, Some(rest)) => text = rest,
                    (first, None) if first.is_ascii_whitespace() => text = rest,
                    _ => break,
                }
            }
            let text = text.trim_ascii_end();
            (!text.is_empty()).then(|| Some(text.to_vec()))
        })
        .collect()
}

proptest! {
    #[test]
    fn how_the_bytes_arrive_does_not_matter(
        input in input(),
        pieces in proptest::collection::vec(1usize..50, 1..200),
        max in 0usize..120,
    ) {
        let whole = lines_of(&input, usize::MAX, max);
        let mut codec = LineCodec::new(max);
        let mut lines = Vec::new();
        let mut rest = &input[..];
        for piece in pieces.iter().cycle() {
            if rest.is_empty() { break; }
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            codec.read_buf().put_slice(now);
            lines.extend(std::iter::from_fn(|| codec.next()));
            rest = later;
        }
        lines.extend(codec.finish());
        prop_assert_eq!(&lines, &whole);

        let contents: Vec<Option<Vec<u8>>> = lines.iter().map(|line| match line {
            Line::Message(bytes) | Line::Noise(bytes) => Some(bytes.to_vec()),
            Line::Oversized { .. } => None,
        }).collect();
        prop_assert_eq!(contents, expected(&input, max));
    }

    #[test]
    fn a_message_is_json_or_at_least_begins_so(input in input()) {
        for line in lines_of(&input, 7, 1000) {
            if let Line::Message(text) = line {
                prop_assert!(std::str::from_utf8(&text).is_ok());
                prop_assert!([0x7b, 0x5b].contains(&text[0]), "neither brace nor bracket");
            }
        }
    }
}
