//! Answers that come in one piece, byte by byte, and one behind the other.

use super::{Incoming, messages};

/// Hands over so many bytes at a time, and takes every answer that is whole.
fn answers(bytes: &[u8], step: usize) -> Vec<(u16, Vec<String>)> {
    let mut incoming = Incoming::default();
    let mut found = Vec::new();
    for piece in bytes.chunks(step) {
        incoming.room()[..piece.len()].copy_from_slice(piece);
        incoming.filled(piece.len());
        while let Some((head, body)) = incoming.whole().unwrap() {
            let texts = messages(&head, body).map(|m| String::from_utf8(m.to_vec()).unwrap());
            found.push((head.status, texts.collect()));
        }
    }
    found
}

const SEVERAL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}\
HTTP/1.1 100 Continue\r\n\r\n\
HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
1f\r\nid: 1\ndata: \n\nevent: message\nda\r\n13;x=y\r\nta: {\"b\":2}\n\ndata:{\r\n9\r\n}\r\n\r\n: x\n\r\n2\r\n\n\n\r\n0\r\n\r\n\
HTTP/1.1 202 Accepted\r\n\r\n\
HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
3\r\n{\"c\r\n4\r\n\":3}\r\n0\r\n\r\n";

#[test]
fn answers_are_the_same_however_they_come() {
    let expected = [
        (200, vec!["{\"a\":1}".to_owned()]),
        (200, vec!["{\"b\":2}".to_owned(), "{}".to_owned()]),
        (202, vec![]),
        (200, vec!["{\"c\":3}".to_owned()]),
    ];
    for step in [1, 2, 3, 7, 50, SEVERAL.len()] {
        assert_eq!(answers(SEVERAL, step), expected, "{step} bytes at a time");
    }
}

#[test]
fn an_open_stream_gives_its_events_as_they_come() {
    let mut incoming = Incoming::default();
    let mut feed = |bytes: &[u8]| {
        incoming.room()[..bytes.len()].copy_from_slice(bytes);
        incoming.filled(bytes.len());
        let mut found = Vec::new();
        while let Some(event) = incoming.event().unwrap() {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            found.push((text(event.name), text(event.data)));
        }
        found
    };
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(feed(head).is_empty());
    let endpoint = feed(b"1e\r\nevent: endpoint\ndata: /there\n\n\r\n");
    assert_eq!(endpoint, [("endpoint".to_owned(), "/there".to_owned())]);
    assert!(feed(b"8\r\ndata: 1\n\r\n").is_empty());
    assert_eq!(feed(b"1\r\n\n\r\n"), [("message".to_owned(), "1".to_owned())]);
    let two = feed(b"12\r\ndata: 2\n\ndata: 3\n\n\r\n");
    assert_eq!(two.iter().map(|(_, data)| data.as_str()).collect::<Vec<_>>(), ["2", "3"]);
}

#[test]
fn a_head_tells_the_session_and_the_end_of_the_connection() {
    let mut incoming = Incoming::default();
    let bytes =
        b"HTTP/1.1 200 OK\r\nMCP-Session-ID: abc\r\nConnection: close\r\ncontent-length: 0\r\n\r\n";
    incoming.room()[..bytes.len()].copy_from_slice(bytes);
    incoming.filled(bytes.len());
    let (head, body) = incoming.whole().unwrap().unwrap();
    assert_eq!(head.session.as_deref(), Some("abc"));
    assert!(head.closes && !head.is_events && body.is_empty());
}

#[test]
fn what_is_no_answer_is_an_error() {
    for bytes in ["HTTP/2 200\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"] {
        let mut incoming = Incoming::default();
        incoming.room()[..bytes.len()].copy_from_slice(bytes.as_bytes());
        incoming.filled(bytes.len());
        assert!(incoming.whole().is_err(), "{bytes}");
    }
}
