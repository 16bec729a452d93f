//! The life of one child, from launch to the last of its descendants.
//!
//! Owns the order of things: launch, handshake within its time, the wait for an end, the answers to
//! those who wait, the clearing up. Must not decide whether another child follows.

mod clearing;
mod ended;
mod launcher;
mod traced;
mod unborn;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use standpipe_core::mux::HandshakeError;
use standpipe_core::service::{EraChoice, ServiceSpec};
use standpipe_core::status::LimitsInForce;
use standpipe_metrics::{ServiceMetrics, StartOutcome};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::Span;

use crate::exit::Exit;
use crate::instance::{Control, Instance, InstanceKey, Pipes};
use crate::journal::JournalPen;
use crate::launch::LaunchSpec;
use crate::marker::InstanceMarker;
use crate::stderr::{StderrTail, drain_until};
use crate::terminate::StopLadder;
use clearing::clear_up;
pub(crate) use ended::Ended;
use ended::Finish;
#[cfg(test)]
pub(crate) use launcher::{Later, Stderr};
pub(crate) use launcher::{Launcher, Newborn, Processes, Running};
pub(crate) use traced::restart;
use unborn::{launched_too_slowly, never_launched, stopped_before};

/// How long the instance may take to answer those who wait, and the supervisor to hear of an end;
/// both do it at once unless the machine is overwhelmed.
const SETTLE: Duration = Duration::from_secs(2);

/// How long a launch that is not wanted any more may take. It takes a millisecond, unless the machine
/// is overwhelmed or the command is on a file system that does not answer.
const LAUNCH: Duration = Duration::from_secs(2);

/// How often a living child's resources are looked at.
const USAGE_EVERY: Duration = Duration::from_secs(15);

/// How long an exit may take to follow the closing of a pipe.
const EXIT_AFTER_EOF: Duration = Duration::from_millis(100);

/// How long the end of stderr may take to follow that of the child and all that was found of it. What
/// holds the pipe longer has left without a trace.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Why a child is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// Somebody said so: stop, restart, replace, remove, shutdown.
    Asked(StopLadder),
    /// Nobody uses it.
    Idle,
    /// It does not answer probes. Followed by what follows a death.
    Unresponsive,
}

/// What a life needs.
pub(crate) struct Plan {
    pub(crate) launcher: Arc<dyn Launcher>,
    pub(crate) spec: Arc<ServiceSpec>,
    pub(crate) marker: InstanceMarker,
    pub(crate) instance: Instance,
    pub(crate) metrics: Arc<ServiceMetrics>,
    pub(crate) journal: JournalPen,
    pub(crate) tracker: TaskTracker,
    /// Turns `Some` when the child has to end.
    pub(crate) stop: watch::Receiver<Option<StopReason>>,
    /// Told the process id, and then that the child serves.
    pub(crate) news: mpsc::UnboundedSender<News>,
    /// The span of what it follows from.
    pub(crate) cause: Span,
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

