//! Telling a client that there is no room, without spending much on it.
//!
//! Owns the one answer and its way out. It must not read requests. It exists because a socket that
//! is closed with unread data makes the kernel throw the answer away: the client would see a reset
//! instead of a reason.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Refusals that may be under way at a time. When all are, accepting waits for one of them: it is
/// a matter of a moment, and meanwhile the kernel keeps the next clients.
const AT_A_TIME: usize = 8;

/// For the request to come in, at first and after each part.
const READ_PATIENCE: Duration = Duration::from_millis(100);

/// For the whole refusal, whatever the client does.
const PATIENCE: Duration = Duration::from_secs(1);

/// The answer, whole. Its id is null: the request is not read.
const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
content-type: application/json\r\n\
content-length: 131\r\n\
retry-after: 1\r\n\
connection: close\r\n\
\r\n\
{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32010,\
\"message\":\"Standpipe has no room for another connection; try again in a second\"}}";

/// Refuses in the background, a few at a time.
pub(super) struct Refuser {
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Refuser {
    pub(super) fn new(tasks: TaskTracker, closing: CancellationToken) -> Self {
        Self { slots: Arc::new(Semaphore::new(AT_A_TIME)), tasks, closing }
    }

    /// Returns as soon as the refusal is under way.
    pub(super) async fn refuse(&self, stream: TcpStream) {
        let slot = tokio::select! {
            slot = Arc::clone(&self.slots).acquire_owned() => slot,
            () = self.closing.cancelled() => return,
        };
        self.tasks.spawn(async move {
            let _slot = slot;
            refuse(stream).await;
        });
    }
}

/// Answers, and reads what the client sends until it has nothing more to say.
pub(super) async fn refuse(mut stream: TcpStream) {
    let talk = async {
        // A client that is still writing its request may not look for an answer yet.
        let mut part = [0; 4096];
        let _request = timeout(READ_PATIENCE, stream.read(&mut part)).await;
        if stream.write_all(ANSWER).await.is_err() || stream.shutdown().await.is_err() {
            return;
        }
        while let Ok(Ok(read)) = timeout(READ_PATIENCE, stream.read(&mut part)).await {
            if read == 0 {
                return;
            }
        }
    };
    let _in_any_case = timeout(PATIENCE, talk).await;
}

#[cfg(test)]
mod tests {
    use super::ANSWER;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error"]["code"], -32010);
    }
}
