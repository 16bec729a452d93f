//! One instance of a service: the task that owns a child's pipes and the table of open calls.
//!
//! This is the hot path: a client's message comes in through the inbox, goes out in one write with
//! its neighbours, and the answer goes straight from here to the client's stream. The task outlives
//! its children, so that the way to it stays the same across a restart, and it never waits for a
//! client. It must not know when a child is started, stopped or given up; the supervisor tells it.

mod alarm;
mod pipes;
mod tallies;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use alarm::Alarm;
use standpipe_core::connection::{Deliveries, Inbox, Input, Session};
use standpipe_core::fault::FaultKind;
use standpipe_core::mux::{HandshakeError, Mux, Note, Verdict};
use standpipe_metrics::ServiceMetrics;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::Instant;

#[cfg(test)]
pub(crate) use pipes::Inlet;
pub(crate) use pipes::{Pipes, Stdin, Stdout};

/// Inputs taken in one go before the pipes get their turn again.
const INPUTS_AT_ONCE: usize = 128;

/// Orders that may wait for an instance. Orders are rare; the supervisor waits when it is full.
const CONTROL_QUEUE: usize = 8;

/// After a child's death, for so long what it wrote before is still read.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Tells the instances of one service apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct InstanceKey(pub(crate) u64);

/// An order of the supervisor.
#[derive(Debug)]
pub(crate) enum Control {
    /// A child has been launched.
    Attach {
        pipes: Box<Pipes>,
        /// Told once how the handshake went.
        ready: oneshot::Sender<Result<(), HandshakeError>>,
        /// Dropped when the child closes its stdout or its stdin.
        open: oneshot::Sender<std::convert::Infallible>,
    },
    /// Close the child's stdin: it is asked to end.
    CloseStdin,
    /// Close it if nobody uses the child, which only the instance knows for sure. Told which.
    CloseIfUnused(oneshot::Sender<bool>),
    /// The child has ended: told whether it had read that it was asked for its era, and nothing else
    /// that we wrote.
    WasOnlyProbed(oneshot::Sender<bool>),
    /// The child has ended. Answered when every open call has been.
    Ended { why: FaultKind, done: oneshot::Sender<()> },
    /// Serve these sessions too.
    Adopt(Vec<Arc<Session>>),
    /// Ask the child whether it answers within this time, unless it may be at work.
    Probe(Duration),
    /// The service is no more: its sessions are over.
    EndSessions,
}

/// What an instance tells its supervisor.
#[derive(Debug)]
pub(crate) enum Report {
    /// The call belongs into a side process.
    NeedsSide(Input),
    /// The input belongs to the main process: it came for one that is somebody else's by now, or
    /// for one that does not serve at the moment.
    Misrouted(Input),
    /// The process has become this session's own.
    RootsGiven { owner: Arc<Session>, others: Vec<Arc<Session>> },
    /// A side process has no call open.
    SideFree {
        /// The child is not fit for another client's call.
        tainted: bool,
    },
    /// The one session that the process served is over.
    Vacant,
    /// What came of a probe.
    Probed(Verdict),
}

/// The supervisor's handle.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) key: InstanceKey,
    pub(crate) inbox: Inbox,
    pub(crate) control: mpsc::Sender<Control>,
    pub(crate) activity: Arc<Activity>,
}

/// How much an instance is used; written by its task, read by its supervisor.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    open_calls: AtomicUsize,
    subscriptions: AtomicUsize,
    sessions: AtomicUsize,
    /// Milliseconds since the instance was made.
    last_used: AtomicU64,
    /// When the child last wrote something, in the same way; 0: it has not.
    last_heard: AtomicU64,
}

impl Activity {
    pub(crate) fn open_calls(&self) -> usize {
        self.open_calls.load(Ordering::Relaxed)
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::Relaxed)
    }

    /// When the child last wrote anything.
    pub(crate) fn last_heard(&self, made: Instant) -> Option<Instant> {
        let millis = self.last_heard.load(Ordering::Relaxed);
        (millis > 0).then(|| made + Duration::from_millis(millis))
    }

    pub(crate) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// When a client last used it, if one has.
    pub(crate) fn accessed(&self, made: Instant) -> Option<Instant> {
        Some(self.last_used(made)).filter(|used| *used > made)
    }

    pub(crate) fn last_used(&self, made: Instant) -> Instant {
        made + Duration::from_millis(self.last_used.load(Ordering::Relaxed))
    }
}

