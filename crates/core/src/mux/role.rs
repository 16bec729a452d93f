//! Whom a process serves.
//!
//! Owns the question whether a session's messages belong here. Must not know how a role is given.

use std::sync::Arc;

use crate::connection::Session;
use crate::id::Principal;
use crate::protocol::Era;

/// Whom the process serves.
#[derive(Debug, Clone)]
pub enum Role {
    /// Every session of the service, and every modern request.
    Main,
    /// One session, opened with that client's own `initialize`.
    Own(Arc<Session>),
    /// One legacy session's calls that ask questions, beside the main process.
    Side(Arc<Session>),
    /// One principal's modern calls that ask questions, beside the main process.
    SideOf(Principal),
}

impl Role {
    /// A side process for whom `session` is or calls for.
    pub fn side_of(session: &Arc<Session>) -> Self {
        match session.era() {
            Era::Legacy => Self::Side(Arc::clone(session)),
            Era::Modern => Self::SideOf(session.profile().principal.clone()),
        }
    }

    /// The one session that the process serves.
    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Main | Self::SideOf(_) => None,
            Self::Own(session) | Self::Side(session) => Some(session),
        }
    }

    /// Whether it is a process beside the main one.
    pub(super) fn is_side(&self) -> bool {
        matches!(self, Self::Side(_) | Self::SideOf(_))
    }

    /// Whether the process serves this session.
    pub(super) fn serves(&self, session: &Session) -> bool {
        match self {
            Self::Main => true,
            Self::Own(owner) | Self::Side(owner) => owner.id() == session.id(),
            Self::SideOf(principal) => {
                session.era() == Era::Modern && session.profile().principal == *principal
            }
        }
    }
}
