//! A queue of what a service's tasks tell its supervisor.
//!
//! Owns that it takes no memory before somebody can write to it: most of many services do not run,
//! and the first block of a queue is what they would need most memory for. Must not know what is
//! told.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// See the module. What bounds it is said where it is used.
pub(super) struct Mail<T>(Option<(UnboundedSender<T>, UnboundedReceiver<T>)>);

impl<T> Mail<T> {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// For one more writer.
    pub(super) fn writer(&mut self) -> UnboundedSender<T> {
        self.0.get_or_insert_with(unbounded_channel).0.clone()
    }

    /// The next message; waits for ever while nobody can write one. Cancel safe.
    pub(super) async fn next(&mut self) -> T {
        if let Some((_, messages)) = &mut self.0
            && let Some(message) = messages.recv().await
        {
            return message;
        }
        std::future::pending().await
    }

    pub(super) fn try_next(&mut self) -> Option<T> {
        self.0.as_mut()?.1.try_recv().ok()
    }

    /// From now on writers get back what they write.
    pub(super) fn close(&mut self) {
        if let Some((_, messages)) = &mut self.0 {
            messages.close();
        }
    }
}