/// The task's own side.
pub(crate) struct InstanceTask {
    pub(crate) key: InstanceKey,
    pub(crate) mux: Mux,
    pub(crate) deliveries: Deliveries,
    pub(crate) control: mpsc::Receiver<Control>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) made: Instant,
    /// Whether what comes while no child serves is handed back to wait for the next one. A caller
    /// passes the gate a moment before its input is looked at; the child may end or be stopped in
    /// between. Only for the main process: its starts are limited by the restart policy.
    pub(crate) hands_back: bool,
    // Not bounded by itself: the inputs in it hold places in an input queue, or open a session; all
    // other reports are rare.
    pub(crate) reports: mpsc::UnboundedSender<(InstanceKey, Report)>,
    pub(crate) metrics: Arc<ServiceMetrics>,
    pub(crate) child: Option<Child>,
}

/// The child that is attached now.
pub(crate) struct Child {
    pipes: Box<Pipes>,
    ready: Option<oneshot::Sender<Result<(), HandshakeError>>>,
    open: Option<oneshot::Sender<std::convert::Infallible>>,
    ending: Option<Ending>,
}

struct Ending {
    why: FaultKind,
    done: oneshot::Sender<()>,
    until: Instant,
}

/// The channel on which orders reach an instance.
pub(crate) fn control_channel() -> (mpsc::Sender<Control>, mpsc::Receiver<Control>) {
    mpsc::channel(CONTROL_QUEUE)
}

/// How a turn of an instance ended.
enum Turn {
    /// There is more to do at once.
    More,
    /// The supervisor has let go of the instance.
    Over,
}

impl InstanceTask {
    /// Runs until the supervisor lets go of the instance.
    pub(crate) async fn run(mut self) {
        let mut alarm = Alarm::new();
        while let Turn::More = poll_fn(|cx| self.poll_turn(&mut alarm, cx)).await {
            // A child that never stops writing must not keep the thread from everybody else.
            yield_now().await;
        }
        self.mux.child_ended(FaultKind::Draining);
        while let Some(input) = self.deliveries.try_next() {
            tallies::too_late(&self.metrics, input);
        }
        self.settle(Instant::now());
    }

    /// All that can be done now, within bounds: what clients send is written in the same turn in which
    /// it is taken in. Nothing is lost with the future that polls this: what was read, written or
    /// received has been accounted for when it returns.
    fn poll_turn(&mut self, alarm: &mut Alarm, cx: &mut Context<'_>) -> Poll<Turn> {
        let now = Instant::now();
        // Before the orders: who is to be stopped for want of use may have just come into it.
        let mut more = self.poll_inputs(now, cx);
        match self.poll_orders(cx) {
            Some(ordered) => more |= ordered,
            None => return Poll::Ready(Turn::Over),
        }
        // The child has something to do while its answers are read.
        self.poll_write(cx);
        if let Some(child) = &mut self.child {
            more |= child.pipes.poll_read(&mut self.mux, &self.metrics, now, cx);
        }
        self.settle(now);
        if !self.mux.outgoing().is_empty() {
            self.poll_write(cx);
            self.settle(now);
        }
        more |= alarm.poll(self.next_alarm(), cx).is_ready();
        if more { Poll::Ready(Turn::More) } else { Poll::Pending }
    }

    /// Takes in what clients send. Whether there may be more.
    fn poll_inputs(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        for _ in 0..INPUTS_AT_ONCE {
            match self.deliveries.poll_next(cx) {
                Poll::Ready(Some(input)) => self.input(input, now),
                Poll::Ready(None) | Poll::Pending => return false,
            }
        }
        true
    }

    /// Carries out what the supervisor orders. Whether there may be more; `None` when it has let go.
    fn poll_orders(&mut self, cx: &mut Context<'_>) -> Option<bool> {
        for _ in 0..CONTROL_QUEUE {
            match self.control.poll_recv(cx) {
                Poll::Ready(order) => self.order(order?),
                Poll::Pending => return Some(false),
            }
        }
        Some(true)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        if let Some(child) = &mut self.child {
            child.pipes.poll_write(&mut self.mux, cx);
        }
    }

    fn next_alarm(&self) -> Option<Instant> {
        let last_words = self.child.as_ref().and_then(|child| Some(child.ending.as_ref()?.until));
        self.mux.next_tick().into_iter().chain(last_words).min()
    }

    fn input(&mut self, input: Input, now: Instant) {
        let wants_answer = matches!(input, Input::Open { .. } | Input::Request { .. });
        if self.hands_back && wants_answer && !self.serves() {
            return self.report(Report::Misrouted(input));
        }
        self.mux.client(input, now);
    }

    /// Whether a child is there that would read what is written now.
    fn serves(&self) -> bool {
        let takes = |child: &Child| child.ending.is_none() && !child.pipes.stdin_closed();
        self.mux.is_ready() && self.child.as_ref().is_some_and(takes)
    }

