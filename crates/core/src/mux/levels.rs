//! Log levels of many sessions on one child, and whose a log message is.
//!
//! Owns the one level that the child is set to: the lowest that any session wants. Must not know
//! how a message is written to a client.

use std::sync::Arc;

use tokio::time::Instant;

use super::calls::CallKind;
use super::{Drop, Handshake, Mux, Note, Phase, Role};
use crate::connection::{Outlet, Session};
use crate::message::{Message, Notification, Params, RawJson};
use crate::protocol::{Era, LogLevel, method};

impl Mux {
    /// The parameters of a `logging/setLevel`, after `session` has asked for its own level: the
    /// child is set to the lowest level that any session wants.
    pub(super) fn lowered_level(
        &mut self,
        session: &Arc<Session>,
        params: Option<Params>,
    ) -> Option<Params> {
        let asked = params.as_ref().and_then(Params::level);
        let Some(asked) = asked.as_deref().and_then(LogLevel::parse) else {
            return params;
        };
        session.set_log_level(asked);
        let lowest = self.lowest_level()?;
        self.level_sent = Some(lowest);
        if lowest == asked {
            return params;
        }
        params.map(|params| match params.meta_progress_token() {
            // A second value cannot be replaced in the same text. Nobody misses progress here, and
            // a token that is not ours must not reach the child.
            Some(_) => Params::opaque(level_params(lowest)),
            None => params.with_level(&RawJson::string(lowest.as_str())),
        })
    }

    fn lowest_level(&self) -> Option<LogLevel> {
        self.sessions.values().filter_map(|session| session.log_level()).min()
    }

    /// Sets the child to the lowest level that is wanted now, where that has changed.
    pub(super) fn restore_level(&mut self, now: Instant) {
        let logging = self.handshake.as_ref().is_some_and(Handshake::logging);
        let Some(lowest) = self.lowest_level() else {
            return;
        };
        let is_set = !logging || Some(lowest) == self.level_sent;
        if self.phase != Phase::Ready || is_set || self.child_era() == Era::Modern {
            return;
        }
        self.level_sent = Some(lowest);
        self.ask_child(method::LOGGING_SET_LEVEL, level_params(lowest), now);
    }

    /// A modern request wants messages from this level on. When it ends the child is not told at
    /// once: the next one mostly wants the same.
    pub(super) fn lower_level(&mut self, level: LogLevel, now: Instant) {
        if self.level_sent.is_none_or(|sent| level < sent) {
            self.restore_level(now);
        }
    }

    /// Raises the level again where nobody wants the lowest messages any more.
    pub(super) fn sweep_level(&mut self, now: Instant) {
        if std::mem::take(&mut self.level_stale) {
            self.restore_level(now);
        }
    }

    /// Log messages carry no link to a call. One goes to the only open call, of a modern child the
    /// only one that wants any; else to the only session; where there are several of both it is
    /// nobody's, and never broadcast.
    pub(super) fn logged(&mut self, notification: Notification, now: Instant) {
        let owner = self.only_call().or_else(|| self.only_session());
        let owner = owner.filter(|(session, _)| !self.abandoned.of_others(session.id(), now));
        let Some((session, outlet)) = owner else {
            return self.note(Note::Dropped(Drop::UnownedLog));
        };
        let level = notification.params.as_ref().and_then(Params::level);
        let level = level.as_deref().and_then(LogLevel::parse);
        let filters = matches!(self.role, Role::Main)
            || session.era() == Era::Modern
            || self.child_era() == Era::Modern;
        if filters && !self.wants(&session, level) {
            return; // Another session asked for more than this one.
        }
        self.deliver(&outlet, Message::Notification(notification));
    }

    fn only_call(&self) -> Option<(Arc<Session>, Outlet)> {
        let child = self.child_era();
        if child == Era::Legacy && self.client_calls != 1 {
            return None;
        }
        // A legacy child logs for all its calls, a modern one for those that ask for it.
        let mut logging = self.calls.values().filter_map(|call| match &call.kind {
            CallKind::Client(call) => Some(call),
            _ => None,
        });
        let mut logging = logging.by_ref().filter(|call| {
            call.is_with_child() && (child == Era::Legacy || call.log_level().is_some())
        });
        match (logging.next(), logging.next()) {
            (Some(call), None) => Some((Arc::clone(&call.session), call.reply.clone())),
            _ => None,
        }
    }

    /// The only session that can have caused what the child says.
    fn only_session(&self) -> Option<(Arc<Session>, Outlet)> {
        let mut sessions = self.sessions.values();
        let (Some(session), None) = (sessions.next(), sessions.next()) else {
            return None;
        };
        if session.era() == Era::Modern {
            return None; // What belongs to none of its requests belongs to no modern client.
        }
        // A session that is served elsewhere by now may still have calls open here.
        let foreign = self.calls.values().any(|call| match &call.kind {
            CallKind::Client(call) => call.session.id() != session.id(),
            _ => false,
        });
        (!foreign).then(|| (Arc::clone(session), session.outlet().clone()))
    }

    /// A notification nobody knows. With one session there is no doubt whose it is.
    pub(super) fn uncorrelated(&mut self, notification: Notification, now: Instant) {
        let owner = self.only_session();
        let owner = owner.filter(|(session, _)| !self.abandoned.of_others(session.id(), now));
        let Some((_, outlet)) = owner else {
            return self.note(Note::Dropped(Drop::NotForwarded));
        };
        self.deliver(&outlet, Message::Notification(notification));
    }

    fn wants(&self, session: &Session, level: Option<LogLevel>) -> bool {
        if session.era() == Era::Modern {
            let wanted = session.log_level();
            return wanted.is_some_and(|wanted| level.is_none_or(|level| level >= wanted));
        }
        let Some(level) = level else { return true };
        if self.child_era() == Era::Modern {
            return level >= session.log_level().unwrap_or(LogLevel::Info);
        }
        match (session.log_level(), self.level_sent) {
            (Some(wanted), _) => level >= wanted,
            // It never asked. Before anybody did, the child decides; after that, the usual level.
            (None, Some(_)) => level >= LogLevel::Info,
            (None, None) => true,
        }
    }
}

fn level_params(level: LogLevel) -> RawJson {
    RawJson::trusted(format!(r#"{{"level":"{}"}}"#, level.as_str()).into())
}
