//! Side processes: where calls run that ask their client something.
//!
//! In the main process a question can only be attributed while nobody else's call is open. A call
//! that is known to ask runs beside it, in a process that serves one session, one such call at a
//! time. Owns their number, whose each is, and the queue of calls that wait for one. Must not know
//! what is asked.

use std::sync::Arc;
use std::time::Duration;

use standpipe_core::connection::{Input, Session};
use standpipe_core::fault::FaultKind;
use standpipe_core::mux::Role;
use standpipe_core::policy::{Ending, IdlePolicy};
use standpipe_core::protocol::Era;
use standpipe_core::service::Lifecycle;
use standpipe_core::status::Phase;
use tokio::time::Instant;

use super::{Held, Kind, Supervisor, is_of};
use crate::instance::{Control, InstanceKey};
use crate::life::{Ended, StopReason};
use crate::terminate::StopLadder;

/// A side process that is not used for this long is ended, unless the service says otherwise.
const SIDE_IDLE: Duration = Duration::from_mins(1);

/// A session's call that comes while its side process is busy waits so long before it gets another
/// one: a client knows that its call was answered a moment before the supervisor sees it.
const MOMENT: Duration = Duration::from_millis(50);

/// Side processes on their way out, whose places nobody has been promised.
struct Room {
    coming: usize,
}

/// A call that waits for its client's answer is left alone for so long, whoever else waits.
const PARKED_AT_LEAST: Duration = Duration::from_secs(5);

/// What a side process is for.
pub(super) struct Side {
    /// Whose it is: a session, or any one request of a principal.
    owner: Arc<Session>,
    busy: bool,
    /// Whose call it has.
    serving: Option<Arc<Session>>,
    /// It was given its owner's roots and serves all of the owner's calls.
    dedicated: bool,
}

impl Side {
    pub(super) fn is_dedicated(&self) -> bool {
        self.dedicated
    }

    /// A dedicated one lives as long as its session; another only while it is used.
    pub(super) fn policy(&self, configured: IdlePolicy) -> IdlePolicy {
        if self.dedicated { configured } else { IdlePolicy::new(Some(SIDE_IDLE)) }
    }
}

impl Supervisor {
    /// A call that asks its client something wants a process.
    pub(super) fn place_aside(&mut self, input: Input) {
        if self.refuses() {
            return input.refuse(&self.fault(FaultKind::Draining));
        }
        // The call was on its way when the main process failed. What may not be started itself needs
        // no process beside it. While it drains, calls may still end.
        if let Some(why) = self.refusal.clone().filter(|_| self.halt.is_none()) {
            return input.refuse(&self.fault(why));
        }
        self.queue.push_back((input, Instant::now()));
        self.serve_queue();
    }

    /// Tells those that wait why nothing is started now.
    pub(super) fn refuse_queue(&mut self, why: &FaultKind) {
        let fault = self.fault(why.clone());
        for (input, _) in self.queue.drain(..) {
            input.refuse(&fault);
        }
    }

    /// Gives those that wait a process, as far as there are any, in the order in which they came.
    pub(super) fn serve_queue(&mut self) {
        if self.is_halting() {
            return;
        }
        let mut room = Room { coming: self.sides(Held::is_leaving).count() };
        for (input, since) in std::mem::take(&mut self.queue) {
            let session = Arc::clone(input.session());
            if session.is_over() {
                input.refuse(&self.fault(FaultKind::SessionOver));
                continue;
            }
            let Some(key) = self.side_for(&session, since, &mut room) else {
                match self.recent_side_failure() {
                    Some(why) => input.refuse(&self.fault(why)),
                    None => self.queue.push_back((input, since)),
                }
                continue;
            };
            let Some(held) = self.instances.get_mut(&key) else {
                continue;
            };
            if let Kind::Side(side) = &mut held.kind {
                side.busy = true;
                side.serving = Some(session);
            }
            held.give(input);
        }
    }

