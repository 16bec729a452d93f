//! Whether somebody uses a session, and since when nobody does.
//!
//! Owns the count of open streams, calls and requests of one session, and tells the service's side
//! that somebody is there. Must not know what they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use standpipe_core::connection::Session;
use tokio::time::Instant;

/// How a session is used.
#[derive(Debug)]
pub(crate) struct Usage {
    users: AtomicUsize,
    began: Instant,
    /// When the last user left, in milliseconds since `began`.
    left: AtomicU64,
}

/// One user of a session; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct InUse {
    usage: Arc<Usage>,
    session: Arc<Session>,
}

impl Usage {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            users: AtomicUsize::new(0),
            began: Instant::now(),
            left: AtomicU64::new(0),
        })
    }

    /// Counts one more user.
    pub(crate) fn enter(self: &Arc<Self>, session: &Arc<Session>) -> InUse {
        self.users.fetch_add(1, Ordering::AcqRel);
        session.stream_opened();
        InUse { usage: Arc::clone(self), session: Arc::clone(session) }
    }

    /// For how long nobody has used it; `None` while somebody does.
    pub(crate) fn idle_for(&self, now: Instant) -> Option<Duration> {
        if self.users.load(Ordering::Acquire) > 0 {
            return None;
        }
        let left = self.began + Duration::from_millis(self.left.load(Ordering::Acquire));
        Some(now.saturating_duration_since(left))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.session.stream_closed();
        let usage = &self.usage;
        let now = u64::try_from(usage.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Before the count: who finds it at zero also finds the time.
        usage.left.store(now, Ordering::Release);
        usage.users.fetch_sub(1, Ordering::AcqRel);
    }
}
