//! What the end-to-end tests share: starting the real binary, and talking to it over HTTP.
//!
//! Owns processes and plain protocol clients. Knows nothing of the product's own code: what the tests
//! see is what anybody sees from outside.

pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod process;
pub(crate) mod refusal;
pub(crate) mod sse;

use std::time::Duration;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Nothing in these tests takes this long unless it hangs.
pub(crate) const GENEROUS: Duration = Duration::from_mins(1);

/// Whose turn it is: tests that measure run alone, the others side by side.
static TURN: RwLock<()> = RwLock::const_new(());

/// Held by a test that others may run beside.
pub(crate) async fn together() -> RwLockReadGuard<'static, ()> {
    TURN.read().await
}

/// Held by a test that measures time or memory, which others would disturb.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write().await
}

/// Awaits `future`, and names what was waited for when it does not come in time.
pub(crate) async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    let waited = tokio::time::timeout(GENEROUS, Box::pin(future)).await;
    waited.unwrap_or_else(|_| panic!("{what}: nothing came within {GENEROUS:?}"))
}

/// Waits on a thread of its own until `condition` holds.
pub(crate) async fn eventually(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> bool + Send + 'static,
) {
    let outcome = tokio::task::spawn_blocking(move || {
        standpipe_testkit::wait_until(deadline, || condition().then_some(()))
    });
    if let Err(late) = outcome.await.expect("the waiting thread does not panic") {
        panic!("{what}: {late}");
    }
}
