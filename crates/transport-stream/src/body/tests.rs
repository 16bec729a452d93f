//! Bodies in pieces, slow ones, and ones that are too long.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Frame;
use tokio::time::{Sleep, sleep};

use super::*;

/// A body that comes in pieces, each after a while.
struct Pieces(VecDeque<(Bytes, Pin<Box<Sleep>>)>);

impl Pieces {
    fn new(pieces: &[(&str, Duration)]) -> Self {
        let mut after = Duration::ZERO;
        let piece = |(text, wait): &(&str, Duration)| {
            after += *wait;
            (Bytes::copy_from_slice(text.as_bytes()), Box::pin(sleep(after)))
        };
        Self(pieces.iter().map(piece).collect())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((_, wait)) = self.0.front_mut() else {
            return Poll::Ready(None);
        };
        std::task::ready!(wait.as_mut().poll(cx));
        let piece = self.0.pop_front().map(|(bytes, _)| Ok(Frame::data(bytes)));
        Poll::Ready(piece)
    }
}

async fn read_pieces(
    pieces: &[(&str, Duration)],
    limit: usize,
    budget: &Budget,
) -> Result<(Bytes, Permit), Unread> {
    read(&mut Request::new(Pieces::new(pieces)), limit, budget).await
}

#[tokio::test(start_paused = true)]
async fn pieces_are_put_together_and_weighed() {
    let budget = Budget::new(100);
    let soon = Duration::from_secs(29);
    let pieces = [("ab", soon), ("", soon), ("cd", soon), ("e", soon)];
    let (bytes, permit) = read_pieces(&pieces, 5, &budget).await.unwrap();
    assert_eq!(bytes, "abcde");
    assert_eq!((permit.bytes(), budget.used()), (5, 5));
    drop(permit);
    assert_eq!(budget.used(), 0);
    let (bytes, _permit) = read_pieces(&[], 5, &budget).await.unwrap();
    assert_eq!(bytes, "");
}

#[tokio::test(start_paused = true)]
async fn every_bound_holds() {
    let budget = Budget::new(10);
    let now = Duration::ZERO;
    let outcome = |result: Result<(Bytes, Permit), Unread>| result.map(drop);
    assert_eq!(
        outcome(read_pieces(&[("abc", now), ("def", now)], 5, &budget).await),
        Err(Unread::TooLarge { limit: 5 })
    );
    assert_eq!(
        outcome(read_pieces(&[("abcdef", now), ("ghijkl", now)], 50, &budget).await),
        Err(Unread::NoMemory)
    );
    assert_eq!(
        outcome(read_pieces(&[("a", now), ("b", Duration::from_secs(31))], 5, &budget).await),
        Err(Unread::Stalled)
    );
    assert_eq!(budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_waits_for_nothing() {
    let (budget, began) = (Budget::new(100), tokio::time::Instant::now());
    let never = Duration::from_hours(1);
    let now = Duration::ZERO;
    let mut request = Request::new(Pieces::new(&[("abcdef", never)]));
    request.headers_mut().insert(CONTENT_LENGTH, "6".parse().unwrap());
    let too_large = Some(Unread::TooLarge { limit: 5 });
    let declared = read(&mut request, 5, &budget).await;
    assert_eq!(declared.err(), too_large);
    let found = read_pieces(&[("abc", now), ("def", now), ("ghi", never)], 5, &budget).await;
    assert_eq!(found.err(), too_large);
    assert_eq!(began.elapsed(), now);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_given_up_in_the_end() {
    let budget = Budget::new(100);
    let trickle = [("a", Duration::from_secs(25)); 50];
    let result = read_pieces(&trickle, 100, &budget).await;
    assert_eq!(result.map(drop), Err(Unread::Stalled));
}

#[tokio::test]
async fn a_length_that_is_too_long_is_refused_before_anything_is_read() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, "6".parse().unwrap());
    assert!(is_too_large(&headers, 5));
    assert!(!is_too_large(&headers, 6));
}
