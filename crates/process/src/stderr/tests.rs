//! Everything about stderr is bounded, and it is always read to the end.

use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;

use super::{MAX_LINE_BYTES, StderrTail, drain, drain_until};

async fn drained(input: &[u8], tail: &StderrTail) -> Vec<String> {
    let mut lines = Vec::new();
    drain(input, tail.clone(), |line| lines.push(line.to_owned())).await;
    lines
}

#[tokio::test]
async fn lines_come_without_their_ends() {
    let tail = StderrTail::default();
    let lines = drained(b"one\r\n\n  two \nthr\xffee", &tail).await;
    assert_eq!(lines, ["one", "  two", "thr\u{fffd}ee"]);
    assert_eq!(tail.lines().iter().map(|line| &**line).collect::<Vec<_>>(), lines);
}

#[tokio::test]
async fn only_the_last_lines_are_kept() {
    let tail = StderrTail::new(3);
    drained(b"1\n2\n3\n4\n5\n", &tail).await;
    assert_eq!(tail.lines().iter().map(|line| &**line).collect::<Vec<_>>(), ["3", "4", "5"]);
}

#[tokio::test]
async fn an_endless_line_is_cut() {
    let tail = StderrTail::default();
    let mut input = vec![b'x'; 1_000_000];
    input.extend(b"\nafter\n");
    let lines = drained(&input, &tail).await;
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with("… (995904 bytes more)"), "{}", &lines[0][MAX_LINE_BYTES..]);
    assert_eq!(lines[1], "after");
}

#[tokio::test]
async fn the_total_is_bounded() {
    let tail = StderrTail::new(10_000);
    let line = [&[b'y'; 2000][..], b"\n"].concat();
    drained(&line.repeat(100), &tail).await;
    assert_eq!(tail.lines().len(), 32);
    tail.push(&"é".repeat(100_000));
    assert_eq!(tail.lines().len(), 1);
    assert_eq!(tail.lines()[0].len(), 64 << 10);
}

#[tokio::test]
async fn it_is_not_read_for_ever() {
    let (mut writer, reader) = tokio::io::duplex(64);
    let (over_to, over) = oneshot::channel::<()>();
    let tail = StderrTail::default();
    let reading = async {
        let over = async { drop(over.await) };
        drain_until(reader, over, tail.clone(), |_| {}).await;
    };
    let writing = async {
        writer.write_all(b"one\nlast words").await.unwrap();
        // They were read when there is room for as much again.
        writer.write_all(&[b' '; 64]).await.unwrap();
        drop(over_to);
    };
    tokio::join!(reading, writing);
    assert_eq!(tail.lines().iter().map(|line| &**line).collect::<Vec<_>>(), ["one", "last words"]);
}
