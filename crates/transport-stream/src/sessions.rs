//! The table of sessions.
//!
//! Owns how many there may be and when one goes. No await in this file: the table's locks are never
//! held across one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use standpipe_core::id::SessionId;
use tokio::time::Instant;

use crate::session::Record;
use crate::usage::InUse;

/// How many sessions there may be, of all services together. One more is refused with 503.
const MAX_SESSIONS: usize = 10_000;

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// Their ids are random, and ours.
    records: DashMap<SessionId, Arc<Record>, FxBuildHasher>,
    taken: Arc<AtomicUsize>,
}

/// One of the [`MAX_SESSIONS`]; given back on drop.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Sessions {
    /// Room for one more session, if there is any.
    pub(crate) fn seat(&self) -> Option<Seat> {
        let more = |taken: usize| (taken < MAX_SESSIONS).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .ok()
            .map(|_| Seat(Arc::clone(&self.taken)))
    }

    pub(crate) fn insert(&self, record: &Arc<Record>) {
        self.records.insert(record.session().id(), Arc::clone(record));
    }

    /// The session with this id, if it is one with this service, and a mark that it is in use.
    pub(crate) fn find(&self, id: SessionId, service: &str) -> Option<(Arc<Record>, InUse)> {
        let found = self.records.get(&id)?;
        if !found.is_of(service) {
            return None;
        }
        if found.session().is_over() {
            drop(found);
            self.end(id);
            return None;
        }
        // Under the table's lock, so that the session is not reclaimed in between.
        let in_use = found.enter();
        Some((Arc::clone(&found), in_use))
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: SessionId) {
        if let Some((_, record)) = self.records.remove(&id) {
            tracing::debug!(
                session = %id.short(),
                service = %record.session().gate().service(),
                "session ended"
            );
            record.close();
        }
    }

    /// Ends all sessions with a service.
    pub(crate) fn end_of(&self, service: &str) {
        for id in self.ids_of(|record| record.is_of(service)) {
            self.end(id);
        }
    }

    /// Ends sessions that are over, or that nobody has used for `idle`.
    pub(crate) fn tidy(&self, now: Instant, idle: Duration) {
        let records: Vec<_> = self.records.iter().map(|r| Arc::clone(&r)).collect();
        for record in records {
            record.tidy(now);
            let unused = |record: &Record| record.usage().idle_for(now).is_some_and(|t| t >= idle);
            if !record.session().is_over() && !unused(&record) {
                continue;
            }
            let id = record.session().id();
            let over =
                |_: &SessionId, record: &Arc<Record>| record.session().is_over() || unused(record);
            if let Some((_, record)) = self.records.remove_if(&id, over) {
                tracing::debug!(
                    session = %id.short(),
                    service = %record.session().gate().service(),
                    "session reclaimed"
                );
                record.close();
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn count_of(&self, service: &str) -> usize {
        self.records.iter().filter(|r| r.is_of(service)).count()
    }

    fn ids_of(&self, want: impl Fn(&Record) -> bool) -> Vec<SessionId> {
        self.records.iter().filter(|record| want(record)).map(|record| *record.key()).collect()
    }
}
