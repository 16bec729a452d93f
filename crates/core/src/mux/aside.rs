//! Which calls do not share a process with others.
//!
//! Owns the rules that keep refusals rare: a call that is known to ask runs where nobody else could
//! be asked by mistake. Must not know where that is.

use std::time::Duration;

use tokio::time::Instant;

use super::calls::ClientCall;
use super::{Mux, Role};
use crate::connection::Session;
use crate::protocol::{Era, method};

/// After calls of two clients were open at the same time, for so long it is expected to happen
/// again. Modern requests leave no trace of their client, and the next one may come any moment.
const CROWDED_FOR: Duration = Duration::from_mins(1);

impl Mux {
    /// Calls of two clients are open at the same time. Legacy ones are seen as long as they are there.
    pub(super) fn notice_crowd(&mut self, session: &Session, now: Instant) {
        let newest = self.asking.iter().max().and_then(|id| self.client_call(*id));
        let is_other = |call: &ClientCall| {
            let other = &call.session;
            let modern = other.era() == Era::Modern || session.era() == Era::Modern;
            modern && other.id() != session.id()
        };
        if newest.is_some_and(is_other) {
            self.crowded_until = Some(now + CROWDED_FOR);
        }
    }

    /// Whether a call has to run in a side process: it is known to ask its client something and
    /// this process serves others too, or another client is being asked in this process now. While
    /// the process serves one session alone, nobody else can be asked by mistake. A modern child's
    /// questions name their call, so that there is no mistake to be made.
    pub(super) fn belongs_aside(
        &self,
        session: &Session,
        method: &str,
        name: Option<&str>,
        now: Instant,
    ) -> bool {
        if !matches!(self.role, Role::Main)
            || !self.settings.interactive
            || !method::may_ask(method)
            || self.child_era() == Era::Modern
        {
            return false;
        }
        let marked = self.learnt.marks().is_marked(method, name.unwrap_or_default());
        // Where it is known that it will ask, one who cannot be asked should be told just that.
        let asked =
            session.profile().capabilities.any() || (marked && session.era() == Era::Modern);
        asked
            && (self.others_are_asked(session.id())
                || self.abandoned.others_will_ask(session.id(), self.learnt.marks(), now)
                || (marked && self.is_shared(session, now)))
    }

    /// Whether clients other than this one use the process, or are to be expected to.
    fn is_shared(&self, session: &Session, now: Instant) -> bool {
        let itself = usize::from(self.sessions.contains_key(&session.id()));
        self.sessions.len() > itself || self.crowded_until.is_some_and(|until| until > now)
    }
}
