//! Lives that ended before there was a process.
//!
//! Owns what is told of them. Must not know of processes.

use std::sync::Arc;

use standpipe_core::fault::FaultKind;
use standpipe_core::policy::Ending;
use standpipe_metrics::StartOutcome;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tracing::Span;

use super::ended::{Ended, Finish};
use super::{Plan, SETTLE, traced};
use crate::instance::Control;
use crate::stderr::StderrTail;

pub(super) async fn never_launched(plan: &Plan, how: Arc<str>, began: Instant, starting: Span) {
    traced::start_failed(&starting, StartOutcome::LaunchFailed, &how);
    drop(starting);
    tracing::warn!(service = %plan.spec.id, how = %how, "the child could not be launched");
    plan.metrics.start_ended(StartOutcome::LaunchFailed, began.elapsed());
    let why = FaultKind::StartFailed(Arc::clone(&how));
    let ending = Some(Ending::NeverReady);
    without_a_child(plan, Ended { ending, ..Ended::unseen(how, why) }).await;
}

/// It was to end before it had begun.
pub(super) async fn stopped_before(plan: &Plan, finish: &Finish, began: Instant, starting: Span) {
    let how = finish.in_words(plan.spec.timeouts.start);
    traced::start_failed(&starting, finish.start_outcome(), &how);
    drop(starting);
    plan.metrics.start_ended(finish.start_outcome(), began.elapsed());
    let ended = Ended::new(finish, None, plan.spec.timeouts.start, StderrTail::default());
    without_a_child(plan, ended).await;
}

async fn without_a_child(plan: &Plan, ended: Ended) {
    plan.announce(&ended).await;
    let (done_to, done) = oneshot::channel();
    plan.order(Control::Ended { why: ended.why, done: done_to }).await;
    let _settled = timeout(SETTLE, done).await;
}
