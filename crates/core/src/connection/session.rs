//! What a transport and a service's instances both know of one legacy client, or of one modern
//! request.
//!
//! Owns the facts that have to survive a restart of the child (log level, subscriptions) and the
//! table that says which instance asked which question. Must not know where the session table is.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::{Gate, Inbox, Outlet, SessionProfile};
use crate::fault::{Fault, FaultKind};
use crate::id::{Owner, SessionId};
use crate::message::{Id, Params};
use crate::protocol::{Era, LogLevel};

/// The most subscriptions of one session: what has to be made again after a restart is bounded.
const MAX_SUBSCRIPTIONS: usize = 1024;

/// One legacy client's session, or what stands for it while one modern request is served.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    profile: SessionProfile,
    gate: Gate,
    outlet: Outlet,
    log_level: AtomicU8,
    over: AtomicBool,
    next_question: AtomicU64,
    streams: AtomicUsize,
    facts: Mutex<Facts>,
    pub(super) queued_messages: AtomicUsize,
    pub(super) queued_bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Facts {
    subscriptions: BTreeSet<String>,
    questions: HashMap<u64, Inbox>,
    /// The instance that serves this session alone, if there is one.
    own: Option<Inbox>,
    /// Every instance that has seen the session, to be told of its end.
    seen_by: Vec<Inbox>,
    parked_since: Option<Instant>,
    listening: Option<Listening>,
}

/// The request of a modern client that holds a stream of notifications open (2026-07-28,
/// "Subscriptions").
#[derive(Debug, Clone)]
pub(crate) struct Listening {
    /// The client's id.
    pub(crate) id: Id,
    /// Its parameters, as the client sent them.
    pub(crate) params: Option<Params>,
    /// Whether the client was told what it will get.
    pub(crate) acknowledged: bool,
}

impl Session {
    /// A session with the service behind `gate`. `outlet` takes what belongs to none of its
    /// requests (the GET stream of Streamable HTTP; the one stream of HTTP+SSE). A modern request
    /// has one of its own, whose outlet is that of its answer.
    pub fn new(gate: Gate, profile: SessionProfile, outlet: Outlet) -> Arc<Self> {
        let id = match profile.version.era() {
            Era::Legacy => SessionId::random(),
            Era::Modern => SessionId::internal(gate.next_number()),
        };
        Arc::new(Self {
            id,
            profile,
            gate,
            outlet,
            log_level: AtomicU8::new(0),
            over: AtomicBool::new(false),
            next_question: AtomicU64::new(1),
            streams: AtomicUsize::new(0),
            facts: Mutex::default(),
            queued_messages: AtomicUsize::new(0),
            queued_bytes: AtomicUsize::new(0),
        })
    }

    /// Its id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// What the client said of itself.
    pub fn profile(&self) -> &SessionProfile {
        &self.profile
    }

    /// Whether this is a legacy session, or one modern request.
    pub fn era(&self) -> Era {
        self.profile.version.era()
    }

    /// Who may share a process, or a process's memory, with it: only itself, or, for a modern
    /// request, every one of the same principal.
    pub fn owner(&self) -> Owner {
        match self.era() {
            Era::Legacy => Owner::Session(self.id),
            Era::Modern => Owner::Principal(self.profile.principal.clone()),
        }
    }

    /// Whether both have the same [`owner`](Self::owner).
    pub fn same_owner(&self, other: &Self) -> bool {
        match (self.era(), other.era()) {
            (Era::Legacy, Era::Legacy) => self.id == other.id,
            (Era::Modern, Era::Modern) => self.profile.principal == other.profile.principal,
            _ => false,
        }
    }

    /// The service.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The stream for what belongs to none of its requests.
    pub fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// The way to the instance that serves this session; starts the service where that is needed.
    ///
    /// # Errors
    /// When the session is over, or the service refuses.
    pub async fn inbox(&self) -> Result<Inbox, Fault> {
        if self.is_over() {
            return Err(self.gate.fault(FaultKind::SessionOver));
        }
        let own = self.facts().own.clone();
        match own {
            Some(inbox) => Ok(inbox),
            None => self.gate.pass().await,
        }
    }

    /// The way to whatever serves the calls that are open: that of [`inbox`](Self::inbox), or where
    /// the service refuses what is new, the instance that the session has been with. This is the way
    /// of a cancellation, without which a service that was replaced waits for a call that nobody
    /// wants any more.
    ///
    /// # Errors
    /// When the session is over, or no instance knows it.
    pub async fn inbox_of_calls(&self) -> Result<Inbox, Fault> {
        let way_in = self.inbox().await;
        way_in.or_else(|refused| self.facts().seen_by.first().cloned().ok_or(refused))
    }

