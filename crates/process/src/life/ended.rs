//! How a child's life came to its end, in the words of everybody who has to know.
//!
//! Owns the translation: for the restart policy, for those who wait, for the metrics and for the
//! status. Must not do anything about it.

use std::sync::Arc;
use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::mux::HandshakeError;
use standpipe_core::policy::Ending;
use standpipe_core::status::Moment;
use standpipe_metrics::{ExitReason, StartOutcome};
use tokio::time::Instant;

use super::StopReason;
use crate::exit::Exit;
use crate::limits::Exceeded;
use crate::stderr::StderrTail;

/// How a life went.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// For the restart policy; `None` when it was asked to end.
    pub(crate) ending: Option<Ending>,
    /// Whether the child refused an `initialize`: with the client's own words that may well be the
    /// client's fault.
    pub(crate) refused: bool,
    /// Whether it ended because it was asked for its era first, as some legacy servers do. That is no
    /// failed start: the next one is not asked.
    pub(crate) of_probe: bool,
    /// In words, for the status.
    pub(crate) how: Arc<str>,
    /// What those are told who wait for its start.
    pub(crate) why: FaultKind,
    /// How the process ended, where it has.
    pub(crate) exit: Option<Exit>,
    pub(crate) at: Moment,
    /// What it wrote to its stderr. More may come when it has ended.
    pub(crate) tail: StderrTail,
}

/// How the serving part came to its end.
pub(super) enum Finish {
    Exited(Exit),
    /// It ended because it exceeded this limit.
    Exceeded(Exceeded, Exit),
    PipeClosed,
    Stopped(StopReason),
    TooSlow,
    Handshake(HandshakeError),
    Unresponsive,
}

impl Ended {
    /// The end of a process that nobody has seen: it never ran, or its supervision broke off.
    pub(crate) fn unseen(how: Arc<str>, why: FaultKind) -> Self {
        let (at, tail) = (Moment::now(), StderrTail::default());
        Self { ending: None, refused: false, of_probe: false, how, why, exit: None, at, tail }
    }

    pub(super) fn new(
        finish: &Finish,
        ready_at: Option<Instant>,
        start_timeout: Duration,
        tail: StderrTail,
    ) -> Self {
        let how = finish.in_words(start_timeout);
        let why = match (finish, ready_at) {
            // What comes when an unused child has been asked to end is not written to it.
            (Finish::Stopped(StopReason::Idle), _) | (Finish::Stopped(_), None) => {
                FaultKind::Draining
            }
            (_, None) => FaultKind::StartFailed(Arc::clone(&how)),
            (_, Some(_)) => FaultKind::ChildGone(Arc::clone(&how)),
        };
        let ending = match (finish, ready_at) {
            (Finish::Stopped(_), _) => None,
            (_, None) => Some(Ending::NeverReady),
            (_, Some(at)) => Some(Ending::AfterReady(at.elapsed())),
        };
        let refused = matches!(finish, Finish::Handshake(HandshakeError::Refused(_)));
        let exit = match finish {
            Finish::Exited(exit) | Finish::Exceeded(_, exit) => Some(*exit),
            _ => None,
        };
        Self { ending, refused, exit, tail, ..Self::unseen(how, why) }
    }
}

impl Finish {
    /// With the limit that it exceeded, if it ended by itself and that was why.
    pub(super) fn because(self, exceeded: Option<Exceeded>) -> Self {
        match (self, exceeded) {
            (Self::Exited(exit), Some(exceeded)) => Self::Exceeded(exceeded, exit),
            (finish, _) => finish,
        }
    }

    pub(super) fn in_words(&self, start_timeout: Duration) -> Arc<str> {
        match self {
            Self::Exited(exit) => exit.to_string().into(),
            // The signal itself says so.
            Self::Exceeded(Exceeded::Cpu, exit) if exit.signal() == Some(nix::libc::SIGXCPU) => {
                exit.to_string().into()
            }
            Self::Exceeded(limit, exit) => format!("{limit} and {exit}").into(),
            Self::PipeClosed => "it closed its stdin or stdout".into(),
            Self::TooSlow => format!("it was not ready within {start_timeout:?}").into(),
            Self::Handshake(error) => error.to_string().into(),
            Self::Stopped(StopReason::Idle) => "it was idle".into(),
            Self::Stopped(StopReason::Asked(_)) => "it was stopped".into(),
            Self::Unresponsive | Self::Stopped(StopReason::Unresponsive) => {
                "it did not answer probes".into()
            }
        }
    }

    pub(super) fn start_outcome(&self) -> StartOutcome {
        match self {
            Self::Exited(_) | Self::Exceeded(..) | Self::PipeClosed => StartOutcome::Died,
            Self::TooSlow => StartOutcome::Timeout,
            Self::Handshake(_) => StartOutcome::HandshakeFailed,
            Self::Stopped(_) | Self::Unresponsive => StartOutcome::Cancelled,
        }
    }

    pub(super) fn exit_reason(&self) -> ExitReason {
        match self {
            Self::Stopped(StopReason::Idle) => ExitReason::Idle,
            Self::Stopped(StopReason::Asked(_)) => ExitReason::Stopped,
            Self::Stopped(StopReason::Unresponsive)
            | Self::TooSlow
            | Self::Handshake(_)
            | Self::PipeClosed
            | Self::Unresponsive => ExitReason::Unresponsive,
            Self::Exceeded(..) => ExitReason::Limit,
            Self::Exited(Exit::Code(0)) => ExitReason::Success,
            Self::Exited(Exit::Code(_)) => ExitReason::Failure,
            Self::Exited(_) => ExitReason::Signal,
        }
    }
}
