//! Decides about the life of one service: which instances it has, when each gets a child, and when
//! that is stopped or started again.
//!
//! One task per service, off the hot path. It owns the gate that callers come to, the restart
//! policy and the table of instances. It must not touch a message: what an instance hands over is
//! passed on as it is. It never waits for anything but the next event, so that whatever is asked of
//! it is seen to at once, a shutdown included.

mod halt;
mod idle;
mod mail;
mod main_process;
mod news;
mod own;
mod principal;
mod probe;
mod publish;
mod side;
mod table;
#[cfg(test)]
mod tests;
mod withdraw;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use standpipe_core::connection::{Deliveries, GateKeeper, GateState, Inbox, InboxLimits, Input};
use standpipe_core::connection::{Session, inbox};
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::learnt::Learnt;
use standpipe_core::policy::RestartPolicy;
use standpipe_core::service::{ServiceSpec, Sharing};
use standpipe_core::status::{LimitsInForce, Phase};
use standpipe_metrics::ServiceMetrics;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

use crate::instance::{InstanceKey, Report};
use crate::journal::Journal;
use crate::life::{Launcher, News};
use crate::marker::{Markers, RunId};
use crate::published::Published;
use halt::Halt;
use mail::Mail;
use publish::LastEnd;
use table::{Held, Kind};

/// How often idle processes and inputs that wait too long are looked for.
const CHECK: Duration = Duration::from_millis(500);

/// How often room is looked for while somebody waits for it. Mostly it is announced.
const ROOM_CHECK: Duration = Duration::from_millis(20);

/// While draining, how often open calls are counted.
const DRAIN_CHECK: Duration = Duration::from_millis(20);

/// An order from outside.
#[derive(Debug)]
pub(crate) enum Command {
    /// Be ready if nothing speaks against it.
    Start,
    /// End what runs; answered when nothing is left.
    Stop(oneshot::Sender<()>),
    /// End what runs, forget past failures, start again.
    Restart,
    /// Somebody wants to know whether it answers: probe it now if it is unused.
    Probe,
    /// End for good: open calls get this long first.
    Shutdown { grace: Duration, done: oneshot::Sender<()> },
    /// The same, because the service is not known any more, or not in this way: from now on it must
    /// not touch what a successor of the same name may use.
    Leave { grace: Duration, done: oneshot::Sender<()> },
}

/// Everything a supervisor is made of.
pub(crate) struct Setup {
    /// What starts the children.
    pub(crate) launcher: Arc<dyn Launcher>,
    pub(crate) spec: Arc<ServiceSpec>,
    pub(crate) run: RunId,
    /// Where the numbers of children come from.
    pub(crate) markers: Arc<Markers>,
    /// How many processes the service had before it was described anew.
    pub(crate) processes: u64,
    pub(crate) keeper: GateKeeper,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) published: watch::Sender<Published>,
    pub(crate) metrics: Arc<ServiceMetrics>,
    /// Where its processes' stderr is kept.
    pub(crate) journal: Arc<Journal>,
    /// Set where the service has been stopped.
    pub(crate) rests: Arc<AtomicBool>,
    pub(crate) tracker: TaskTracker,
}

