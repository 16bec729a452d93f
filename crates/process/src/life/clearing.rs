//! The clearing up at the end of a life.
//!
//! Owns in which order those who wait are answered, pipes are closed and processes are ended. Must not
//! know what comes after.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ended::Finish;
use super::{Plan, Running, SETTLE, StopReason};
use crate::instance::Control;
use crate::terminate::{StopLadder, Termination};

/// The ladder of a child that does not read: it would not notice that its stdin is closed, and
/// callers wait for its successor.
const DEAF_LADDER: StopLadder = StopLadder {
    stdin_grace: Duration::ZERO,
    term_grace: Duration::from_secs(1),
    kill_wait: Duration::from_secs(1),
};

/// Answers those who wait and ends every process that is left.
pub(super) async fn clear_up(
    plan: &Plan,
    child: Box<dyn Running>,
    finish: &Finish,
    why: &FaultKind,
) -> Termination {
    let (done_to, done) = oneshot::channel();
    let ended = Control::Ended { why: why.clone(), done: done_to };
    let termination = match finish {
        Finish::Stopped(reason) => {
            child.survey().await;
            // A stop first closes stdin, the protocol's own goodbye, and lets the child speak.
            plan.order(Control::CloseStdin).await;
            let ladder = match reason {
                StopReason::Asked(ladder) => *ladder,
                StopReason::Idle | StopReason::Unresponsive => StopLadder::default(),
            };
            let termination = child.terminate(ladder).await;
            plan.metrics.exited(finish.exit_reason());
            plan.order(ended).await;
            termination
        }
        // Nobody who waits should have to wait for the clearing up.
        Finish::Exited(_) | Finish::Exceeded(..) => {
            plan.metrics.exited(finish.exit_reason());
            plan.order(ended).await;
            child.terminate(StopLadder::IMMEDIATE).await
        }
        Finish::PipeClosed | Finish::TooSlow | Finish::Handshake(_) | Finish::Unresponsive => {
            child.survey().await;
            plan.order(ended).await;
            let ladder = match finish {
                Finish::Unresponsive => DEAF_LADDER,
                _ => StopLadder::default(),
            };
            let termination = child.terminate(ladder).await;
            plan.metrics.exited(finish.exit_reason());
            termination
        }
    };
    let _settled = timeout(SETTLE, done).await;
    if termination.survivors > 0 || termination.strays > 0 {
        tracing::info!(
            service = %plan.spec.id,
            strays = termination.strays,
            survivors = termination.survivors,
            "cleared up what the child left behind"
        );
    }
    termination
}
