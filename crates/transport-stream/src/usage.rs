//! Whether somebody uses a session, and for how long nobody has.
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
    /// When somebody looked and found nobody, in milliseconds since `began`; 0 where nobody has looked
    /// since the last user left. Users do not read the clock: there may be very many.
    unused_since: AtomicU64,
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
            unused_since: AtomicU64::new(0),
        })
    }

    /// Counts one more user.
    pub(crate) fn enter(self: &Arc<Self>, session: &Arc<Session>) -> InUse {
        self.users.fetch_add(1, Ordering::AcqRel);
        session.stream_opened();
        InUse { usage: Arc::clone(self), session: Arc::clone(session) }
    }

    /// For how long it is known that nobody uses it: since the first look, this one or one before,
    /// that found nobody. `None` while somebody does.
    pub(crate) fn idle_for(&self, now: Instant) -> Option<Duration> {
        if self.users.load(Ordering::Acquire) > 0 {
            return None;
        }
        let passed = now.saturating_duration_since(self.began).as_millis();
        let now = u64::try_from(passed).unwrap_or(u64::MAX).max(1);
        let noted = self.unused_since.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
        Some(Duration::from_millis(now.saturating_sub(noted.err().unwrap_or(now))))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.session.stream_closed();
        // Before the count: who finds that at zero begins to measure anew.
        self.usage.unused_since.store(0, Ordering::Release);
        self.usage.users.fetch_sub(1, Ordering::AcqRel);
    }
}