/// The task's state.
pub(crate) struct Supervisor {
    setup: Setup,
    name: Arc<str>,
    learnt: Arc<Learnt>,
    policy: RestartPolicy,
    /// How many processes there have been.
    processes: u64,
    next_key: u64,
    instances: BTreeMap<InstanceKey, Held>,
    main: Option<InstanceKey>,
    /// Where sessions are opened that get a process each.
    front: Option<(Inbox, Deliveries)>,
    lives: JoinSet<()>,
    reports: Mail<(InstanceKey, Report)>,
    // Not bounded by itself: three for each child.
    news: Mail<News>,
    /// When the pause after a failure is over. What follows waits for the child's life as well.
    resume_at: Option<Instant>,
    /// When to look at what only time brings about; fixed until then, whatever happens meanwhile.
    check_at: Option<Instant>,
    phase: Phase,
    message: Option<Arc<str>>,
    last_exit: Option<LastEnd>,
    /// When an instance whose child has ended was last used.
    last_used: Option<Instant>,
    /// What keeps the limits of the child that was started last.
    limits: LimitsInForce,
    restarts: u64,
    /// Somebody asked for a start while the main process was being stopped as unused.
    start_again: bool,
    /// What callers are told at the gate while they are refused.
    refusal: Option<FaultKind>,
    /// Everything is being stopped.
    halt: Option<Halt>,
    /// The service has been removed or replaced.
    leaving: bool,
    /// Who waits until nothing is left.
    stopped: Vec<oneshot::Sender<()>>,
    /// Inputs that wait until the main process serves, or sessions that wait for room, oldest first.
    /// Like the two other queues of inputs (`queue`, `Held::waiting`) it is bounded by the places in
    /// the input queue that they go on holding: whoever sends more is refused there. Sessions are
    /// counted by the transports.
    held: VecDeque<(Input, Instant)>,
    /// Calls that wait for a side process, oldest first.
    queue: VecDeque<(Input, Instant)>,
    /// A side process could not be started: what its caller was told, and until when others are
    /// told the same instead of trying.
    side_failure: Option<(FaultKind, Instant)>,
}

impl Supervisor {
    pub(crate) fn new(setup: Setup) -> Self {
        let name: Arc<str> = setup.spec.id.to_string().into();
        let front = (setup.spec.sharing == Sharing::Session)
            .then(|| inbox(&name, inbox_limits(&setup.spec)));
        Self {
            policy: RestartPolicy::new(setup.spec.restart),
            learnt: Arc::clone(setup.keeper.learnt()),
            processes: setup.processes,
            next_key: 0,
            instances: BTreeMap::new(),
            main: None,
            front,
            lives: JoinSet::new(),
            reports: Mail::new(),
            news: Mail::new(),
            resume_at: None,
            check_at: None,
            phase: Phase::Idle,
            message: None,
            last_exit: None,
            last_used: None,
            limits: LimitsInForce::default(),
            restarts: 0,
            start_again: false,
            refusal: None,
            halt: None,
            leaving: false,
            stopped: Vec::new(),
            held: VecDeque::new(),
            queue: VecDeque::new(),
            side_failure: None,
            name,
            setup,
        }
    }

