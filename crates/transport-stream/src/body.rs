//! Reads a request's body, within bounds.
//!
//! Owns how much is read and how long it may take. Must not know what the bytes mean.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http::header::{CONTENT_LENGTH, HeaderMap};
use http_body::Body;
use standpipe_core::budget::{Budget, Permit};
use standpipe_core::connection::GateSettings;
use standpipe_core::message::{Id, Incoming, Message, parse_body};
use tokio::time::{Instant, timeout, timeout_at};

use crate::refusal::Unread;

/// A client that sends nothing of its body for this long is not waited for.
const SILENCE: Duration = Duration::from_secs(30);

/// The longest a whole body may take: 17 MiB in this time is less than 30 kB a second.
const WHOLE: Duration = Duration::from_mins(10);

/// How much of a refused request is read to find the id to answer under, in bytes.
const PEEK: usize = 64 * 1024;

/// How long that may take: the refusal is known, and worth more than the id.
const PEEK_TIME: Duration = Duration::from_secs(1);

/// Reads all of a body of at most `limit` bytes. The permit holds what the bytes weigh. What is refused
/// is refused at once; whoever made the body sees to it that its sender gets to read that.
pub(crate) async fn read<B>(
    request: &mut Request<B>,
    limit: usize,
    budget: &Budget,
) -> Result<(Bytes, Permit), Unread>
where
    B: Body<Data = Bytes> + Unpin,
{
    let declared = declared(request.headers());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Unread::TooLarge { limit });
    }
    let mut permit = budget.take(0).ok_or(Unread::NoMemory)?;
    let mut body = Pin::new(request.body_mut());
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut deadline = None;
    loop {
        // Mostly the body has come with the head: then no clock is needed.
        let there = std::future::poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await;
        let frame = match there {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let now = Instant::now();
                let deadline = *deadline.get_or_insert(now + WHOLE);
                let next = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx));
                let until = deadline.min(now + SILENCE);
                // Boxed, for it is rare: a connection has room for the largest future of all.
                Box::pin(timeout_at(until, next)).await.map_err(|_| Unread::Stalled)?
            }
        };
        let frame = match frame {
            None => break,
            Some(Err(_)) => return Err(Unread::Broken),
            Some(Ok(frame)) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue; // Trailers.
        };
        if permit.bytes() + data.len() > limit {
            return Err(Unread::TooLarge { limit });
        }
        permit.grow(data.len()).map_err(|_| Unread::NoMemory)?;
        if first.is_empty() {
            first = data; // Most bodies come in one piece, which is not copied.
            continue;
        }
        if rest.is_empty() {
            // Memory that is not written to yet costs nothing.
            rest.reserve(
                declared.map_or(2 * first.len(), |length| usize::try_from(length).unwrap_or(0)),
            );
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&data);
    }
    let bytes = if rest.is_empty() { first } else { rest.freeze() };
    Ok((bytes, permit))
}

/// Whether a body says beforehand that it is too long.
pub(crate) fn is_too_large(headers: &HeaderMap, limit: usize) -> bool {
    declared(headers).is_some_and(|length| length > limit as u64)
}

/// The id of a request that is refused for its headers, if it is short and one can be read.
pub(crate) async fn peek_id<B>(
    request: &mut Request<B>,
    settings: &GateSettings,
    budget: &Budget,
) -> Option<Id>
where
    B: Body<Data = Bytes> + Unpin,
{
    let limit = settings.max_message_bytes.min(PEEK);
    let reading = read(request, limit, budget);
    let (bytes, _permit) = timeout(PEEK_TIME, reading).await.ok()?.ok()?;
    match parse_body(&bytes) {
        Ok(Incoming::Single(Message::Request(request))) => Some(request.id),
        Ok(_) => None,
        Err(rejected) => rejected.id,
    }
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
