//! Reads a request body, bounded in length, in memory of the whole process and in time.
//!
//! Owns the three bounds and the refusal of each. Must not know what the bytes mean.

use std::pin::Pin;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use standpipe_core::budget::{Budget, Permit};
use standpipe_core::message::{Id, Incoming, Message, parse_body};
use tokio::time::timeout;

/// How long a client may send nothing in the middle of a body.
const SILENCE: Duration = Duration::from_secs(30);

/// How much of a refused request is read to find the id to answer under, in bytes.
const PEEK: usize = 64 * 1024;

/// How long that may take: the refusal is known, and worth more than the id.
const PEEK_TIME: Duration = Duration::from_secs(1);

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// Longer than the service takes, in bytes.
    #[error("the body is longer than the {limit} bytes this service takes (max_message_bytes)")]
    TooLarge { limit: usize },
    /// All bodies together hold as much memory as they may.
    #[error("too many request bodies are being read; try again shortly")]
    Exhausted,
    /// Nothing came for [`SILENCE`].
    #[error("no byte of the body arrived for {} s", SILENCE.as_secs())]
    TooSlow,
    /// The client went away, or its framing is wrong.
    #[error("the body broke off before its end")]
    BrokenOff,
}

/// Reads all of `body`, at most `limit` bytes. The permit stands for the memory it takes.
///
/// # Errors
/// When a bound is reached, at once; whatever was read is gone. Whoever made the body sees to it that its
/// sender gets to read the refusal.
pub(crate) async fn read<B>(
    mut body: Pin<&mut B>,
    limit: usize,
    budget: &Budget,
) -> Result<(Bytes, Permit), BodyError>
where
    B: Body<Data = Bytes>,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge { limit });
    }
    let mut permit = budget.take(announced).ok_or(BodyError::Exhausted)?;
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = timeout(SILENCE, body.frame()).await.map_err(|_| BodyError::TooSlow)? {
        let Ok(data) = frame.map_err(|_| BodyError::BrokenOff)?.into_data() else {
            continue; // Trailers say nothing here.
        };
        let length = first.len() + all.len() + data.len();
        if length > limit {
            return Err(BodyError::TooLarge { limit });
        }
        let more = length.saturating_sub(permit.bytes());
        permit.grow(more).map_err(|_| BodyError::Exhausted)?;
        if first.is_empty() && all.is_empty() {
            first = data; // Most bodies are one piece and are not copied.
            continue;
        }
        if all.is_empty() {
            all.reserve(announced.max(length));
            all.put(std::mem::take(&mut first));
        }
        all.put(data);
    }
    let whole = if all.is_empty() { first } else { all.freeze() };
    Ok((whole, permit))
}

/// The id of a request that is refused for its headers, if it is short and one can be read.
pub(crate) async fn peek_id<B>(body: Pin<&mut B>, limit: usize, budget: &Budget) -> Option<Id>
where
    B: Body<Data = Bytes>,
{
    let reading = read(body, limit.min(PEEK), budget);
    let (bytes, _permit) = timeout(PEEK_TIME, reading).await.ok()?.ok()?;
    match parse_body(&bytes) {
        Ok(Incoming::Single(Message::Request(request))) => Some(request.id),
        Ok(_) => None,
        Err(rejected) => rejected.id,
    }
}