    /// Runs until it is told to shut down, or until nobody can tell it anything any more, and
    /// nothing is left of any child.
    pub(crate) async fn run(mut self) {
        self.open_front();
        let mut commanded = true;
        while !self.has_ended() {
            let wake = self.next_wake();
            // Cancel safe: channels and the join set lose nothing, a demand is kept by the gate.
            tokio::select! {
                command = self.setup.commands.recv(), if commanded => match command {
                    Some(command) => self.command(command),
                    None => {
                        commanded = false;
                        self.shut_down(Duration::ZERO);
                    }
                },
                () = self.setup.keeper.demand() => self.demanded(),
                (key, report) = self.reports.next() => self.reported(key, report),
                news = self.news.next() => self.heard(news),
                Some(joined) = self.lives.join_next_with_id() => match joined {
                    Ok((task, ())) => self.joined(task),
                    Err(error) => self.broke_off(&error),
                },
                Some(input) = next_of(self.front.as_mut()) => self.arrived(input),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    self.time_passed();
                }
            }
            self.resume_if_due();
            self.settle_halt();
            self.publish();
        }
        self.leave();
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Start => self.wanted(),
            Command::Stop(done) => self.stop(done),
            Command::Restart => self.restart(),
            Command::Probe => self.probe_soon(),
            Command::Shutdown { grace, done } => {
                self.stopped.push(done);
                self.shut_down(grace);
            }
            Command::Leave { grace, done } => {
                self.stopped.push(done);
                self.replaced(grace);
            }
        }
    }

    fn reported(&mut self, key: InstanceKey, report: Report) {
        match report {
            Report::NeedsSide(input) => self.place_aside(input),
            Report::Misrouted(input) => self.misrouted(key, input),
            Report::RootsGiven { owner, others } => self.given_away(key, &owner, others),
            Report::SideFree { tainted } => self.side_is_free(key, tainted),
            Report::Vacant => self.vacated(key),
            Report::Probed(verdict) => self.probed(key, verdict),
        }
    }

    fn time_passed(&mut self) {
        let now = Instant::now();
        self.run_probes(now);
        if self.check_at.is_none_or(|at| at > now) {
            return;
        }
        self.check_at = None;
        if self.front.is_some() {
            self.open_held(now);
        }
        self.serve_queue();
        if self.is_draining() {
            return self.check_drain(now);
        }
        self.stop_idle(now);
        self.expire(now);
    }

    fn next_wake(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let check = match self.drains_until() {
            Some(until) => Some((now + DRAIN_CHECK).min(until)),
            None if self.waits_for_room() => Some(now + ROOM_CHECK),
            None => self.has_to_check().then(|| now + CHECK),
        };
        // Set anew each time it would come earlier, and never put off.
        self.check_at = check.map(|check| self.check_at.map_or(check, |at| at.min(check)));
        let resume = self.resume_at.filter(|_| self.may_resume());
        resume.into_iter().chain(self.check_at).chain(self.next_probe()).min()
    }

    fn has_to_check(&self) -> bool {
        !self.held.is_empty() || self.watches_idleness()
    }

    fn waits_for_room(&self) -> bool {
        !self.queue.is_empty() || (self.front.is_some() && !self.held.is_empty())
    }

    /// Changes what callers find at the gate.
    fn set_gate(&mut self, state: GateState) {
        self.refusal = match &state {
            GateState::Refusing { why, .. } => Some(why.clone()),
            _ => None,
        };
        self.setup.keeper.set(state);
    }

    fn fault(&self, kind: FaultKind) -> Fault {
        let waits = matches!(kind, FaultKind::StartFailed(_) | FaultKind::CoolingDown(_));
        let fault = Fault::new(&self.name, kind);
        match self.resume_at.filter(|_| waits) {
            Some(at) => fault.again_in(at.saturating_duration_since(Instant::now())),
            None => fault,
        }
    }

    /// Gives up inputs that have waited as long as a caller waits for a start.
    fn expire(&mut self, now: Instant) {
        let patience = self.setup.spec.timeouts.start;
        let late = |(input, since): &mut (Input, Instant)| {
            *since + patience <= now || input.session().is_over()
        };
        let held = if self.front.is_none() { take_if(&mut self.held, late) } else { Vec::new() };
        let queued = take_if(&mut self.queue, late);
        let kinds = [(held, FaultKind::Starting), (queued, FaultKind::TooManyInstances)];
        for (inputs, kind) in kinds {
            for (input, _) in inputs {
                let over = input.session().is_over();
                let kind = if over { FaultKind::SessionOver } else { kind.clone() };
                input.refuse(&self.fault(kind));
            }
        }
    }
}

/// Takes out what `condition` holds for and leaves the rest in its order.
fn take_if<T>(queue: &mut VecDeque<T>, condition: impl FnMut(&mut T) -> bool) -> Vec<T> {
    let mut all = std::mem::take(queue);
    let mut condition = condition;
    let mut taken = Vec::new();
    for mut one in all.drain(..) {
        if condition(&mut one) { taken.push(one) } else { queue.push_back(one) }
    }
    taken
}

async fn next_of(front: Option<&mut (Inbox, Deliveries)>) -> Option<Input> {
    match front {
        Some((_, deliveries)) => deliveries.next().await,
        None => std::future::pending().await,
    }
}

fn inbox_limits(spec: &ServiceSpec) -> InboxLimits {
    let message_bytes = spec.limits.max_message_bytes;
    let least = InboxLimits::for_messages_of(message_bytes);
    InboxLimits { bytes: spec.limits.input_queue_bytes.max(least.bytes), ..least }
}

/// A random fraction, so that services that fail together do not come back together.
fn jitter() -> f64 {
    let mut byte = [0_u8; 2];
    match getrandom::fill(&mut byte) {
        Ok(()) => f64::from(u16::from_le_bytes(byte)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}

/// Whose an instance is, for those that have one owner.
fn is_of(session: &Session, owner: &Session) -> bool {
    session.same_owner(owner)
}
