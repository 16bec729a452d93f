//! Decides about the life of one service: which instances it has, when each gets a child, and when
//! that is stopped or started again.
//!
//! One task per service, off the hot path. It owns the gate that callers come to, the restart
//! policy and the table of instances. It must not touch a message: what an instance hands over is
//! passed on as it is.

mod main_process;
mod own;
mod side;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use standpipe_core::connection::{
    Deliveries, GateKeeper, GateState, Inbox, InboxLimits, Input, Session, inbox,
};
use standpipe_core::fault::{Fault, FaultKind};
use standpipe_core::id::Generation;
use standpipe_core::mux::{Marks, Mux, MuxSettings, Role};
use standpipe_core::policy::RestartPolicy;
use standpipe_core::service::{Interactive, ServiceSpec, Sharing};
use standpipe_core::status::{Phase, ServiceStatus};
use standpipe_metrics::ServiceMetrics;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use crate::instance::{Activity, Instance, InstanceKey, InstanceTask, Report, control_channel};
use crate::life::{Ended, Event, News, Plan, StopReason, live};
use crate::marker::{InstanceMarker, RunId};
use crate::terminate::StopLadder;

/// How often idle processes are looked for while some run.
const IDLE_CHECK: Duration = Duration::from_millis(500);

/// While draining, how often open calls are counted.
const DRAIN_CHECK: Duration = Duration::from_millis(20);

/// The ladder of a shutdown: the whole of it, with draining, has to fit into the few seconds that
/// service managers give.
const SHUTDOWN_LADDER: StopLadder = StopLadder {
    stdin_grace: Duration::from_millis(700),
    term_grace: Duration::from_millis(800),
    kill_wait: Duration::from_secs(1),
};

/// An order from outside.
#[derive(Debug)]
pub(crate) enum Command {
    /// Be ready if nothing speaks against it.
    Start,
    /// End what runs; answered when nothing is left.
    Stop(oneshot::Sender<()>),
    /// End what runs, forget past failures, start again.
    Restart,
    /// End for good: open calls get this long first.
    Shutdown { grace: Duration, done: oneshot::Sender<()> },
}

/// Everything a supervisor is made of.
pub(crate) struct Setup {
    pub(crate) spec: Arc<ServiceSpec>,
    pub(crate) run: RunId,
    pub(crate) keeper: GateKeeper,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) status: watch::Sender<ServiceStatus>,
    pub(crate) metrics: Arc<ServiceMetrics>,
    pub(crate) tracker: TaskTracker,
}

/// The task's state.
pub(crate) struct Supervisor {
    setup: Setup,
    name: Arc<str>,
    marks: Arc<Marks>,
    policy: RestartPolicy,
    generation: Generation,
    next_key: u64,
    instances: BTreeMap<InstanceKey, Held>,
    main: Option<InstanceKey>,
    /// Where sessions are opened that get a process each.
    front: Option<(Inbox, Deliveries)>,
    lives: JoinSet<(InstanceKey, Ended)>,
    reports: mpsc::UnboundedReceiver<(InstanceKey, Report)>,
    report_to: mpsc::UnboundedSender<(InstanceKey, Report)>,
    news: mpsc::UnboundedReceiver<News>,
    news_to: mpsc::UnboundedSender<News>,
    /// When the pause after a failure is over.
    resume_at: Option<Instant>,
    phase: Phase,
    message: Option<Arc<str>>,
    last_exit: Option<Arc<str>>,
    restarts: u64,
    start_again: bool,
    stopped: Vec<oneshot::Sender<()>>,
    /// Inputs that wait until the main process serves.
    held: Vec<Input>,
    /// Calls that wait for a side process, oldest first.
    queue: VecDeque<(Input, Instant)>,
}

/// An instance as its supervisor sees it.
struct Held {
    instance: Instance,
    kind: Kind,
    made: Instant,
    life: Option<Living>,
    /// Inputs that wait until it serves.
    waiting: Vec<Input>,
}

/// What an instance is for.
enum Kind {
    /// All sessions of the service.
    Main,
    /// One session from its beginning to its end.
    Own(Arc<Session>),
    /// One session's calls that ask questions.
    Side(side::Side),
}

struct Living {
    generation: u64,
    stop: watch::Sender<Option<StopReason>>,
    pid: Option<u32>,
    ready: bool,
}

impl Held {
    fn is_ready(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.ready)
    }

    fn stop(&self, reason: StopReason) {
        if let Some(life) = &self.life {
            life.stop.send_if_modified(|stop| {
                let first = stop.is_none();
                *stop = stop.or(Some(reason));
                first
            });
        }
    }

    fn activity(&self) -> &Activity {
        &self.instance.activity
    }
}

