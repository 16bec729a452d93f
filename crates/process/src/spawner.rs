//! Owns the one thread on which every child is started, and the door that closes it for good. It
//! knows how to start a process and nothing of what becomes of it.
//!
//! The kernel's parent-death signal fires when the *thread* that started the child ends, not the
//! process. A runtime's threads come and go, so the starting is done on a thread that never ends.
//! That thread belongs to the process, not to anything that can be dropped: hence the static.

mod before_exec;
mod pipes;

pub(crate) use pipes::WidePipes;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::cgroup::{ControlGroup, ControlGroups};
use crate::guard::Leader;
use crate::launch::{LaunchFault, LaunchSpec, diagnose, environment_of};
use crate::limits::{ChildLimits, NOT_ADMITTED, in_force};

/// Starts that wait for the thread; when it is full, further callers wait for room. A start takes
/// about a millisecond.
const QUEUE: usize = 64;

/// A child fresh from the thread, not yet known to any runtime.
pub(crate) struct Started {
    /// Owns the process; dropping it kills everything that belongs to it.
    pub(crate) leader: Leader,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

/// Starts a child on the spawner thread, in a control group of its own where that can be had.
pub(crate) async fn spawn(
    spec: &LaunchSpec,
    groups: Option<Arc<ControlGroups>>,
) -> Result<Started, LaunchFault> {
    let (answer, answered) = oneshot::channel();
    let order = Order { spec: spec.clone(), groups, answer };
    let broken = |_| LaunchFault::ShuttingDown;
    orders()?.send(order).await.map_err(|_| LaunchFault::ShuttingDown)?;
    // If we are dropped here, so is `answered`, and with it the child in it: it is killed.
    answered.await.map_err(broken)?
}

/// Starts nothing any more from now on, and waits up to `patience` for a start that is under way.
/// For the end of the process: it cannot be undone.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "for the watchdog only"))]
pub(crate) fn close(patience: Duration) {
    const STEP: Duration = Duration::from_millis(5);
    CLOSED.store(true, Ordering::SeqCst);
    let mut waited = Duration::ZERO;
    while waited < patience && STARTING.try_lock().is_err() {
        std::thread::sleep(STEP);
        waited += STEP;
    }
}

static CLOSED: AtomicBool = AtomicBool::new(false);
/// Held while a child is being started.
static STARTING: Mutex<()> = Mutex::new(());
static ORDERS: Mutex<Option<mpsc::Sender<Order>>> = Mutex::new(None);

struct Order {
    spec: LaunchSpec,
    groups: Option<Arc<ControlGroups>>,
    answer: oneshot::Sender<Result<Started, LaunchFault>>,
}

fn orders() -> Result<mpsc::Sender<Order>, LaunchFault> {
    let mut orders = ORDERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = &*orders {
        return Ok(sender.clone());
    }
    let (sender, receiver) = mpsc::channel(QUEUE);
    std::thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || serve(receiver))
        .map_err(LaunchFault::from_errno)?;
    *orders = Some(sender.clone());
    Ok(sender)
}

fn serve(mut orders: mpsc::Receiver<Order>) {
    while let Some(Order { spec, groups, answer }) = orders.blocking_recv() {
        if answer.is_closed() {
            continue;
        }
        // A panic must not end this thread: every child there is would die with it.
        let outcome = catch_unwind(AssertUnwindSafe(|| start(&spec, groups.as_deref())));
        let outcome = outcome.unwrap_or(Err(LaunchFault::ShuttingDown));
        // A caller that has gone leaves us with the child, and dropping it kills it.
        drop(answer.send(outcome));
    }
}

fn start(spec: &LaunchSpec, groups: Option<&ControlGroups>) -> Result<Started, LaunchFault> {
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if CLOSED.load(Ordering::SeqCst) {
        return Err(LaunchFault::ShuttingDown);
    }
    let group = groups.and_then(|groups| group_for(spec, groups));
    let (mut child, group) = match run(spec, group.as_ref()) {
        // Better in no group, with limits of its own, than not at all.
        Err(error) if error.raw_os_error() == Some(NOT_ADMITTED.raw_os_error()) => {
            tracing::warn!(service = spec.marker.service(), "the child cannot enter its group");
            (run(spec, None).map_err(|source| diagnose(spec, source))?, None)
        }
        child => (child.map_err(|source| diagnose(spec, source))?, group),
    };
    let stdin = child.stdin.take().expect("stdin was asked to be a pipe");
    let stdout = child.stdout.take().expect("stdout was asked to be a pipe");
    let stderr = child.stderr.take().expect("stderr was asked to be a pipe");
    let leader = Leader::adopt(child.id(), spec.marker.clone());
    let leader = leader.map_err(|source| {
        abandon(&mut child);
        LaunchFault::from_errno(source)
    })?;
    let kept = group.as_ref().map(ControlGroup::limits).unwrap_or_default();
    let leader = leader
        .with_pipes(WidePipes::widen(&stdin, &stdout))
        .with_limits(in_force(&spec.limits, kept), spec.limits.cpu)
        .with_group(group);
    Ok(Started { leader, stdin, stdout, stderr })
}

fn group_for(spec: &LaunchSpec, groups: &ControlGroups) -> Option<ControlGroup> {
    let group = groups.make(&spec.marker, &spec.limits);
    let unmade = |error: &io::Error| {
        tracing::warn!(service = spec.marker.service(), %error, "no control group for the child");
    };
    group.inspect_err(unmade).ok()
}

fn run(spec: &LaunchSpec, group: Option<&ControlGroup>) -> io::Result<Child> {
    let mut command = Command::new(&spec.command);
    command
        .args(&spec.args)
        .env_clear()
        .envs(environment_of(spec))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(cwd) = &spec.cwd {
        command.current_dir(cwd);
    }
    let kept = group.map(ControlGroup::limits).unwrap_or_default();
    let entrance = group.map(ControlGroup::entrance).transpose().map_err(|_| NOT_ADMITTED)?;
    before_exec::prepare(&mut command, ChildLimits::of(&spec.limits, kept), entrance);
    command.spawn()
}

/// Ends a child that we cannot watch. It has only just begun, so its group is all there is.
fn abandon(child: &mut Child) {
    crate::group::signal(child.id(), rustix::process::Signal::KILL);
    if let Err(error) = child.wait() {
        tracing::warn!(pid = child.id(), %error, "cannot reap a child that failed to start");
    }
}