    /// Whether the child, which has ended, had read nothing of us but the question for its era.
    async fn was_only_probed(&self) -> bool {
        let (told, probed) = oneshot::channel();
        self.order(Control::WasOnlyProbed(told)).await;
        timeout(SETTLE, probed).await.is_ok_and(|probed| probed.unwrap_or(false))
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
    /// It runs, under this process id, and this keeps its limits.
    Launched(u32, LimitsInForce),
    /// It serves.
    Ready,
    /// It was to be stopped as unused, and is used: it goes on unless somebody says more.
    StillUsed,
    /// It has ended, or has to; the clearing up goes on. Those whose calls were open have not been
    /// answered yet: whoever of them comes back must not be sent to this child again, so the answers
    /// wait until this was heard.
    Ending { ended: Ended, heard: oneshot::Sender<()> },
    /// It is gone, and this is how: known only now where it had to be ended.
    Gone(Exit),
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
    let starting = traced::start(&plan);
    plan.cause = Span::none(); // Goes on for as long as the start does, and no longer.
    let spec = launch_spec(&plan.spec, &plan.marker);
    let spawns = Arc::clone(&plan.launcher);
    let mut launching = pin!(timeout_at(deadline, spawns.launch(&spec)));
    // Cancel safe: what is being launched goes on, and a watch takes nothing.
    let launched = tokio::select! {
        launched = &mut launching => launched,
        reason = stopped(&mut plan.stop) => match timeout(LAUNCH, &mut launching).await {
            // There is a child now, and it is ended like any other.
            Ok(launched) => launched,
            // Should it come after all, it is ended by whoever started it.
            Err(_) => {
                return stopped_before(&plan, &Finish::Stopped(reason), began, starting).await;
            }
        },
    };
    let launched = match launched {
        Ok(Ok(launched)) => launched,
        Ok(Err(error)) => {
            return never_launched(&plan, error, began, starting).await;
        }
        Err(_) => return launched_too_slowly(&plan, began, starting).await,
    };
    let Newborn { child, stdin, stdout, stderr } = launched;
    tracing::info!(
        service = %plan.spec.id, pid = child.pid(), generation = plan.marker.generation(),
        "a child was started"
    );
    plan.tell(Event::Launched(child.pid(), child.limits()));
    starting.record("process.pid", child.pid());
    let tail = StderrTail::default();
    let service = plan.spec.id.clone();
    let journal = plan.journal.clone();
    // Over when the sender is dropped, which is when this life ends.
    let (reads_on, over) = oneshot::channel::<Infallible>();
    let over = async { drop(over.await) };
    let mut reading = plan.tracker.spawn(drain_until(stderr, over, tail.clone(), move |line| {
        journal.write(line);
        tracing::debug!(target: "standpipe::child", service = %service, "{line}");
    }));
    let (ready_to, ready) = oneshot::channel();
    let (open_to, open) = oneshot::channel();
    let max = plan.spec.limits.max_message_bytes;
    let pipes = Box::new(Pipes::new(stdin, stdout, max));
    plan.order(Control::Attach { pipes, ready: ready_to, open: open_to }).await;

    let mut signals = Signals { ready, open };
    let started = start(&mut plan, &*child, &mut signals, deadline).await;
    let ready_at = started.is_ok().then(Instant::now);
    if let Err(finish) = &started {
        let how = finish.in_words(plan.spec.timeouts.start);
        traced::start_failed(&starting, finish.start_outcome(), &how);
    }
    drop(starting);
    let finish = match started {
        Err(finish) => finish,
        Ok(()) => {
            plan.metrics.start_ended(StartOutcome::Ready, began.elapsed());
            plan.tell(Event::Ready);
            serve(&mut plan, &*child, &mut signals).await
        }
    };
    let finish = await_status(finish, &*child).await.because(child.exceeded());
    let ended = Ended::new(&finish, ready_at, plan.spec.timeouts.start, tail.clone());
    let may_be_of_probe = ready_at.is_none()
        && plan.spec.era == EraChoice::Auto
        && matches!(finish, Finish::Exited(_) | Finish::PipeClosed);
    let of_probe = may_be_of_probe && plan.was_only_probed().await;
    let ended = Ended { of_probe, ..ended };
    if ready_at.is_none() && !of_probe {
        plan.metrics.start_ended(finish.start_outcome(), began.elapsed());
    }
    plan.announce(&ended).await;
    let stopping = traced::stop(&plan, &finish);
    let termination = clear_up(&plan, child, &finish, &ended.why).await;
    if let Exit::Code(code) = termination.exit {
        stopping.record("process.exit.code", code);
    }
    drop(stopping);
    plan.tell(Event::Gone(termination.exit));
    let _last_words = timeout(LAST_WORDS, &mut reading).await;
    drop(reads_on);
    if ended.ending.is_none() {
        tracing::info!(service = %plan.spec.id, how = %ended.how, "the child has ended");
        return;
    }
    if of_probe {
        tracing::info!(
            service = %plan.spec.id, how = %ended.how,
            "the child ended when it was asked which era it speaks; it is started again unasked"
        );
        return;
    }
    tracing::warn!(
        service = %plan.spec.id, how = %ended.how, stderr = %tail.last_words().join("\n"),
        "the child ended by itself or had to be ended"
    );
}

/// Until the handshake is done.
async fn start(
    plan: &mut Plan,
    child: &dyn Running,
    signals: &mut Signals,
    deadline: Instant,
) -> Result<(), Finish> {
    // Cancel safe: waiting for an exit, a oneshot or a watch takes nothing.
    tokio::select! {
        exit = child.exited() => Err(Finish::Exited(exit)),
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
async fn serve(plan: &mut Plan, child: &dyn Running, signals: &mut Signals) -> Finish {
    let mut usage = plan.metrics.child();
    loop {
        if let Some(used) = child.usage() {
            usage.observe(used.cpu_seconds, used.resident_bytes, used.open_fds);
        }
        // Cancel safe as above.
        tokio::select! {
            exit = child.exited() => return Finish::Exited(exit),
            _ = &mut signals.open => return Finish::PipeClosed,
            reason = stopped(&mut plan.stop) => {
                if reason == StopReason::Unresponsive {
                    return Finish::Unresponsive;
                }
                if reason != StopReason::Idle {
                    return Finish::Stopped(reason);
                }
                child.survey().await;
                if plan.closes_unused().await {
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
async fn await_status(finish: Finish, child: &dyn Running) -> Finish {
    if !matches!(finish, Finish::PipeClosed) {
        return finish;
    }
    timeout(EXIT_AFTER_EOF, child.exited()).await.map_or(finish, Finish::Exited)
}

async fn stopped(stop: &mut watch::Receiver<Option<StopReason>>) -> StopReason {
    match stop.wait_for(Option::is_some).await {
        Ok(reason) => (*reason).unwrap_or(StopReason::Idle),
        // The supervisor is gone: nobody is left to serve for.
        Err(_) => StopReason::Asked(StopLadder::default()),
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
        limits: spec.resources,
    }
}
