//! Everything about stderr is bounded, and it is always read to the end.

use super::{MAX_LINE_BYTES, StderrTail, drain};

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
