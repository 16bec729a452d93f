//! How long somebody waits for something before another thing is done.
//!
//! Owns one clock for all who wait. Must not know what for. It exists because a timer of its own would
//! be set and cleared for every call, of which hardly one takes that long.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::time::sleep;

/// The clock's step. It stands still while nobody waits.
const STEP: Duration = Duration::from_millis(100);

/// The clock, and who waits.
#[derive(Debug, Default)]
pub(crate) struct Patience(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Steps so far.
    now: u64,
    is_running: bool,
    waiting: Slab<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    until: u64,
    waker: Waker,
}

impl Patience {
    /// What `poll` comes to; `None` where that takes longer than `limit`, to a tenth of a second.
    /// Cancel safe where `poll` is.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let mut place = Place { clock: &self.0, number: None };
        poll_fn(|cx| match poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => place.poll(limit, cx).map(|()| None),
        })
        .await
    }
}

/// A place among those who wait; given up on drop.
struct Place<'a> {
    clock: &'a Arc<Mutex<State>>,
    number: Option<usize>,
}

impl Place<'_> {
    fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(self.clock);
        let now = state.now;
        let Some(number) = self.number else {
            let steps =
                u64::try_from(limit.as_nanos().div_ceil(STEP.as_nanos())).unwrap_or(u64::MAX);
            // One more, for the one that is under way counts in part.
            let until = now.saturating_add(steps).saturating_add(1);
            let waker = cx.waker().clone();
            self.number = Some(state.waiting.insert(Waiting { until, waker }));
            if !std::mem::replace(&mut state.is_running, true) {
                tokio::spawn(run(Arc::clone(self.clock)));
            }
            return Poll::Pending;
        };
        let waiting = &mut state.waiting[number];
        if waiting.until <= now {
            return Poll::Ready(());
        }
        waiting.waker.clone_from(cx.waker());
        Poll::Pending
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let left = lock(self.clock).waiting.remove(number);
            drop(left); // Not under the lock: a waker may be the last to hold its task.
        }
    }
}

async fn run(clock: Arc<Mutex<State>>) {
    loop {
        sleep(STEP).await;
        let due: Vec<Waker> = {
            let mut state = lock(&clock);
            state.now += 1;
            if state.waiting.is_empty() {
                state.is_running = false;
                return;
            }
            let now = state.now;
            let due = state.waiting.iter().filter(|(_, waiting)| waiting.until <= now);
            due.map(|(_, waiting)| waiting.waker.clone()).collect()
        };
        for waker in due {
            waker.wake();
        }
    }
}

fn lock(clock: &Mutex<State>) -> MutexGuard<'_, State> {
    clock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    fn never(_: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_let_go_when_it_is_time() {
        let patience = Patience::default();
        let began = Instant::now();
        let first = patience.within(LIMIT, never);
        let second = async {
            sleep(Duration::from_millis(450)).await;
            let began = Instant::now();
            assert_eq!(patience.within(2 * LIMIT, never).await, None);
            began.elapsed()
        };
        let first = async {
            assert_eq!(first.await, None);
            began.elapsed()
        };
        let (first, second) = tokio::join!(first, second);
        assert!((LIMIT..=LIMIT + STEP).contains(&first), "{first:?}");
        assert!((2 * LIMIT..=2 * LIMIT + STEP).contains(&second), "{second:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_had() {
        let patience = Patience::default();
        let mut coming = std::pin::pin!(sleep(LIMIT / 2));
        let came = patience.within(LIMIT, |cx| coming.as_mut().poll(cx)).await;
        assert_eq!(came, Some(()));
        assert!(lock(&patience.0).waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_stands_still_while_nobody_waits() {
        let patience = Patience::default();
        for _ in 0..2 {
            assert_eq!(patience.within(LIMIT, never).await, None);
            sleep(2 * STEP).await;
            let state = lock(&patience.0);
            assert!(!state.is_running && state.waiting.is_empty());
        }
    }
}
