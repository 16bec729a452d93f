//! The bounds of request bodies.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::bench::*;

/// A body of pieces without a length, which then ends as the test says.
struct Pieces {
    left: Vec<Bytes>,
    end: End,
    announced: Option<u64>,
}

#[derive(Clone, Copy)]
enum End {
    Whole,
    Broken,
    Silent,
}

#[derive(Debug)]
struct Broken;

impl Body for Pieces {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(piece) = self.left.pop() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::Broken => Poll::Ready(Some(Err(Broken))),
            End::Silent => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

async fn post(bench: &Bench, uri: &str, body: Pieces) -> (Option<String>, Said) {
    let mut request =
        Request::post(uri).header("content-type", "application/json").body(body).unwrap();
    let (headers, said) = said(bench.transport.message(&bench.route, &mut request).await).await;
    let retry = headers.get("retry-after");
    (retry.map(|value| value.to_str().unwrap().to_owned()), said)
}

fn chunked(text: &str, size: usize, end: End) -> Pieces {
    let chunks = text.as_bytes().chunks(size);
    Pieces { left: chunks.rev().map(Bytes::copy_from_slice).collect(), end, announced: None }
}

#[tokio::test(start_paused = true)]
async fn a_body_in_pieces_is_one_message() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, _session) = bench.initialized(&mut child).await;
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"é"}}"#;
    for size in [1, 7, 1000] {
        let (_, said) = post(&bench, &client.uri, chunked(text, size, End::Whole)).await;
        assert_eq!(said, taken());
        assert_eq!(bench.bodies.used(), text.len());
        let (_, request, _) = request(&mut child).await;
        assert_eq!(request.params.unwrap().raw().as_str(), r#"{"cursor":"é"}"#);
        assert_eq!(bench.bodies.used(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_refused_and_the_session_goes_on() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, _session) = bench.initialized(&mut child).await;
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"x":"{}"}}}}"#,
        "y".repeat(MAX_MESSAGE)
    );
    let expected = Said::new(
        413,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the body is longer than the 4194304 bytes this service takes (max_message_bytes)"}}"#,
    );
    let body = chunked(&long, 100_000, End::Whole);
    assert_eq!(post(&bench, &client.uri, body).await.1, expected);
    let body = Pieces { announced: Some(long.len() as u64), ..chunked(&long, 100_000, End::Whole) };
    assert_eq!(post(&bench, &client.uri, body).await.1, expected);
    // What is announced or begun and never sent is not waited for.
    let start = Instant::now();
    let body = Pieces { announced: Some(u64::MAX), ..chunked("", 1, End::Silent) };
    assert_eq!(post(&bench, &client.uri, body).await.1, expected);
    let body = chunked(&long, 100_000, End::Silent);
    assert_eq!(post(&bench, &client.uri, body).await.1, expected);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(bench.bodies.used(), 0);

    let exact = MAX_MESSAGE - (long.len() - MAX_MESSAGE);
    let fits = long.replace(&"y".repeat(MAX_MESSAGE), &"y".repeat(exact));
    assert_eq!(fits.len(), MAX_MESSAGE);
    assert_eq!(bench.post(&client.uri, &fits).await, taken());
    request(&mut child).await;
}

#[tokio::test(start_paused = true)]
async fn bodies_share_a_budget() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, _session) = bench.initialized(&mut child).await;
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let taken_elsewhere = bench.bodies.take(bench.bodies.limit() - 10).unwrap();
    let expected = Said::new(
        503,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"too many request bodies are being read; try again shortly"}}"#,
    );
    for size in [5, 1000] {
        let (retry, said) = post(&bench, &client.uri, chunked(text, size, End::Whole)).await;
        assert_eq!(said, expected);
        assert_eq!(retry.as_deref(), Some("1"));
    }
    assert_eq!(bench.post(&client.uri, text).await, expected);
    drop(taken_elsewhere);
    assert_eq!(bench.post(&client.uri, text).await, taken());
    request(&mut child).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_not_waited_for_for_ever() {
    let bench = Bench::new();
    let client = bench.connect().await;
    let start = Instant::now();
    let (_, said) = post(&bench, &client.uri, chunked("{\"json", 1, End::Silent)).await;
    assert_eq!(said.status, 408);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    let (_, said) = post(&bench, &client.uri, chunked("{\"json", 1, End::Broken)).await;
    assert_eq!(said.status, 400);
    assert!(said.body.contains("broke off"), "{}", said.body);
    assert_eq!(bench.bodies.used(), 0);
}