    /// A process for a call of this session that has waited since then. `None`: not now.
    fn side_for(
        &mut self,
        session: &Arc<Session>,
        since: Instant,
        room: &mut Room,
    ) -> Option<InstanceKey> {
        if let Some(key) = self.free_side_of(session) {
            return Some(key);
        }
        let soon_free = self.sides(Held::is_ready).any(|side| is_of(session, &side.owner));
        if soon_free && since + MOMENT > Instant::now() {
            return None;
        }
        if self.recent_side_failure().is_some() {
            return None;
        }
        if self.sides(|_| true).count() < self.setup.spec.limits.side_processes {
            return Some(self.make_side(session));
        }
        if room.coming > 0 {
            room.coming -= 1;
        } else {
            // Whose place this is comes to it when the process has ended.
            let _ended = self.end_free_side() || self.end_longest_parked();
        }
        None
    }

    fn free_side_of(&self, session: &Session) -> Option<InstanceKey> {
        let free = self.instances.iter().find(|(_, held)| match &held.kind {
            Kind::Side(side) => {
                is_of(session, &side.owner) && !side.busy && !side.dedicated && held.is_ready()
            }
            _ => false,
        });
        free.map(|(key, _)| *key)
    }

    fn sides(&self, which: impl Fn(&Held) -> bool) -> impl Iterator<Item = &Side> {
        self.instances.values().filter_map(move |held| match &held.kind {
            Kind::Side(side) if !side.dedicated && which(held) => Some(side),
            _ => None,
        })
    }

    /// Starts that fail are not tried with each call anew.
    fn recent_side_failure(&self) -> Option<FaultKind> {
        let (why, until) = self.side_failure.as_ref()?;
        (*until > Instant::now()).then(|| why.clone())
    }

    fn make_side(&mut self, session: &Arc<Session>) -> InstanceKey {
        let owner = Arc::clone(session);
        let side = Side { owner, busy: true, serving: None, dedicated: false };
        let key = self.make(Kind::Side(side), Role::side_of(session));
        self.begin(key);
        if let Some(held) = self.instances.get(&key) {
            // From here on the instance is told when the client ends, even before it serves it.
            session.seen_by(&held.instance.inbox);
            if session.is_over() {
                held.stop(StopReason::Asked(StopLadder::default()));
            }
        }
        key
    }

    /// Ends the side process that has been free for the longest time, if any is, to make room.
    fn end_free_side(&mut self) -> bool {
        let free = self.instances.values().filter(|held| match &held.kind {
            Kind::Side(side) => !side.busy && !side.dedicated && held.is_ready(),
            _ => false,
        });
        let longest = free.min_by_key(|held| held.last_used());
        longest.inspect(|held| held.stop(StopReason::Idle)).is_some()
    }

    /// Gives up the call that has waited for its client's answer for the longest time, if any has
    /// waited long enough, and ends its process: what that would still say because of the call could
    /// be taken for another's.
    fn end_longest_parked(&mut self) -> bool {
        let now = Instant::now();
        let parked = self.instances.values().filter_map(|held| match &held.kind {
            Kind::Side(Side { serving: Some(session), dedicated: false, .. }) => {
                let since = session.parked_since().filter(|_| !held.is_leaving())?;
                (since + PARKED_AT_LEAST <= now).then_some((since, held, session))
            }
            _ => None,
        });
        let Some((_, held, session)) = parked.min_by_key(|(since, ..)| *since) else {
            return false;
        };
        tracing::info!(
            service = %self.name,
            "a call that waits for its client's answer was given up: another one needs the process"
        );
        session.end();
        held.stop(StopReason::Asked(StopLadder::default()));
        true
    }

    /// A side process has no call. One that may still be at work on a call that was given up is of
    /// no use: what it asks next could belong to that one. Nor is one that knows the roots of a client,
    /// unless that client's session owns it.
    pub(super) fn side_is_free(&mut self, key: InstanceKey, tainted: bool) {
        if let Some(held) = self.instances.get_mut(&key)
            && let Kind::Side(side) = &mut held.kind
        {
            side.busy = false;
            side.serving = None;
            let is_sessions = side.dedicated && side.owner.era() == Era::Legacy;
            if (tainted || side.dedicated) && !is_sessions {
                held.stop(StopReason::Asked(StopLadder::default()));
            }
        }
        self.serve_queue();
    }

