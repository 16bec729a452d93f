//! The starts, restarts and stops of children as spans, for those who record traces.
//!
//! Owns their names and fields. Must not know whether anybody records them, or where they go: where
//! nobody does they are never made. They are on no log line, so they have a target of their own,
//! `standpipe::trace`. A restart is the parent of the start that follows from it.

use standpipe_metrics::StartOutcome;
use tracing::Span;
use tracing::field::Empty;

use super::Plan;
use super::ended::Finish;

/// A service is started again, because of `why`. Ends with the start that is made in its scope.
pub(crate) fn restart(service: &str, why: &'static str) -> Span {
    tracing::info_span!(
        target: "standpipe::trace",
        "restart",
        standpipe.service = service,
        standpipe.restart.cause = why,
    )
}

/// A child is started; ends when it serves, or does not.
pub(super) fn start(plan: &Plan) -> Span {
    tracing::info_span!(
        target: "standpipe::trace",
        parent: &plan.cause,
        "start",
        standpipe.service = plan.spec.id.as_str(),
        standpipe.generation = plan.marker.generation(),
        process.pid = Empty,
        error.type = Empty,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// A child was not started.
pub(super) fn start_failed(start: &Span, outcome: StartOutcome, how: &str) {
    start.record("error.type", outcome.as_str());
    start.record("otel.status_code", "ERROR");
    start.record("otel.status_description", how);
}

/// A child is ended, or has ended; ends when nothing is left of it.
pub(super) fn stop(plan: &Plan, finish: &Finish) -> Span {
    tracing::info_span!(
        target: "standpipe::trace",
        parent: None,
        "stop",
        standpipe.service = plan.spec.id.as_str(),
        standpipe.generation = plan.marker.generation(),
        standpipe.stop.cause = finish.exit_reason().as_str(),
        process.exit.code = Empty,
    )
}
