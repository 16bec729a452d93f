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
mod calls;
mod cancel;
mod child;
mod handshake;
mod levels;
mod outgoing;
mod probe;
mod questions;
mod subscriptions;
#[cfg(test)]
mod tests;
mod time;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use handshake::{Handshake, HandshakeError};
pub use outgoing::{Batch, Outgoing};
pub use probe::Verdict;

use crate::connection::{Inbox, Input, Session};
use crate::fault::{Fault, FaultKind};
use crate::id::SessionId;
use crate::learnt::Learnt;
use crate::protocol::LogLevel;
use crate::service::EraChoice;

/// The most calls that may be open in one child. More are refused as overload.
pub const MAX_OPEN_CALLS: usize = 16_384;

/// Whom the process serves.
#[derive(Debug, Clone)]
pub enum Role {
    /// Every session of the service.
    Main,
    /// One session, opened with that client's own `initialize`.
    Own(Arc<Session>),
    /// One session's calls that ask questions, beside the main process.
    Side(Arc<Session>),
}

impl Role {
    fn owner(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Main => None,
            Self::Own(session) | Self::Side(session) => Some(session),
        }
    }
}

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
    /// The longest message in bytes, for the words of an error.
    pub max_message_bytes: usize,
    /// Whether the child may ask its clients anything.
    pub interactive: bool,
    /// Which era the child is opened in.
    pub era: EraChoice,
}

/// What the owner of a [`Mux`] has to know or to do.
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

/// The state of one child's conversation with its clients.
#[derive(Debug)]
pub struct Mux {
    settings: MuxSettings,
    role: Role,
    inbox: Inbox,
    learnt: Arc<Learnt>,
    phase: Phase,
    handshake: Option<Handshake>,
    opening: Option<calls::Opening>,
    next_id: u64,
    calls: HashMap<u64, calls::Call>,
    /// The open calls of clients, among [`calls`](Self::calls).
    client_calls: usize,
    /// Those during which the child may ask something.
    asking: HashSet<u64>,
    abandoned: abandoned::Abandoned,
    probing: probe::Probing,
    questions: HashMap<(SessionId, u64), questions::Question>,
    elicitations: VecDeque<questions::UrlElicitation>,
    sessions: HashMap<SessionId, Arc<Session>>,
    resources: HashMap<String, subscriptions::Watched>,
    level_sent: Option<LogLevel>,
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
            opening: None,
            next_id: 1,
            calls: HashMap::new(),
            client_calls: 0,
            asking: HashSet::new(),
            abandoned: abandoned::Abandoned::default(),
            probing: probe::Probing::default(),
            questions: HashMap::new(),
            elicitations: VecDeque::new(),
            sessions: HashMap::new(),
            resources: HashMap::new(),
            level_sent: None,
            outgoing: Outgoing::default(),
            notes: Vec::new(),
            sweep_at: None,
            last_used: now,
        }
    }

    /// A child has been launched: begins the handshake.
    pub fn child_started(&mut self, _now: Instant) {
        debug_assert_eq!(self.phase, Phase::Down, "one child at a time");
        self.phase = Phase::Handshake;
        self.level_sent = None;
        self.begin_handshake();
    }

    /// The child has ended; `why` goes into the answers. Every open call is answered, every open
    /// question withdrawn. What sessions had set up stays known, for the next child.
    pub fn child_ended(&mut self, why: FaultKind) {
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
                self.forget_if_done(&client.session);
            }
            self.fail(call, &gone);
        }
        if let Some(opening) = self.opening.take() {
            opening.fail(&gone);
        }
        self.reset_subscriptions(&gone);
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

    /// Whether the child serves.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Calls of clients that wait for their answer.
    pub fn open_calls(&self) -> usize {
        self.client_calls
    }

    /// Resources that some session has subscribed to.
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
        self.role = Role::Side(Arc::clone(owner));
        let others: Vec<_> =
            self.sessions.values().filter(|session| session.id() != owner.id()).cloned().collect();
        let moved = self.fault(FaultKind::Draining);
        for session in &others {
            self.fail_waiting_of(session.id(), &moved);
            self.release(session, now);
        }
        others
    }

    /// Takes sessions over that another process served: what they had set up is made again here.
    pub fn adopt(&mut self, sessions: Vec<Arc<Session>>, now: Instant) {
        for session in sessions {
            self.attach(&session, now);
        }
    }

    /// Ends every session that has state here: there is no service for it any more.
    pub fn end_sessions(&mut self) {
        for session in std::mem::take(&mut self.sessions).into_values() {
            session.end();
        }
    }

    /// Notes that a session has state here. `false` when it is over already.
    fn attach(&mut self, session: &Arc<Session>, now: Instant) -> bool {
        if self.sessions.contains_key(&session.id()) {
            return true;
        }
        session.seen_by(&self.inbox);
        if session.is_over() {
            session.unseen_by(&self.inbox);
            return false;
        }
        self.sessions.insert(session.id(), Arc::clone(session));
        if matches!(self.role, Role::Main) {
            // What it has set up in a process that is gone.
            self.restore_subscriptions(session, now);
            self.restore_level(now);
        }
        true
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
        for session in self.sessions.values() {
            session.unseen_by(&self.inbox);
        }
    }
}