impl Supervisor {
    pub(crate) fn new(setup: Setup) -> Self {
        let name: Arc<str> = setup.spec.id.to_string().into();
        let (report_to, reports) = mpsc::unbounded_channel();
        let (news_to, news) = mpsc::unbounded_channel();
        let front = (setup.spec.sharing == Sharing::Session)
            .then(|| inbox(&name, inbox_limits(&setup.spec)));
        Self {
            policy: RestartPolicy::new(setup.spec.restart),
            marks: Arc::default(),
            generation: Generation::default(),
            next_key: 0,
            instances: BTreeMap::new(),
            main: None,
            front,
            lives: JoinSet::new(),
            reports,
            report_to,
            news,
            news_to,
            resume_at: None,
            phase: Phase::Idle,
            message: None,
            last_exit: None,
            restarts: 0,
            start_again: false,
            stopped: Vec::new(),
            held: Vec::new(),
            queue: VecDeque::new(),
            name,
            setup,
        }
    }

    /// Runs until it is told to shut down, or until nobody can tell it anything any more.
    pub(crate) async fn run(mut self) {
        self.open_front();
        let done = loop {
            let wake = self.next_wake();
            // Cancel safe: channels and the join set lose nothing, a demand is kept by the gate.
            tokio::select! {
                command = self.setup.commands.recv() => match command {
                    None => break None,
                    Some(Command::Shutdown { grace, done }) => {
                        self.drain(grace).await;
                        break Some(done);
                    }
                    Some(command) => self.command(command),
                },
                () = self.setup.keeper.demand() => self.demanded(),
                Some((key, report)) = self.reports.recv() => self.reported(key, report),
                Some(news) = self.news.recv() => self.heard(news),
                Some(joined) = self.lives.join_next() => self.joined(joined),
                Some(input) = next_of(self.front.as_mut()) => self.arrived(input),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    self.time_passed();
                }
            }
            self.publish();
        };
        self.end_all(SHUTDOWN_LADDER).await;
        self.phase = Phase::Stopped;
        self.publish();
        if let Some(done) = done {
            let _gone = done.send(());
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Start => self.demanded(),
            Command::Stop(done) => {
                self.start_again = false;
                self.resume_at = None;
                self.stop_everything();
                if self.lives.is_empty() {
                    self.rest();
                    let _gone = done.send(());
                } else {
                    self.stopped.push(done);
                }
            }
            Command::Restart => {
                self.policy.reset();
                self.resume_at = None;
                self.stop_everything();
                if self.main_lives() {
                    self.start_again = true;
                } else {
                    self.rest();
                    self.demanded();
                }
            }
            Command::Shutdown { .. } => {}
        }
    }

    fn reported(&mut self, key: InstanceKey, report: Report) {
        match report {
            Report::NeedsSide(input) => self.place_aside(input),
            Report::Misrouted(input) => self.send_to_main(input),
            Report::RootsGiven { owner, others } => self.given_away(key, &owner, others),
            Report::SideFree => self.side_is_free(key),
            Report::Vacant => {
                if let Some(held) = self.instances.get(&key) {
                    held.stop(StopReason::Asked(StopLadder::default()));
                }
            }
        }
    }

    fn heard(&mut self, news: News) {
        let Some(held) = self.instances.get_mut(&news.key) else {
            return;
        };
        let Some(life) = held.life.as_mut().filter(|l| l.generation == news.generation) else {
            return;
        };
        match news.event {
            Event::Launched(pid) => life.pid = Some(pid),
            Event::Ready => {
                life.ready = true;
                for input in std::mem::take(&mut held.waiting) {
                    held.instance.inbox.forward(input);
                }
                match held.kind {
                    Kind::Main => self.main_ready(),
                    Kind::Own(_) => self.own_ready(),
                    Kind::Side(_) => {}
                }
            }
        }
    }

    fn joined(&mut self, joined: Result<(InstanceKey, Ended), tokio::task::JoinError>) {
        let (key, ended) = match joined {
            Ok(ended) => ended,
            Err(error) => {
                // A panic in a life; its guard has killed the child. There is no key to go by, so
                // every instance without a living task is looked for.
                tracing::error!(service = %self.name, %error, "the life of a child broke off");
                return;
            }
        };
        self.last_exit = Some(Arc::clone(&ended.how));
        let Some(held) = self.instances.get_mut(&key) else {
            return;
        };
        held.life = None;
        match held.kind {
            Kind::Main => self.main_ended(&ended),
            Kind::Own(_) => self.own_ended(key, &ended),
            Kind::Side(_) => self.side_ended(key, &ended),
        }
        if self.lives.is_empty() {
            for done in std::mem::take(&mut self.stopped) {
                let _gone = done.send(());
            }
        }
    }

    fn time_passed(&mut self) {
        let now = Instant::now();
        if self.resume_at.is_some_and(|at| at <= now) {
            self.resume_at = None;
            self.resume();
        }
        self.stop_idle(now);
        self.expire_queue(now);
    }

    fn next_wake(&self) -> Option<Instant> {
        let idle = self.watches_idleness().then(|| Instant::now() + IDLE_CHECK);
        self.resume_at.into_iter().chain(idle).min()
    }

    /// Makes an instance without a child.
    fn make(&mut self, kind: Kind, role: Role) -> InstanceKey {
        let spec = &self.setup.spec;
        let key = InstanceKey(self.next_key);
        self.next_key += 1;
        let (inbox, deliveries) = inbox(&self.name, inbox_limits(spec));
        let (control_to, control) = control_channel();
        let settings = MuxSettings {
            service: Arc::clone(&self.name),
            request_timeout: spec.timeouts.request,
            request_max: spec.timeouts.request_max.max(spec.timeouts.request),
            question_timeout: spec.timeouts.question,
            max_message_bytes: spec.limits.max_message_bytes,
            interactive: spec.interactive == Interactive::Auto,
        };
        let made = Instant::now();
        let activity = Arc::new(Activity::default());
        let task = InstanceTask {
            key,
            mux: Mux::new(settings, role, inbox.clone(), Arc::clone(&self.marks), made),
            deliveries,
            control,
            activity: Arc::clone(&activity),
            made,
            reports: self.report_to.clone(),
            metrics: Arc::clone(&self.setup.metrics),
            child: None,
        };
        self.setup.tracker.spawn(task.run());
        let instance = Instance { key, inbox, control: control_to, activity };
        let held = Held { instance, kind, made, life: None, waiting: Vec::new() };
        self.instances.insert(key, held);
        key
    }

    /// Gives an instance a child.
    fn begin(&mut self, key: InstanceKey) {
        self.generation = self.generation.next();
        let generation = self.generation.get();
        let Some(held) = self.instances.get_mut(&key) else {
            return;
        };
        debug_assert!(held.life.is_none(), "at most one child per instance");
        let (stop_to, stop) = watch::channel(None);
        held.life = Some(Living { generation, stop: stop_to, pid: None, ready: false });
        let plan = Plan {
            spec: Arc::clone(&self.setup.spec),
            marker: InstanceMarker::new(self.setup.run, Arc::clone(&self.name), generation),
            instance: held.instance.clone(),
            metrics: Arc::clone(&self.setup.metrics),
            tracker: self.setup.tracker.clone(),
            stop,
            news: self.news_to.clone(),
        };
        self.lives.spawn(async move { (key, live(plan).await) });
    }

    fn fault(&self, kind: FaultKind) -> Fault {
        Fault::new(&self.name, kind)
    }

    fn stop_everything(&mut self) {
        self.setup.keeper.set(GateState::Refusing { why: FaultKind::Draining, until: None });
        for held in self.instances.values() {
            held.stop(StopReason::Asked(StopLadder::default()));
        }
    }

    /// Lets open calls end for at most `grace`; new ones are refused.
    async fn drain(&mut self, grace: Duration) {
        self.phase = Phase::Draining;
        self.setup.keeper.set(GateState::Refusing { why: FaultKind::Draining, until: None });
        self.publish();
        let until = Instant::now() + grace;
        let busy = |held: &Held| held.activity().open_calls() > 0;
        while self.instances.values().any(busy) && Instant::now() < until {
            sleep(DRAIN_CHECK).await;
        }
    }

    /// Ends every child and waits until nothing of any is left.
    async fn end_all(&mut self, ladder: StopLadder) {
        for held in self.instances.values() {
            held.stop(StopReason::Asked(ladder));
        }
        while self.lives.join_next().await.is_some() {}
        let fault = self.fault(FaultKind::Draining);
        for input in self.held.drain(..).chain(self.queue.drain(..).map(|(input, _)| input)) {
            input.refuse(&fault);
        }
        // Their tasks end with the last handle.
        self.instances.clear();
    }

    fn publish(&self) {
        let main = self.main.and_then(|key| self.instances.get(&key));
        let status = ServiceStatus {
            state: self.phase.state(),
            phase: self.phase,
            message: self.message.clone(),
            generation: self.generation.get(),
            pid: main.and_then(|held| held.life.as_ref()).and_then(|life| life.pid),
            instances: self.instances.values().filter(|held| held.life.is_some()).count(),
            restarts: self.restarts,
            last_exit: self.last_exit.clone(),
        };
        self.setup.metrics.set_phase(metrics_phase(self.phase));
        self.setup.status.send_replace(status);
    }
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

fn metrics_phase(phase: Phase) -> standpipe_metrics::Phase {
    match phase {
        Phase::Idle => standpipe_metrics::Phase::Idle,
        Phase::Starting => standpipe_metrics::Phase::Starting,
        Phase::Ready => standpipe_metrics::Phase::Ready,
        Phase::Draining => standpipe_metrics::Phase::Draining,
        Phase::Stopped => standpipe_metrics::Phase::Stopped,
        Phase::Backoff => standpipe_metrics::Phase::Backoff,
        Phase::CrashLoop => standpipe_metrics::Phase::CrashLoop,
    }
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
    session.id() == owner.id()
}
