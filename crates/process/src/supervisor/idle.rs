//! Stopping what nobody uses.
//!
//! Owns when that is looked for and what callers find meanwhile. Must not define what idle means;
//! see `core::policy`.

use standpipe_core::connection::GateState;
use standpipe_core::policy::{Activity, IdlePolicy, IdleVerdict};
use standpipe_core::status::Phase;
use tokio::time::Instant;

use super::{Held, Kind, Supervisor};
use crate::life::StopReason;

impl Supervisor {
    pub(super) fn watches_idleness(&self) -> bool {
        let sides = self.instances.values().any(|held| matches!(held.kind, Kind::Side(_)));
        sides || (self.setup.spec.idle_timeout.is_some() && !self.lives.is_empty())
    }

    /// Stops what nobody has used for long enough.
    pub(super) fn stop_idle(&mut self, now: Instant) {
        let configured = IdlePolicy::new(self.setup.spec.idle_timeout);
        let mut main_stops = false;
        for held in self.instances.values().filter(|held| held.is_ready()) {
            let policy = match &held.kind {
                Kind::Main | Kind::Own(_) | Kind::Principal(_) => configured,
                Kind::Side(side) => side.policy(configured),
            };
            if policy.check(now, &activity_of(held)) == IdleVerdict::Stop {
                main_stops |= matches!(held.kind, Kind::Main);
                held.stop(StopReason::Idle);
            }
        }
        if main_stops && self.phase == Phase::Ready {
            // Whoever comes now waits for the next start.
            self.phase = Phase::Draining;
            self.start_again = false;
            self.set_gate(GateState::Opening);
        }
    }
}

fn activity_of(held: &Held) -> Activity {
    let activity = held.activity();
    Activity {
        last_used: held.last_used(),
        open_calls: activity.open_calls(),
        // An event stream alone does not keep a process.
        open_streams: 0,
        subscriptions: activity.subscriptions(),
    }
}
