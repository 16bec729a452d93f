//! The life of one child, from launch to the last of its descendants.
//!
//! Owns the order of things: launch, handshake within its time, the wait for an end, the answers to
//! those who wait, the clearing up. Must not decide whether another child follows.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::mux::HandshakeError;
use standpipe_core::policy::Ending;
use standpipe_core::service::ServiceSpec;
use standpipe_metrics::{ExitReason, ServiceMetrics, StartOutcome};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::task::TaskTracker;

use crate::exit::Exit;
use crate::guard::ProcessGuard;
use crate::instance::{Control, Instance, InstanceKey, Pipes};
use crate::launch::{LaunchSpec, Launched, launch};
use crate::marker::InstanceMarker;
use crate::stderr::{StderrTail, drain};
use crate::terminate::StopLadder;

/// Lines of stderr that go into the log when a child ends unasked.
const LAST_STDERR_LINES: usize = 20;

/// How long the instance may take to answer those who wait, and the supervisor to hear of an end;
/// both do it at once unless the machine is overwhelmed.
const SETTLE: Duration = Duration::from_secs(2);

/// How often a living child's resources are looked at.
const USAGE_EVERY: Duration = Duration::from_secs(15);

/// How long an exit may take to follow the closing of a pipe.
const EXIT_AFTER_EOF: Duration = Duration::from_millis(100);

/// Why a child is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// Somebody said so: stop, restart, replace, remove, shutdown.
    Asked(StopLadder),
    /// Nobody uses it.
    Idle,
}

/// What a life needs.
pub(crate) struct Plan {
    pub(crate) spec: Arc<ServiceSpec>,
    pub(crate) marker: InstanceMarker,
    pub(crate) instance: Instance,
    pub(crate) metrics: Arc<ServiceMetrics>,
    pub(crate) tracker: TaskTracker,
    /// Turns `Some` when the child has to end.
    pub(crate) stop: watch::Receiver<Option<StopReason>>,
    /// Told the process id, and then that the child serves.
    pub(crate) news: mpsc::UnboundedSender<News>,
}

impl Plan {
    /// The instance outlives its child's life, so an order always arrives.
    async fn order(&self, order: Control) {
        let _gone = self.instance.control.send(order).await;
    }

    fn tell(&self, event: Event) {
        let generation = self.marker.generation();
        let _gone = self.news.send(News { key: self.instance.key, generation, event });
    }

    /// Whether nobody uses the child, who is asked to end then. What comes later does not reach it.
    async fn closes_unused(&self) -> bool {
        let (told, unused) = oneshot::channel();
        self.order(Control::CloseIfUnused(told)).await;
        timeout(SETTLE, unused).await.is_ok_and(|unused| unused.unwrap_or(true))
    }

    /// Tells how the child ends, and waits until the supervisor has drawn its conclusions.
    async fn announce(&self, ended: &Ended) {
        let (heard_to, heard) = oneshot::channel();
        self.tell(Event::Ending { ended: ended.clone(), heard: heard_to });
        let _late = timeout(SETTLE, heard).await;
    }
}

/// What happens while a child lives.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) key: InstanceKey,
    /// Of the child, so that news of a dead one can be told.
    pub(crate) generation: u64,
    pub(crate) event: Event,
}

#[derive(Debug)]
pub(crate) enum Event {
    /// It runs, under this process id.
    Launched(u32),
    /// It serves.
    Ready,
    /// It was to be stopped as unused, and is used: it goes on unless somebody says more.
    StillUsed,
    /// It has ended, or has to; the clearing up goes on. Those whose calls were open have not been
    /// answered yet: whoever of them comes back must not be sent to this child again, so the answers
    /// wait until this was heard.
    Ending { ended: Ended, heard: oneshot::Sender<()> },
}

/// How a life went.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// For the restart policy; `None` when it was asked to end.
    pub(crate) ending: Option<Ending>,
    /// Whether the child refused an `initialize`: with the client's own words that may well be the
    /// client's fault.
    pub(crate) refused: bool,
    /// In words, for the status.
    pub(crate) how: Arc<str>,
    /// What those are told who wait for its start.
    pub(crate) why: FaultKind,
}

/// How the serving part came to its end.
enum Finish {
    Exited(Exit),
    PipeClosed,
    Stopped(StopReason),
    TooSlow,
    Handshake(HandshakeError),
}

/// What the instance tells of the child.
struct Signals {
    ready: oneshot::Receiver<Result<(), HandshakeError>>,
    /// Closed when the child closes its stdout or its stdin.
    open: oneshot::Receiver<Infallible>,
}