    /// A side process has ended or has to.
    pub(super) fn side_ending(&mut self, key: InstanceKey, ended: &Ended) {
        if ended.ending == Some(Ending::NeverReady) {
            let until = Instant::now() + self.setup.spec.restart.backoff_min;
            self.side_failure = Some((ended.why.clone(), until));
        }
        let fault = self.fault(ended.why.clone());
        let Some(held) = self.instances.get_mut(&key) else {
            return;
        };
        for input in held.waiting.drain(..) {
            input.refuse(&fault);
        }
        self.disown(key);
        self.serve_queue();
    }

    /// The session of a dedicated process goes on with the main one.
    fn disown(&self, key: InstanceKey) {
        let Some(Held { instance, kind: Kind::Side(side), .. }) = self.instances.get(&key) else {
            return;
        };
        if side.owner.own().is_some_and(|own| own.same_as(&instance.inbox)) {
            side.owner.set_own(None);
        }
    }

    /// Nothing is left of a side process.
    pub(super) fn side_ended(&mut self, key: InstanceKey) {
        self.disown(key);
        let gone = self.instances.remove(&key);
        if let Some(Held { kind: Kind::Side(side), instance, .. }) = gone {
            side.owner.unseen_by(&instance.inbox);
            let main = self.main.and_then(|key| self.instances.get(&key));
            let goes_on = side.owner.era() == Era::Legacy && !side.owner.is_over();
            if let Some(main) = main.filter(|_| side.dedicated && goes_on) {
                // What the session had set up is made again. Should the instance have that many
                // orders waiting, the session loses its subscriptions, not its life.
                let _full = main.instance.control.try_send(Control::Adopt(vec![side.owner]));
            }
        }
        self.serve_queue();
    }

    /// The main process has been given the roots of `owner`: from here on it is that session's, and
    /// the others get a fresh one.
    pub(super) fn given_away(
        &mut self,
        key: InstanceKey,
        owner: &Arc<Session>,
        others: Vec<Arc<Session>>,
    ) {
        let is_main = self.main == Some(key);
        let Some(held) = self.instances.get_mut(&key) else {
            return;
        };
        let principal = match &held.kind {
            Kind::Principal(principal) => Some(principal.clone()),
            Kind::Main if is_main => None,
            _ => return,
        };
        let (owner, serving) = (Arc::clone(owner), Some(Arc::clone(owner)));
        let is_legacy = owner.era() == Era::Legacy;
        let side = Side { owner: Arc::clone(&owner), busy: true, serving, dedicated: true };
        held.kind = Kind::Side(side);
        if let Some(principal) = principal {
            return self.principal_given_away(principal, others);
        }
        // A request without a session has nothing to go on with when it has been answered.
        if held.is_ready() && is_legacy {
            owner.set_own(Some(held.instance.inbox.clone()));
        }
        let lives = held.lives();
        if !lives {
            self.instances.remove(&key);
        }
        let is_wanted = !others.is_empty() || self.setup.spec.lifecycle == Lifecycle::Persistent;
        let main = self.make(Kind::Main, Role::Main);
        self.main = Some(main);
        if let Some(held) = self.instances.get(&main) {
            // A fresh instance has an empty queue, so this cannot fail.
            let _sent = held.instance.control.try_send(Control::Adopt(others));
        }
        self.make_room_for_dedicated();
        match self.phase {
            Phase::Ready if is_wanted => self.start_main(),
            Phase::Ready => self.rest(),
            // It was being stopped as unused at this very moment.
            Phase::Draining if self.halt.is_none() => self.main_ended(),
            _ => {}
        }
    }

    /// Processes given to single sessions count like sessions' own: the longest idle one goes when
    /// there are too many.
    fn make_room_for_dedicated(&mut self) {
        let dedicated = self.instances.values().filter(|held| match &held.kind {
            Kind::Side(side) => side.dedicated && held.is_ready(),
            _ => false,
        });
        let dedicated: Vec<_> = dedicated.collect();
        if dedicated.len() < self.setup.spec.limits.max_instances {
            return;
        }
        let idle = dedicated.iter().filter(|held| held.activity().open_calls() == 0);
        if let Some(held) = idle.min_by_key(|held| held.last_used()) {
            held.stop(StopReason::Asked(StopLadder::default()));
        }
    }
}
