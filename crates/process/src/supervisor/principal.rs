//! Processes that belong to one principal each: where sessions have a process of their own, modern
//! requests, which have no session, share one with all others of their principal.
//!
//! Owns when such a process is started and started again. Must not know of sessions' processes, but
//! for the room that both share.

use std::sync::Arc;
use std::time::Duration;

use standpipe_core::connection::{Input, Session};
use standpipe_core::fault::FaultKind;
use standpipe_core::id::Principal;
use standpipe_core::mux::Role;
use standpipe_core::policy::Ending;
use standpipe_core::status::Phase;

use super::{Kind, Supervisor};
use crate::instance::{Control, InstanceKey};
use crate::life::Ended;

/// A process that served for so long before it ended is followed by another one without a request,
/// for those that listen. After a shorter time the next request is waited for.
const SERVED_WELL: Duration = Duration::from_secs(30);

impl Supervisor {
    /// Passes a modern request on if its principal has a process, in whatever state; else returns it.
    pub(super) fn give_to_principal(&mut self, input: Input) -> Option<Input> {
        let key = self.instance_of(&input.session().profile().principal);
        let held = key.and_then(|key| self.instances.get_mut(&key));
        match held.filter(|held| held.lives()) {
            Some(held) => {
                held.give(input);
                None
            }
            None => Some(input),
        }
    }

    /// Starts the process of a request's principal.
    pub(super) fn open_principal(&mut self, input: Input) {
        let principal = input.session().profile().principal.clone();
        let known = self.instance_of(&principal);
        let key = known.unwrap_or_else(|| self.make(Kind::Principal(principal), Role::Main));
        if let Some(held) = self.instances.get_mut(&key) {
            held.give(input);
        }
        self.begin_principal(key);
    }

    fn begin_principal(&mut self, key: InstanceKey) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Starting;
        }
        self.begin(key);
    }

    fn instance_of(&self, principal: &Principal) -> Option<InstanceKey> {
        let found = self.instances.iter().find(|(_, held)| match &held.kind {
            Kind::Principal(whose) => whose == principal,
            _ => false,
        });
        found.map(|(key, _)| *key)
    }

    /// A principal's process has ended or has to.
    pub(super) fn principal_ending(&mut self, key: InstanceKey, ended: &Ended) {
        if ended.of_probe {
            self.learnt.died_of_probe();
        } else {
            self.own_ending(ended);
        }
        let listened_to =
            |served: &Duration, listening: usize| *served >= SERVED_WELL && listening > 0;
        let fault = self.fault(ended.why.clone());
        let Some(held) = self.instances.get_mut(&key) else {
            return;
        };
        let again = match &ended.ending {
            _ if ended.of_probe => true,
            Some(Ending::AfterReady(served)) => listened_to(served, held.activity().sessions()),
            Some(Ending::NeverReady) => {
                for input in held.waiting.drain(..) {
                    input.refuse(&fault);
                }
                false
            }
            None => false,
        };
        held.again = again;
    }

    /// Nothing is left of a principal's process.
    pub(super) fn principal_ended(&mut self, key: InstanceKey) {
        let may_start = self.halt.is_none() && self.refusal.is_none();
        let fault = self.fault(self.refusal.clone().unwrap_or(FaultKind::Draining));
        let Some(held) = self.instances.get_mut(&key) else {
            return;
        };
        let again = std::mem::take(&mut held.again) || !held.waiting.is_empty();
        if may_start && again {
            self.begin_principal(key);
        } else {
            // Nobody starts it for those that wait.
            for input in held.waiting.drain(..) {
                input.refuse(&fault);
            }
            if held.activity().sessions() == 0 {
                self.instances.remove(&key);
            }
        }
        self.settle_front();
    }

    /// A principal's process was given the roots of one of its requests: from here on it serves that
    /// request alone, and the others get a fresh one.
    pub(super) fn principal_given_away(&mut self, principal: Principal, others: Vec<Arc<Session>>) {
        if others.is_empty() || self.halt.is_some() {
            return; // The next request starts one.
        }
        let key = self.make(Kind::Principal(principal), Role::Main);
        if let Some(held) = self.instances.get(&key) {
            // A fresh instance has an empty queue, so this cannot fail.
            let _sent = held.instance.control.try_send(Control::Adopt(others));
        }
        if self.refusal.is_none() {
            self.begin_principal(key);
        }
    }

    /// A request, or a notification, of a client that has no session.
    pub(super) fn arrived_without_session(&mut self, input: Input) {
        let Some(input) = self.give_to_principal(input) else {
            return;
        };
        if !matches!(input, Input::Request { .. }) {
            // What nobody waits for is no reason to start a process.
            return input.refuse(&self.fault(FaultKind::Draining));
        }
        self.hold(input);
    }
}
