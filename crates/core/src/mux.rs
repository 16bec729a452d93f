//! Many clients on one child: who gets what.
//!
//! Owns the table of open calls and questions of one process, the rewriting of ids and progress
//! tokens, the counting of subscriptions, and the rules by which a message of the child finds the
//! one client it is for, or nobody. Sans-IO: inputs and lines come in by plain calls, bytes for the
//! child wait in [`Outgoing`], messages for clients go straight into their outlets, and what the
//! owner has to know is in [`Note`]s. Must not know of pipes, processes or HTTP.
//!
//! The table lives and dies with its owner: a call that is in it is answered when the child answers,
//! when the child ends, when its time is up or when its session ends, whichever comes first.

mod abandoned;
mod aside;
mod attribution;
mod calls;
mod cancel;
mod child;
mod handshake;
mod levels;
mod listens;
mod notes;
mod opening;
mod outgoing;
mod probe;
mod questions;
mod requests;
mod role;
mod rounds;
mod subscriptions;
#[cfg(test)]
mod tests;
mod time;
mod upstream;
mod waiting;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::time::Instant;

pub use handshake::{Handshake, HandshakeError};
pub use notes::{Drop, Note, Refusal};
pub use outgoing::{Batch, Outgoing};
pub use probe::Verdict;
pub use role::Role;

use crate::connection::{Inbox, Session};
use crate::fault::{Fault, FaultKind};
use crate::id::SessionId;
use crate::learnt::Learnt;
use crate::protocol::{Era, LogLevel};
use crate::service::EraChoice;

/// The most calls that may be open in one child. More are refused as overload.
pub const MAX_OPEN_CALLS: usize = 16_384;

/// What does not change while the process runs.
#[derive(Debug, Clone)]
pub struct MuxSettings {
    /// The service, as in the route.
    pub service: Arc<str>,
    /// Time from a request to its answer; progress starts it anew.
    pub request_timeout: Duration,
    /// Time from a request to its answer, whatever progress is reported.
    pub request_max: Duration,
    /// Time a client has to answer a question.
    pub question_timeout: Duration,
    /// Time from a child's launch to the end of its handshake. It is watched over by the owner; here
    /// it says how long a child may be silent before that means something.
    pub start_timeout: Duration,
    /// The longest message in bytes, for the words of an error.
    pub max_message_bytes: usize,
    /// Whether the child may ask its clients anything.
    pub interactive: bool,
    /// Which era the child is opened in.
    pub era: EraChoice,
}

/// The state of one child's conversation with its clients. Numbers that only we hand out need no
/// hash that withstands chosen keys.
#[derive(Debug)]
pub struct Mux {
    settings: MuxSettings,
    role: Role,
    inbox: Inbox,
    learnt: Arc<Learnt>,
    phase: Phase,
    handshake: Option<Handshake>,
    stage: opening::Stage,
    opening: Option<calls::Opening>,
    next_id: u64,
    calls: FxHashMap<u64, calls::Call>,
    /// The open calls of clients, among [`calls`](Self::calls).
    client_calls: usize,
    /// Those during which the child may ask something.
    asking: FxHashSet<u64>,
    abandoned: abandoned::Abandoned,
    probing: probe::Probing,
    questions: FxHashMap<(SessionId, u64), questions::Question>,
    elicitations: VecDeque<questions::UrlElicitation>,
    sessions: FxHashMap<SessionId, Arc<Session>>,
    resources: HashMap<String, subscriptions::Watched>,
    listens: FxHashMap<SessionId, listens::Listen>,
    upstream: upstream::Upstream,
    level_sent: Option<LogLevel>,
    /// Who wanted the lowest level has gone.
    level_stale: bool,
    /// The child was told the roots of a client that has no session, and may keep them.
    knows_roots: bool,
    /// Until when calls of several clients are to be expected at the same time.
    crowded_until: Option<Instant>,
    outgoing: Outgoing,
    notes: Vec<Note>,
    sweep_at: Option<Instant>,
    last_used: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No child.
    Down,
    /// A child, not yet answered.
    Handshake,
    /// Serving.
    Ready,
}

impl Mux {
    /// The conversation of an instance that has no child yet. `inbox` is the way into this very
    /// instance; `learnt` is what the configuration has learnt.
    pub fn new(
        settings: MuxSettings,
        role: Role,
        inbox: Inbox,
        learnt: Arc<Learnt>,
        now: Instant,
    ) -> Self {
        Self {
            settings,
            role,
            inbox,
            learnt,
            phase: Phase::Down,
            handshake: None,
            stage: opening::Stage::default(),
            opening: None,
            next_id: 1,
            calls: FxHashMap::default(),
            client_calls: 0,
            asking: FxHashSet::default(),
            abandoned: abandoned::Abandoned::default(),
            probing: probe::Probing::default(),
            questions: FxHashMap::default(),
            elicitations: VecDeque::new(),
            sessions: FxHashMap::default(),
            resources: HashMap::new(),
            listens: FxHashMap::default(),
            upstream: upstream::Upstream::default(),
            level_sent: None,
            level_stale: false,
            knows_roots: false,
            crowded_until: None,
            outgoing: Outgoing::default(),
            notes: Vec::new(),
            sweep_at: None,
            last_used: now,
        }
    }

    /// A child has been launched: begins the handshake.
    pub fn child_started(&mut self, now: Instant) {
        debug_assert_eq!(self.phase, Phase::Down, "one child at a time");
        self.phase = Phase::Handshake;
        self.level_sent = None;
        self.knows_roots = false;
        self.begin_handshake(now);
    }