    fn order(&mut self, order: Control) {
        match order {
            Control::Attach { pipes, ready, open } => {
                // Its life waits only so long for the last one to be done with.
                if let Some(last) = self.child.take() {
                    let gone = || FaultKind::ChildGone("it was replaced".into());
                    self.mux.child_ended(last.ending.map_or_else(gone, |ending| ending.why));
                }
                self.child =
                    Some(Child { pipes, ready: Some(ready), open: Some(open), ending: None });
                self.mux.child_started(Instant::now());
            }
            Control::CloseStdin => {
                if let Some(child) = &mut self.child {
                    child.pipes.close_stdin();
                }
            }
            Control::CloseIfUnused(told) => {
                let used = self.mux.open_calls() > 0 || self.mux.subscriptions() > 0;
                if !used && let Some(child) = &mut self.child {
                    child.pipes.close_stdin();
                }
                let _gone = told.send(!used);
            }
            Control::WasOnlyProbed(told) => {
                let read = self.child.as_ref().is_some_and(|child| child.pipes.all_was_read());
                let probed = read && self.mux.awaits_discover() && self.mux.outgoing().is_empty();
                let _gone = told.send(probed);
            }
            Control::Ended { why, done } => {
                if let Some(child) = &mut self.child {
                    child.pipes.close_stdin();
                    let until = Instant::now() + LAST_WORDS;
                    child.ending = Some(Ending { why, done, until });
                } else {
                    self.mux.child_ended(why);
                    let _gone = done.send(());
                }
            }
            Control::Adopt(sessions) => self.mux.adopt(sessions, Instant::now()),
            // A child that is on its way out is not asked: its end is known.
            Control::Probe(timeout) if self.serves() => self.mux.probe(timeout, Instant::now()),
            Control::Probe(_) => self.report(Report::Probed(Verdict::Busy)),
            Control::EndSessions => self.mux.end_sessions(),
        }
    }

    /// What follows from a turn: what is due by time, what the mux has to say, and whether the child's
    /// last words have been heard.
    fn settle(&mut self, now: Instant) {
        self.mux.tick(now);
        if self.last_words_heard(now)
            && let Some(Child { ending: Some(ending), .. }) = self.child.take()
        {
            self.mux.child_ended(ending.why);
            let _gone = ending.done.send(());
        }
        for note in self.mux.take_notes() {
            self.noted(note);
        }
        self.publish();
    }

    fn last_words_heard(&mut self, now: Instant) -> bool {
        let Some(child) = &mut self.child else {
            return false;
        };
        if child.pipes.stdout_closed() || child.pipes.write_failed() {
            child.open = None; // Tells the child's life.
        }
        let Some(ending) = &child.ending else {
            return false;
        };
        child.pipes.stdout_closed() || ending.until <= now
    }

    fn noted(&mut self, note: Note) {
        let report = match note {
            Note::Ready => return self.handshake(Ok(())),
            Note::HandshakeFailed(error) => return self.handshake(Err(error)),
            Note::NeedsSide(input) => Report::NeedsSide(input),
            Note::Misrouted(input) => Report::Misrouted(input),
            Note::RootsGiven { owner, others } => Report::RootsGiven { owner, others },
            Note::SideFree => Report::SideFree { tainted: self.mux.is_tainted(Instant::now()) },
            Note::Vacant => Report::Vacant,
            Note::Probed(verdict) => Report::Probed(verdict),
            Note::Dropped(why) => return tallies::dropped(&self.metrics, why),
            Note::Refused(why) => return tallies::refused(&self.metrics, why),
            Note::Noise => return self.metrics.noise_line(),
        };
        self.report(report);
    }

    fn report(&self, report: Report) {
        if let Err(mpsc::error::SendError((_, report))) = self.reports.send((self.key, report)) {
            tallies::orphaned(&self.metrics, report);
        }
    }

    fn handshake(&mut self, outcome: Result<(), HandshakeError>) {
        if let Some(ready) = self.child.as_mut().and_then(|child| child.ready.take()) {
            let _gone = ready.send(outcome);
        }
    }

    fn publish(&self) {
        let activity = &self.activity;
        activity.open_calls.store(self.mux.open_calls(), Ordering::Relaxed);
        activity.subscriptions.store(self.mux.subscriptions(), Ordering::Relaxed);
        activity.sessions.store(self.mux.sessions(), Ordering::Relaxed);
        // Rounded up, so that nothing seems to have happened before it did, nor not at all.
        let millis = |at: Instant| {
            let since = at.saturating_duration_since(self.made);
            since.as_secs() * 1000 + u64::from(since.subsec_nanos().div_ceil(1_000_000))
        };
        activity.last_used.store(millis(self.mux.last_used()), Ordering::Relaxed);
        // A new child has not been heard yet.
        let heard = self.mux.last_heard().map_or(0, |at| millis(at).max(1));
        activity.last_heard.store(heard, Ordering::Relaxed);
    }
}