    /// The client has opened a stream; to be matched by [`stream_closed`](Self::stream_closed).
    pub fn stream_opened(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// A stream of the client is closed.
    pub fn stream_closed(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether no stream of the client is open now.
    pub fn is_detached(&self) -> bool {
        self.streams.load(Ordering::Relaxed) == 0
    }

    /// The instance that asked the question with this id, once: the same question is not answered
    /// twice.
    pub fn take_question(&self, id: &Id) -> Option<Inbox> {
        self.facts().questions.remove(&id.as_number()?)
    }

    /// Notes a question that the instance behind `asked_by` puts to this client; the id is how the
    /// client knows it.
    pub fn note_question(&self, asked_by: Inbox) -> u64 {
        let number = self.next_question.fetch_add(1, Ordering::Relaxed);
        self.facts().questions.insert(number, asked_by);
        number
    }

    /// Forgets a question that was withdrawn or timed out.
    pub fn forget_question(&self, number: u64) {
        self.facts().questions.remove(&number);
    }

    /// Gives the session an instance of its own, or (`None`) takes it away.
    pub fn set_own(&self, own: Option<Inbox>) {
        self.facts().own = own;
    }

    /// The session's own instance.
    pub fn own(&self) -> Option<Inbox> {
        self.facts().own.clone()
    }

    /// Notes that the instance behind `inbox` has state for this session, so that it is told of the
    /// session's end. Returns whether that is news.
    pub fn seen_by(&self, inbox: &Inbox) -> bool {
        let mut facts = self.facts();
        if facts.seen_by.iter().any(|seen| seen.same_as(inbox)) {
            return false;
        }
        facts.seen_by.push(inbox.clone());
        true
    }

    /// The instances other than the one behind `inbox` that have state for this session: its side
    /// processes, seen from the main one.
    pub fn others_than(&self, inbox: &Inbox) -> Vec<Inbox> {
        self.facts().seen_by.iter().filter(|seen| !seen.same_as(inbox)).cloned().collect()
    }

    /// The instance behind `inbox` is gone, or has forgotten the session.
    pub fn unseen_by(&self, inbox: &Inbox) {
        self.facts().seen_by.retain(|seen| !seen.same_as(inbox));
    }

    /// The level the client asked for.
    pub fn log_level(&self) -> Option<LogLevel> {
        LogLevel::from_number(self.log_level.load(Ordering::Relaxed))
    }

    /// Notes the level the client asked for.
    pub fn set_log_level(&self, level: LogLevel) {
        self.log_level.store(level as u8, Ordering::Relaxed);
    }

    /// Notes a subscription. `false` when the session has as many as it may.
    pub fn subscribe(&self, uri: &str) -> bool {
        let mut facts = self.facts();
        if facts.subscriptions.contains(uri) {
            return true;
        }
        facts.subscriptions.len() < MAX_SUBSCRIPTIONS && facts.subscriptions.insert(uri.to_owned())
    }

    /// Forgets a subscription. `false` when there was none.
    pub fn unsubscribe(&self, uri: &str) -> bool {
        self.facts().subscriptions.remove(uri)
    }

    /// Whether the session has subscribed to this resource.
    pub fn subscribes(&self, uri: &str) -> bool {
        self.facts().subscriptions.contains(uri)
    }

    /// Notes since when its call waits, with questions asked, for the client to call again; `None`
    /// when it does not (any more).
    pub fn set_parked(&self, since: Option<Instant>) {
        self.facts().parked_since = since;
    }

    /// Since when its call is parked, if it is.
    pub fn parked_since(&self) -> Option<Instant> {
        self.facts().parked_since
    }

    /// The request by which its client listens, if it does: what has to be made again in another
    /// process.
    pub(crate) fn listening(&self) -> Option<Listening> {
        self.facts().listening.clone()
    }

    /// Notes the request by which its client listens.
    pub(crate) fn set_listening(&self, listening: Listening) {
        self.facts().listening = Some(listening);
    }

    /// All its subscriptions.
    pub fn subscriptions(&self) -> Vec<String> {
        self.facts().subscriptions.iter().cloned().collect()
    }

    /// Ends the session: every instance that knows it is told, once. Returns whether this call
    /// ended it.
    pub fn end(self: &Arc<Self>) -> bool {
        if self.over.swap(true, Ordering::AcqRel) {
            return false;
        }
        let instances = std::mem::take(&mut self.facts().seen_by);
        for inbox in instances {
            inbox.close(self);
        }
        self.outlet.wake(); // Whoever reads the session's own stream has to notice.
        true
    }

    /// Whether the session is over: ended by its client, reclaimed, or left by the child that was
    /// its own.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
