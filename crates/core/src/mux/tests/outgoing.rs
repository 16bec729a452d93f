//! Lines for a child: in order, each whole, and written into the same memory again.

use bytes::Bytes;

use super::super::outgoing::{Batch, Outgoing};
use crate::message::{Message, RawJson, parse};

fn message(number: usize, bytes: usize) -> Message {
    let text = RawJson::string(&"x".repeat(bytes));
    let text = format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{}}}"#, text.as_str());
    parse(&Bytes::from(text)).unwrap()
}

fn written(batch: &Batch) -> Vec<u8> {
    batch.chunks.iter().flatten().copied().collect()
}

#[test]
fn batches_are_the_lines_in_order() {
    let sizes = [
        10, 16_382, 16_383, 100, 5, 200_000, 200_000, 1, 16_000, 16_000, 16_000, 16_000, 16_000, 3,
    ];
    let mut outgoing = Outgoing::default();
    let mut expected = Vec::new();
    for (number, bytes) in sizes.into_iter().enumerate() {
        let message = message(number, bytes);
        expected.extend_from_slice(&message.encode().into_bytes());
        expected.push(b'\n');
        outgoing.push(message, None, None);
    }
    let mut batch = Batch::default();
    let mut all = Vec::new();
    while !outgoing.is_empty() {
        outgoing.fill(&mut batch);
        assert!(batch.chunks.iter().all(|chunk| !chunk.is_empty()));
        all.extend(written(&batch));
    }
    assert!(all == expected);
    outgoing.fill(&mut batch);
    assert!(batch.chunks.is_empty());
}

#[test]
fn a_large_payload_is_not_copied() {
    let message = message(1, 100_000);
    let Message::Response(response) = &message else { panic!("a response") };
    let crate::message::Outcome::Result(raw) = response.outcome.clone() else { panic!("a result") };
    let mut outgoing = Outgoing::default();
    outgoing.push(message, None, None);
    let batch = outgoing.next_batch();
    assert_eq!(batch.chunks[1].as_ptr(), raw.as_bytes().as_ptr());
    assert_eq!(batch.chunks[2], "}\n");
}

#[test]
fn the_same_memory_is_written_again() {
    let mut outgoing = Outgoing::default();
    let mut batch = Batch::default();
    let mut places = std::collections::HashSet::new();
    for number in 0..1000 {
        outgoing.push(message(number, number % 100), None, None);
        outgoing.fill(&mut batch);
        let start = batch.chunks[0].as_ptr() as usize;
        places.insert(start);
        batch.clear();
    }
    let (first, last) = (places.iter().min().unwrap(), places.iter().max().unwrap());
    assert!(last - first < 4096, "more than one buffer was used");
}
