//! From the mux's words to the metrics' words.
//!
//! Owns the mapping, because core must not know metrics. Must not decide anything.

use standpipe_core::connection::Input;
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::mux::{Drop, Refusal};
use standpipe_metrics::{Dropped, QuestionRefusal, ServiceMetrics};

use super::Report;

pub(super) fn dropped(metrics: &ServiceMetrics, why: Drop) {
    let reason = match why {
        Drop::UnknownId => Dropped::UnknownId,
        Drop::UnownedLog => Dropped::UnownedLog,
        Drop::UnownedProgress => Dropped::UnownedProgress,
        Drop::AmbiguousCancel => Dropped::AmbiguousCancel,
        Drop::UnknownQuestion => Dropped::UnknownQuestion,
        Drop::SlowClient => Dropped::SlowClient,
        Drop::NoReceiver => Dropped::NoReceiver,
        Drop::NotForwarded => Dropped::NotForwarded,
    };
    metrics.dropped(reason, 1);
}

pub(super) fn refused(metrics: &ServiceMetrics, why: Refusal) {
    metrics.question_refused(match why {
        Refusal::Ambiguous => QuestionRefusal::Ambiguous,
        Refusal::NoCall => QuestionRefusal::NoCall,
        Refusal::Undeclared => QuestionRefusal::Undeclared,
        Refusal::Disabled => QuestionRefusal::Disabled,
        Refusal::Unanswered => QuestionRefusal::Unanswered,
        Refusal::UnknownMethod => QuestionRefusal::UnknownMethod,
    });
}

/// The supervisor has gone: who waits is told so.
pub(super) fn orphaned(metrics: &ServiceMetrics, report: Report) {
    if let Report::NeedsSide(input) | Report::Misrouted(input) = report {
        too_late(metrics, input);
    }
}

/// Nobody serves any more.
pub(super) fn too_late(metrics: &ServiceMetrics, input: Input) {
    let service = metrics.id().to_string().into();
    input.refuse(&Fault::new(&service, FaultKind::Draining));
}
