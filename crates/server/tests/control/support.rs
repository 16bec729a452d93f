//! The clients and the process of the end-to-end tests, which these tests use as well.

#[path = "../e2e/support/events.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
pub(crate) mod events;
#[path = "../e2e/support/http.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
pub(crate) mod http;
#[path = "../e2e/support/process.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
pub(crate) mod process;

use std::time::Duration;

/// Nothing in these tests takes this long unless it hangs.
pub(crate) const GENEROUS: Duration = Duration::from_mins(1);

/// Awaits `future`, and names what was waited for when it does not come in time.
pub(crate) async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    let waited = tokio::time::timeout(GENEROUS, Box::pin(future)).await;
    waited.unwrap_or_else(|_| panic!("{what}: nothing came within {GENEROUS:?}"))
}

/// Tries until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    in_time(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
