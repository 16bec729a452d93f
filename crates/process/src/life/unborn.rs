//! Lives that ended before there was a process.
//!
//! Owns what is told of them. Must not know of processes.

use std::sync::Arc;

use standpipe_core::fault::FaultKind;
use standpipe_core::policy::Ending;
use standpipe_core::service::ServiceSpec;
use standpipe_metrics::StartOutcome;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tracing::Span;

use super::ended::{Ended, Finish};
use super::{Plan, SETTLE, traced};
use crate::instance::Control;
use crate::launch::LaunchError;
use crate::stderr::StderrTail;

/// The log has all that was found out; the callers are told as much as is theirs to know.
pub(super) async fn never_launched(
    plan: &Plan,
    error: LaunchError,
    began: Instant,
    starting: Span,
) {
    let how = error.fault.in_brief().into();
    let error = as_shown(error, &plan.spec);
    failed(plan, how, &error.to_string(), began, starting).await;
}

pub(super) async fn launched_too_slowly(plan: &Plan, began: Instant, starting: Span) {
    let how: Arc<str> = "launching took too long".into();
    failed(plan, Arc::clone(&how), &how, began, starting).await;
}

async fn failed(plan: &Plan, how: Arc<str>, details: &str, began: Instant, starting: Span) {
    traced::start_failed(&starting, StartOutcome::LaunchFailed, &how);
    drop(starting);
    tracing::warn!(service = %plan.spec.id, how = %details, "the child could not be launched");
    plan.metrics.start_ended(StartOutcome::LaunchFailed, began.elapsed());
    let why = FaultKind::StartFailed(Arc::clone(&how));
    let ending = Some(Ending::NeverReady);
    without_a_child(plan, Ended { ending, ..Ended::unseen(how, why) }).await;
}

/// Without what came from references.
fn as_shown(mut error: LaunchError, spec: &ServiceSpec) -> LaunchError {
    if let (Some(cwd), Some(shown)) = (&spec.cwd, &spec.shown.cwd) {
        error = error.showing(cwd.as_os_str(), shown);
    }
    if let Some(shown) = &spec.shown.command {
        error = error.showing(&spec.command, shown);
    }
    error
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

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use standpipe_core::service::{ServiceId, Shown};

    use super::*;
    use crate::launch::LaunchFault;

    #[test]
    fn what_came_from_references_is_told_to_nobody() {
        let mut spec = ServiceSpec::new(ServiceId::new("s").unwrap(), "s3cret/x");
        spec.cwd = Some("/home/s3cret".into());
        spec.shown = Shown {
            command: Some("${env:C}/x".to_owned()),
            cwd: Some("/home/${env:D}".to_owned()),
        };
        let source = || Error::from(ErrorKind::NotFound);
        let path = || "/home/s3cret/s3cret/x".into();
        let shown = "/home/${env:D}/${env:C}/x";
        for (fault, expected) in [
            (LaunchFault::NoSuchFile { path: path() }, shown),
            (LaunchFault::NotPermitted { path: path(), source: source() }, shown),
            (LaunchFault::NoInterpreter { script: path(), interpreter: "/i".into() }, "/i"),
            (
                LaunchFault::WorkingDirectory { path: "/home/s3cret".into(), source: source() },
                "directory /home/${env:D} ",
            ),
            (LaunchFault::NotOnPath { searched: "/a:/b".into() }, "PATH (/a:/b)"),
        ] {
            let brief = fault.in_brief();
            assert!(!brief.contains("s3cret") && !brief.contains('/'), "{brief}");
            let error = LaunchError { command: "s3cret/x".into(), fault };
            let error = as_shown(error, &spec).to_string();
            assert!(error.starts_with("cannot start `${env:C}/x`: "), "{error}");
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
        let debug = format!("{spec:?}");
        assert!(!debug.contains("s3cret"), "{debug}");
    }
}