/// Launches a child, serves until it ends or has to, and clears everything up.
pub(crate) async fn live(mut plan: Plan) {
    let began = Instant::now();
    let deadline = began + plan.spec.timeouts.start;
    let spec = launch_spec(&plan.spec, &plan.marker);
    let launched = timeout_at(deadline, launch(&spec)).await;
    let launched = match launched.map_err(|_| Arc::from("launching took too long")) {
        Ok(Ok(launched)) => launched,
        Ok(Err(error)) => return never_launched(&plan, error.to_string().into(), began).await,
        Err(why) => return never_launched(&plan, why, began).await,
    };
    let Launched { guard, stdin, stdout, stderr } = launched;
    plan.tell(Event::Launched(guard.pid()));
    let tail = StderrTail::default();
    let service = plan.spec.id.clone();
    plan.tracker.spawn(drain(stderr, tail.clone(), move |line| {
        tracing::debug!(target: "standpipe::child", service = %service, "{line}");
    }));
    let (ready_to, ready) = oneshot::channel();
    let (open_to, open) = oneshot::channel();
    let max = plan.spec.limits.max_message_bytes;
    let pipes = Box::new(Pipes::new(Box::pin(stdin), Box::pin(stdout), max));
    plan.order(Control::Attach { pipes, ready: ready_to, open: open_to }).await;

    let mut signals = Signals { ready, open };
    let started = start(&mut plan, &guard, &mut signals, deadline).await;
    let ready_at = started.is_ok().then(Instant::now);
    let finish = match started {
        Err(finish) => finish,
        Ok(()) => {
            plan.metrics.start_ended(StartOutcome::Ready, began.elapsed());
            plan.tell(Event::Ready);
            serve(&mut plan, &guard, &mut signals).await
        }
    };
    let finish = await_status(finish, &guard).await;
    if ready_at.is_none() {
        plan.metrics.start_ended(start_outcome(&finish), began.elapsed());
    }
    let ended = ended(&finish, ready_at, plan.spec.timeouts.start);
    plan.announce(&ended).await;
    clear_up(&plan, guard, &finish, &ended.why).await;
    if ended.ending.is_none() {
        tracing::info!(service = %plan.spec.id, how = %ended.how, "the child has ended");
        return;
    }
    let lines = tail.lines();
    let last = &lines[lines.len().saturating_sub(LAST_STDERR_LINES)..];
    tracing::warn!(
        service = %plan.spec.id, how = %ended.how, stderr = %last.join("\n"),
        "the child ended by itself or had to be ended"
    );
}

fn ended(finish: &Finish, ready_at: Option<Instant>, start_timeout: Duration) -> Ended {
    let how = in_words(finish, start_timeout);
    let why = match (finish, ready_at) {
        // What comes when an unused child has been asked to end is not written to it.
        (Finish::Stopped(StopReason::Idle), _) | (Finish::Stopped(_), None) => FaultKind::Draining,
        (_, None) => FaultKind::StartFailed(Arc::clone(&how)),
        (_, Some(_)) => FaultKind::ChildGone(Arc::clone(&how)),
    };
    let ending = match (finish, ready_at) {
        (Finish::Stopped(_), _) => None,
        (_, None) => Some(Ending::NeverReady),
        (_, Some(at)) => Some(Ending::AfterReady(at.elapsed())),
    };
    let refused = matches!(finish, Finish::Handshake(HandshakeError::Refused(_)));
    Ended { ending, refused, how, why }
}

/// Until the handshake is done.
async fn start(
    plan: &mut Plan,
    guard: &ProcessGuard,
    signals: &mut Signals,
    deadline: Instant,
) -> Result<(), Finish> {
    // Cancel safe: waiting for an exit, a oneshot or a watch takes nothing.
    tokio::select! {
        exit = guard.exited() => Err(Finish::Exited(exit)),
        outcome = &mut signals.ready => match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Finish::Handshake(error)),
            Err(_) => Err(Finish::PipeClosed),
        },
        _ = &mut signals.open => Err(Finish::PipeClosed),
        reason = stopped(&mut plan.stop) => Err(Finish::Stopped(reason)),
        () = sleep_until(deadline) => Err(Finish::TooSlow),
    }
}

/// From the handshake until the child ends or has to.
async fn serve(plan: &mut Plan, guard: &ProcessGuard, signals: &mut Signals) -> Finish {
    let mut usage = plan.metrics.child();
    loop {
        if let Some(used) = guard.usage() {
            usage.observe(used.cpu_seconds, used.resident_bytes, used.open_fds);
        }
        // Cancel safe as above.
        tokio::select! {
            exit = guard.exited() => return Finish::Exited(exit),
            _ = &mut signals.open => return Finish::PipeClosed,
            reason = stopped(&mut plan.stop) => {
                if reason != StopReason::Idle || plan.closes_unused().await {
                    return Finish::Stopped(reason);
                }
                plan.tell(Event::StillUsed);
                let answered = plan.stop.wait_for(|stop| *stop != Some(StopReason::Idle)).await;
                if answered.is_err() {
                    return Finish::Stopped(reason); // The supervisor is gone.
                }
            }
            () = sleep(USAGE_EVERY) => {}
        }
    }
}

