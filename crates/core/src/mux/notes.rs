//! What the owner of a table of calls has to know or to do.
//!
//! Owns the words only.

use std::sync::Arc;

use super::HandshakeError;
use super::probe::Verdict;
use crate::connection::{Input, Session};

/// What the owner of a [`Mux`](super::Mux) has to know or to do.
#[derive(Debug)]
pub enum Note {
    /// The handshake is done; the process serves.
    Ready,
    /// The handshake failed; the process is of no use.
    HandshakeFailed(HandshakeError),
    /// This call may ask its client something and belongs into a side process.
    NeedsSide(Input),
    /// A client's roots were given to the process: it serves no other session from now on.
    RootsGiven {
        /// Whose process it is now.
        owner: Arc<Session>,
        /// Those it served before, with nothing open, for another process to take over.
        others: Vec<Arc<Session>>,
    },
    /// This came for a process that serves somebody else by now; it belongs to the main one.
    Misrouted(Input),
    /// The last open call of a side process has ended.
    SideFree,
    /// The one session that the process serves is over.
    Vacant,
    /// A message was dropped.
    Dropped(Drop),
    /// A question of the child was refused.
    Refused(Refusal),
    /// A line that is not a message.
    Noise,
    /// What came of a probe.
    Probed(Verdict),
}

/// Why a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// An answer to an id that nobody waits for.
    UnknownId,
    /// A log message that belongs to nobody in particular.
    UnownedLog,
    /// Progress of nothing that is open.
    UnownedProgress,
    /// A cancellation that matches no open call, or two.
    AmbiguousCancel,
    /// An answer to a question that is not open.
    UnknownQuestion,
    /// The client does not read.
    SlowClient,
    /// The client is gone.
    NoReceiver,
    /// A notification that belongs to nobody in particular.
    NotForwarded,
}

/// Why a question was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// More than one call was open.
    Ambiguous,
    /// No call was open.
    NoCall,
    /// The client did not declare that it can be asked.
    Undeclared,
    /// The service is not interactive.
    Disabled,
    /// The client did not answer in time, or went away.
    Unanswered,
    /// Nobody knows such a question.
    UnknownMethod,
}
