//! The journal is bounded, and whoever is slow is told what was missed.

use std::sync::Arc;

use super::{Journal, LogFollower, LogLine, MAX_LINES};

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| &*line.text).collect()
}

#[test]
fn the_last_lines_are_kept_with_their_numbers() {
    let journal = Journal::default();
    for number in 1..=MAX_LINES + 10 {
        journal.write(7, &format!("line {number}"));
    }
    let lines = journal.last(usize::MAX);
    assert_eq!(lines.len(), MAX_LINES);
    assert_eq!(lines[0].number, 11);
    assert_eq!(&*lines[0].text, "line 11");
    assert_eq!(lines[0].generation, 7);
    assert_eq!(texts(&journal.last(1)), [format!("line {}", MAX_LINES + 10)]);
    assert!(journal.last(0).is_empty());
}

#[test]
fn bytes_are_bounded_too() {
    let journal = Journal::default();
    for _ in 0..200 {
        journal.write(1, &"x".repeat(4 << 10));
    }
    assert_eq!(journal.last(usize::MAX).len(), 64);
}

#[tokio::test]
async fn a_follower_gets_the_last_lines_and_then_each_new_one() {
    let journal = Arc::new(Journal::default());
    for text in ["a", "b", "c"] {
        journal.write(1, text);
    }
    let mut follower = LogFollower::new(Arc::clone(&journal), 2);
    let lines = follower.next().await;
    assert_eq!((lines.missed, texts(&lines.lines)), (0, vec!["b", "c"]));
    let next = tokio::spawn(async move { follower.next().await });
    journal.write(2, "d");
    let lines = next.await.unwrap();
    assert_eq!((lines.missed, texts(&lines.lines)), (0, vec!["d"]));
}

#[tokio::test]
async fn a_follower_from_now_on_sees_nothing_old() {
    let journal = Arc::new(Journal::default());
    journal.write(1, "old");
    let mut follower = LogFollower::new(Arc::clone(&journal), 0);
    assert!(follower.unread().lines.is_empty());
    journal.write(1, "new");
    assert_eq!(texts(&follower.next().await.lines), ["new"]);
}

#[tokio::test]
async fn a_slow_follower_is_told_how_much_it_missed() {
    let journal = Arc::new(Journal::default());
    let mut follower = LogFollower::new(Arc::clone(&journal), 0);
    for number in 0..MAX_LINES + 25 {
        journal.write(1, &number.to_string());
    }
    let lines = follower.next().await;
    assert_eq!((lines.missed, lines.lines.len()), (25, MAX_LINES));
    assert_eq!(follower.unread().lines, []);
}