    /// The child has ended; `why` goes into the answers. Every open call is answered, every open
    /// question withdrawn. What sessions had set up stays known, for the next child.
    pub fn child_ended(&mut self, why: FaultKind) {
        self.end_opening(&why);
        self.phase = Phase::Down;
        self.outgoing.clear();
        self.asking.clear();
        self.abandoned.clear();
        self.end_probing();
        self.client_calls = 0;
        // Before the answers, which may be the last messages of their streams.
        let questions: Vec<_> = self.questions.drain().collect();
        for ((_, number), question) in questions {
            question.withdraw(number, "the server has ended");
        }
        let gone = self.fault(why);
        for (_, call) in std::mem::take(&mut self.calls) {
            if let calls::CallKind::Client(client) = &call.kind {
                match client.session.era() {
                    Era::Legacy => self.forget_if_done(&client.session),
                    Era::Modern => self.forget_request(&client.session),
                }
            }
            self.fail(call, &gone);
        }
        if let Some(opening) = self.opening.take() {
            opening.fail(&gone);
        }
        self.reset_subscriptions(&gone);
        self.pause_listens();
        self.upstream = upstream::Upstream::default();
        if let Role::Own(session) = &self.role {
            session.end();
        }
    }

    /// Bytes for the child.
    pub fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }

    /// What happened since the last call.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// The last successful handshake.
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// The era of the child, or of the one before while it is being opened.
    pub fn child_era(&self) -> Era {
        self.handshake.as_ref().map_or(Era::Legacy, Handshake::era)
    }

    /// Whether the child has been asked for its era and nothing else, and has not answered: when it
    /// ends now, it has most likely died of that, and [`Learnt::died_of_probe`] should be told.
    pub fn awaits_discover(&self) -> bool {
        self.stage.awaits_discover()
    }

    /// Whether the child is not fit for another client's call: it may still be at work on one that was
    /// given up, or remember a client's roots.
    pub fn is_tainted(&self, now: Instant) -> bool {
        self.knows_roots || self.abandoned.is_any(now)
    }

    /// Whether the child serves.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Calls of clients that wait for their answer.
    pub fn open_calls(&self) -> usize {
        self.client_calls
    }

    /// Streams of notifications that modern clients hold open here.
    pub fn listens(&self) -> usize {
        self.listens.len()
    }

    /// Resources that some session has subscribed to, or listens to.
    pub fn subscriptions(&self) -> usize {
        self.resources.len()
    }

    /// Sessions that this process has state for.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// When a client last sent something, or was last answered.
    pub fn last_used(&self) -> Instant {
        self.last_used
    }

    /// Changes whom the process serves, and returns the sessions that it serves no longer.
    fn dedicate(&mut self, owner: &Arc<Session>, now: Instant) -> Vec<Arc<Session>> {
        self.role = Role::side_of(owner);
        // A modern request is answered where it was sent, whoever made it.
        let legacy = self.sessions.values().filter(|session| session.era() == Era::Legacy);
        let others = legacy.chain(self.listens.values().map(|listen| &listen.session));
        let others: Vec<_> = others.filter(|session| session.id() != owner.id()).cloned().collect();
        let moved = self.fault(FaultKind::Draining);
        for session in &others {
            self.fail_waiting_of(session.id(), &moved);
            self.release(session, now);
        }
        others
    }

    /// Takes sessions over that another process served, and streams of notifications: what they had
    /// set up is made again here.
    pub fn adopt(&mut self, sessions: Vec<Arc<Session>>, now: Instant) {
        for session in sessions {
            self.attach(&session, now);
        }
    }

    /// Ends every session that has state here: there is no service for it any more.
    pub fn end_sessions(&mut self) {
        self.end_listens();
        for session in std::mem::take(&mut self.sessions).into_values() {
            session.end();
        }
    }

    /// Notes that a session has state here. `false` when it is over already.
    fn attach(&mut self, session: &Arc<Session>, now: Instant) -> bool {
        let id = session.id();
        if self.sessions.contains_key(&id) || self.listens.contains_key(&id) {
            return true;
        }
        session.seen_by(&self.inbox);
        if session.is_over() {
            session.unseen_by(&self.inbox);
            return false;
        }
        if session.listening().is_some() {
            self.take_listen_over(session, now);
            return true;
        }
        self.sessions.insert(id, Arc::clone(session));
        if session.era() == Era::Modern {
            if let Some(level) = session.log_level() {
                self.lower_level(level, now);
            }
            return true;
        }
        if matches!(self.role, Role::Main) {
            // What it has set up in a process that is gone.
            self.restore_subscriptions(session, now);
            self.restore_level(now);
        }
        self.refresh_upstream(now);
        true
    }

    /// A modern request has been answered: nothing of it is left here.
    fn forget_request(&mut self, session: &Arc<Session>) {
        self.sessions.remove(&session.id());
        session.unseen_by(&self.inbox);
        self.level_stale |= session.log_level().is_some();
    }

    fn fault(&self, kind: FaultKind) -> Fault {
        Fault::new(&self.settings.service, kind)
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    fn fresh_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}

impl std::ops::Drop for Mux {
    /// Whatever ends the owner, nobody waits for a table that is gone. Sessions outlive it and need
    /// not tell it of their end any more.
    fn drop(&mut self) {
        self.child_ended(FaultKind::Draining);
        let gone = self.fault(FaultKind::Draining);
        for note in self.take_notes() {
            if let Note::NeedsSide(input) | Note::Misrouted(input) = note {
                input.refuse(&gone);
            }
        }
        self.end_listens();
        for session in self.sessions.values() {
            session.unseen_by(&self.inbox);
        }
    }
}