/// A closed pipe mostly means that the exit is a moment away; its status says more.
async fn await_status(finish: Finish, guard: &ProcessGuard) -> Finish {
    if !matches!(finish, Finish::PipeClosed) {
        return finish;
    }
    timeout(EXIT_AFTER_EOF, guard.exited()).await.map_or(finish, Finish::Exited)
}

/// Answers those who wait and ends every process that is left.
async fn clear_up(plan: &Plan, guard: ProcessGuard, finish: &Finish, why: &FaultKind) {
    let (done_to, done) = oneshot::channel();
    let ended = Control::Ended { why: why.clone(), done: done_to };
    let termination = match finish {
        Finish::Stopped(reason) => {
            // A stop first closes stdin, the protocol's own goodbye, and lets the child speak.
            plan.order(Control::CloseStdin).await;
            let ladder = match reason {
                StopReason::Asked(ladder) => *ladder,
                StopReason::Idle => StopLadder::default(),
            };
            let termination = guard.terminate(&ladder).await;
            plan.metrics.exited(exit_reason(finish));
            plan.order(ended).await;
            termination
        }
        // Nobody who waits should have to wait for the clearing up.
        Finish::Exited(_) => {
            plan.metrics.exited(exit_reason(finish));
            plan.order(ended).await;
            guard.terminate(&StopLadder::IMMEDIATE).await
        }
        Finish::PipeClosed | Finish::TooSlow | Finish::Handshake(_) => {
            plan.order(ended).await;
            let termination = guard.terminate(&StopLadder::default()).await;
            plan.metrics.exited(exit_reason(finish));
            termination
        }
    };
    let _settled = timeout(SETTLE, done).await;
    if termination.survivors > 0 || termination.strays > 0 {
        tracing::info!(
            service = %plan.spec.id,
            strays = termination.strays,
            survivors = termination.survivors,
            "cleared up what the child left behind"
        );
    }
}

fn in_words(finish: &Finish, start_timeout: Duration) -> Arc<str> {
    match finish {
        Finish::Exited(exit) => exit.to_string().into(),
        Finish::PipeClosed => "it closed its stdin or stdout".into(),
        Finish::TooSlow => format!("it was not ready within {start_timeout:?}").into(),
        Finish::Handshake(error) => error.to_string().into(),
        Finish::Stopped(StopReason::Idle) => "it was idle".into(),
        Finish::Stopped(StopReason::Asked(_)) => "it was stopped".into(),
    }
}

fn start_outcome(finish: &Finish) -> StartOutcome {
    match finish {
        Finish::Exited(_) | Finish::PipeClosed => StartOutcome::Died,
        Finish::TooSlow => StartOutcome::Timeout,
        Finish::Handshake(_) => StartOutcome::HandshakeFailed,
        Finish::Stopped(_) => StartOutcome::Cancelled,
    }
}

async fn stopped(stop: &mut watch::Receiver<Option<StopReason>>) -> StopReason {
    match stop.wait_for(Option::is_some).await {
        Ok(reason) => (*reason).unwrap_or(StopReason::Idle),
        // The supervisor is gone: nobody is left to serve for.
        Err(_) => StopReason::Asked(StopLadder::default()),
    }
}

async fn never_launched(plan: &Plan, how: Arc<str>, began: Instant) {
    tracing::warn!(service = %plan.spec.id, how = %how, "the child could not be launched");
    plan.metrics.start_ended(StartOutcome::LaunchFailed, began.elapsed());
    let why = FaultKind::StartFailed(Arc::clone(&how));
    let ending = Some(Ending::NeverReady);
    plan.announce(&Ended { ending, refused: false, how, why: why.clone() }).await;
    let (done_to, done) = oneshot::channel();
    plan.order(Control::Ended { why, done: done_to }).await;
    let _settled = timeout(SETTLE, done).await;
}

fn exit_reason(finish: &Finish) -> ExitReason {
    match finish {
        Finish::Stopped(StopReason::Idle) => ExitReason::Idle,
        Finish::Stopped(StopReason::Asked(_)) => ExitReason::Stopped,
        Finish::TooSlow | Finish::Handshake(_) | Finish::PipeClosed => ExitReason::Unresponsive,
        Finish::Exited(Exit::Code(0)) => ExitReason::Success,
        Finish::Exited(Exit::Code(_)) => ExitReason::Failure,
        Finish::Exited(_) => ExitReason::Signal,
    }
}

fn launch_spec(spec: &ServiceSpec, marker: &InstanceMarker) -> LaunchSpec {
    LaunchSpec {
        command: spec.command.clone(),
        args: spec.args.clone(),
        env: spec
            .env
            .iter()
            .map(|(name, value)| (name.into(), value.expose().clone().into()))
            .collect(),
        cwd: spec.cwd.clone(),
        marker: marker.clone(),
    }
}
