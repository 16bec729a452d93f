//! When an instance has to look again although nothing has come.
//!
//! Owns one timer, and sets it as seldom as may be. Must not know what is due. It exists because what is
//! due moves with every message, and a timer that moves with it costs more than one that goes off too
//! early now and then.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// When it goes off, if it is set.
    at: Option<Instant>,
}

impl Alarm {
    /// One that is not set.
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(sleep_until(Instant::now())), at: None }
    }

    /// Ready at `when`, or earlier: then it has to be asked again.
    pub(super) fn poll(&mut self, when: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(when) = when else {
            return Poll::Pending; // One that is set wakes the task for nothing, once.
        };
        if self.at.is_none_or(|at| when < at) {
            self.sleep.as_mut().reset(when);
            self.at = Some(when);
        }
        ready!(self.sleep.as_mut().poll(cx));
        self.at = None;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_when_it_is_time_and_once_too_early_where_that_was_put_off() {
        let began = Instant::now();
        let mut alarm = Alarm::new();
        let at = |seconds| Some(began + Duration::from_secs(seconds));
        poll_fn(|cx| alarm.poll(at(2), cx)).await;
        assert_eq!(began.elapsed().as_secs(), 2);
        // Set to 5, put off to 9, then brought forward to 4.
        let mut asked = vec![at(6), at(4), at(9), at(5)];
        let mut when = None;
        poll_fn(|cx| {
            when = asked.pop().unwrap_or(when);
            let due = alarm.poll(when, cx);
            if !asked.is_empty() {
                cx.waker().wake_by_ref();
            }
            due
        })
        .await;
        assert_eq!(began.elapsed().as_secs(), 4);
        poll_fn(|cx| alarm.poll(at(6), cx)).await;
        assert_eq!(began.elapsed().as_secs(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_past_is_due_at_once() {
        let mut alarm = Alarm::new();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = Instant::now();
        poll_fn(|cx| alarm.poll(Some(now), cx)).await;
        assert_eq!(now.elapsed(), Duration::ZERO);
    }
}
