//! The calls that wait for their clients to call again.
//!
//! Owns the table of all services, behind one lock that is held for moments. Must not know when a
//! call is parked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use standpipe_core::bridge::parking::{
    Binding, Digester, Full, InputResponses, Parking, Questions, StateError,
};
use standpipe_core::connection::{Intake, Session};
use standpipe_core::message::{Id, RawJson};
use tokio::time::Instant;

use super::unfit::Unfit;

/// A call that is open in the child, and that no HTTP request waits for.
#[derive(Debug)]
pub(super) struct ParkedCall {
    pub(super) session: Arc<Session>,
    pub(super) intake: Intake,
    pub(super) questions: Questions,
    /// The progress token that its messages carry.
    pub(super) token: Option<Id>,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct ParkedCalls {
    digester: Digester,
    table: Mutex<Parking<ParkedCall>>,
}

impl ParkedCalls {
    pub(super) fn digester(&self) -> &Digester {
        &self.digester
    }

    /// Parks a call. Returns the result that puts its questions to the client.
    ///
    /// # Errors
    /// When too many are parked.
    pub(super) fn park(
        &self,
        binding: Binding,
        call: ParkedCall,
        now: Instant,
    ) -> Result<RawJson, Full<ParkedCall>> {
        let until = now + call.session.gate().settings().question_timeout;
        let state = self.table().state();
        // Written before the call is in the table: from then on another request may take it.
        let result = call.questions.input_required(state.as_str());
        call.session.set_parked(Some(now));
        match self.table().park(&state, binding, call, until) {
            Ok(()) => Ok(result),
            Err(full) => {
                full.0.session.set_parked(None);
                Err(full)
            }
        }
    }

    /// The call that is carried on with this state, if the answers fit what it has asked; `None`
    /// when the state is not one of ours. A request that is refused leaves the call as it is.
    ///
    /// # Errors
    /// When the request is refused.
    pub(super) fn resume(
        &self,
        state: &str,
        binding: &Binding,
        answers: &InputResponses,
        now: Instant,
    ) -> Result<Option<ParkedCall>, Unfit> {
        let mut table = self.table();
        let Some(call) = table.find(state, binding, now)? else {
            return Ok(None);
        };
        call.questions.check(answers)?;
        let call = table.take(state).ok_or(StateError::Unknown)?;
        drop(table);
        call.session.set_parked(None);
        Ok(Some(call))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table().len()
    }

    /// Cancels the calls whose clients did not call again in time.
    pub(crate) fn sweep(&self, now: Instant) {
        let expired = self.table().sweep(now, |call| call.session.is_over());
        for call in expired {
            tracing::debug!(
                service = %call.session.gate().service(),
                "a parked call was given up: its client did not call again"
            );
            end(&call);
        }
    }

    /// Cancels the calls of a service that is no more.
    pub(crate) fn end_of(&self, service: &str) {
        let gone = self.table().take_of(service);
        gone.iter().for_each(end);
    }

    fn table(&self) -> MutexGuard<'_, Parking<ParkedCall>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ParkedCalls {
    fn drop(&mut self) {
        let left = self.table().take_all();
        left.iter().for_each(end);
    }
}

fn end(call: &ParkedCall) {
    call.session.set_parked(None);
    call.session.end();
}
