//! Children that are no processes: they speak over pipes in memory, live as long as they are told
//! to, and are counted.

mod part;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{DuplexStream, duplex, empty};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use part::Part;

use crate::exit::Exit;
use crate::instance::Inlet;
use crate::launch::{LaunchError, LaunchFault, LaunchSpec};
use crate::life::{Later, Launcher, Newborn, Running, Stderr};
use crate::terminate::{StopLadder, StopStep, Termination};
use crate::usage::Usage;

impl Inlet for DuplexStream {
    /// A fake reads whatever it is sent before it does anything else.
    fn was_read(&self) -> bool {
        true
    }
}

/// What a pipe holds.
const PIPE: usize = 64 << 10;

/// How a child behaves.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// How long it takes to be launched, and whether it can be.
    pub(super) launch: Result<Duration, ()>,
    pub(super) handshake: Handshake,
    /// So long after its handshake it dies.
    pub(super) lives: Option<Duration>,
    /// Whether it ends when its stdin is closed; otherwise it has to be told.
    pub(super) leaves: bool,
    /// It answers one thing after the other, and each takes so long.
    pub(super) thinks: Duration,
    /// Whether something that nobody finds holds its stderr open for ever.
    pub(super) holds_stderr: bool,
}

/// What it makes of `initialize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    Answers(Duration),
    Refuses,
    Junk,
    Silence,
    Dies(Duration),
    ClosesStdout,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            launch: Ok(Duration::ZERO),
            handshake: Handshake::Answers(Duration::from_millis(1)),
            lives: None,
            leaves: true,
            thinks: Duration::ZERO,
            holds_stderr: false,
        }
    }
}

impl Manner {
    pub(super) fn slow(start: Duration) -> Self {
        Self { handshake: Handshake::Answers(start), ..Self::default() }
    }

    pub(super) fn failing() -> Self {
        Self { handshake: Handshake::Dies(Duration::ZERO), ..Self::default() }
    }

    pub(super) fn living(lives: Duration) -> Self {
        Self { lives: Some(lives), ..Self::default() }
    }
}

/// Starts such children and knows which there are.
#[derive(Debug)]
pub(super) struct Fakes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How the next ones behave, and then all others.
    script: VecDeque<Manner>,
    usual: Manner,
    alive: BTreeMap<u64, Arc<Fake>>,
    /// The number of each that was ever asked for, and when.
    spawns: Vec<(u64, Instant)>,
    most: usize,
    wrongs: Vec<String>,
}

/// One child.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) number: u64,
    version: Vec<OsString>,
    exit: watch::Sender<Option<Exit>>,
    /// Like a process that was stopped by a signal.
    frozen: watch::Sender<bool>,
    /// Whose `initialize` it was opened with.
    client: Mutex<Option<String>>,
    pings: watch::Sender<usize>,
}

impl Fakes {
    /// Children of which at most so many may exist at the same time, for each version of the
    /// description (which is told from its arguments).
    pub(super) fn at_most(most: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { most, ..State::default() }) })
    }

    pub(super) fn usually(&self, manner: Manner) {
        self.state().usual = manner;
    }

    pub(super) fn next(&self, manner: Manner) {
        self.state().script.push_back(manner);
    }

    pub(super) fn forget_script(&self) {
        self.state().script.clear();
    }

    pub(super) fn spawns(&self) -> usize {
        self.state().spawns.len()
    }

    /// When each was asked for.
    pub(super) fn spawned_at(&self) -> Vec<Instant> {
        self.state().spawns.iter().map(|(_, at)| *at).collect()
    }

    /// Those there are, oldest first.
    pub(super) fn alive(&self) -> Vec<Arc<Fake>> {
        self.state().alive.values().cloned().collect()
    }

    /// The newest.
    pub(super) fn newest(&self) -> Arc<Fake> {
        self.alive().pop().expect("there is a child")
    }

    /// What should never have happened.
    pub(super) fn wrongs(&self) -> Vec<String> {
        self.state().wrongs.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn begin(self: &Arc<Self>, spec: &LaunchSpec) -> (Manner, Place) {
        let number = spec.marker.generation();
        let fake = Arc::new(Fake {
            number,
            version: spec.args.clone(),
            exit: watch::Sender::new(None),
            frozen: watch::Sender::new(false),
            client: Mutex::default(),
            pings: watch::Sender::new(0),
        });
        let mut state = self.state();
        if state.spawns.iter().any(|(known, _)| *known == number) {
            state.wrongs.push(format!("two children have the number {number}"));
        }
        state.spawns.push((number, Instant::now()));
        state.alive.insert(number, Arc::clone(&fake));
        let same = state.alive.values().filter(|other| other.version == fake.version);
        let numbers: Vec<_> = same.map(|other| other.number).collect();
        if numbers.len() > state.most {
            state.wrongs.push(format!("too many children at the same time: {numbers:?}"));
        }
        let manner = state.script.pop_front().unwrap_or_else(|| state.usual.clone());
        (manner, Place { of: Arc::clone(self), fake })
    }

    /// A child was opened by a client of its own: no other may be.
    fn opened(&self, fake: &Fake, client: &str) {
        let mut names = BTreeSet::new();
        *fake.client.lock().unwrap() = Some(client.to_owned());
        let mut state = self.state();
        let twice = state.alive.values().find_map(|other| {
            let name = other.client.lock().unwrap().clone()?;
            (name.starts_with("client-") && !names.insert(name.clone())).then_some(name)
        });
        if let Some(name) = twice {
            state.wrongs.push(format!("two children serve {name}"));
        }
    }
}

impl Fake {
    pub(super) fn die(&self, exit: Exit) {
        self.exit.send_if_modified(|known| known.is_none() && known.replace(exit).is_none());
    }

    pub(super) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    pub(super) fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    /// How often it was asked whether it answers.
    pub(super) fn pings(&self) -> usize {
        *self.pings.borrow()
    }

    async fn exited(&self) -> Exit {
        let mut exit = self.exit.subscribe();
        let exit = exit.wait_for(Option::is_some).await.expect("it holds the sender");
        exit.expect("it is some")
    }
}

/// A child's place among those there are.
struct Place {
    of: Arc<Fakes>,
    fake: Arc<Fake>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.fake.die(Exit::Signal(9));
        self.of.state().alive.remove(&self.fake.number);
    }
}

/// What its supervision holds of it.
struct Guard {
    place: Place,
    leaves_on_term: bool,
    task: AbortHandle,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The [`Launcher`] of some [`Fakes`].
#[derive(Debug)]
pub(super) struct Stage(pub(super) Arc<Fakes>);

impl Launcher for Stage {
    fn launch<'a>(&'a self, spec: &'a LaunchSpec) -> Later<'a, Result<Newborn, LaunchError>> {
        let (manner, place) = self.0.begin(spec);
        Box::pin(async move {
            let Ok(takes) = manner.launch else {
                let fault = LaunchFault::from_errno(std::io::ErrorKind::OutOfMemory.into());
                return Err(LaunchError { command: spec.command.clone(), fault });
            };
            if !takes.is_zero() {
                sleep(takes).await;
            }
            let (stdin, reads) = duplex(PIPE);
            let (writes, stdout) = duplex(PIPE);
            let stderr: Stderr = if manner.holds_stderr {
                // The other end goes with nobody.
                let (open, stderr) = duplex(1);
                std::mem::forget(open);
                Box::pin(stderr)
            } else {
                Box::pin(empty())
            };
            let part = Part { of: Arc::clone(&place.of), fake: Arc::clone(&place.fake), manner };
            let leaves_on_term = part.manner.thinks < Duration::from_secs(1);
            let task = tokio::spawn(part.play(reads, writes)).abort_handle();
            Ok(Newborn {
                child: Box::new(Guard { place, leaves_on_term, task }),
                stdin: Box::pin(stdin),
                stdout: Box::pin(stdout),
                stderr,
            })
        })
    }
}

impl Running for Guard {
    fn pid(&self) -> u32 {
        1_000_000 + u32::try_from(self.place.fake.number).expect("there are few")
    }

    fn exited(&self) -> Later<'_, Exit> {
        Box::pin(self.place.fake.exited())
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn terminate(self: Box<Self>, ladder: StopLadder) -> Later<'static, Termination> {
        Box::pin(async move {
            let began = Instant::now();
            let fake = &self.place.fake;
            let mut step = StopStep::AlreadyExited;
            if fake.exit.borrow().is_none() {
                step = StopStep::StdinClosed;
                if timeout(ladder.stdin_grace, fake.exited()).await.is_err() {
                    step = StopStep::Terminated;
                    if self.leaves_on_term && !*fake.frozen.borrow() {
                        fake.die(Exit::Signal(15));
                    }
                }
                if timeout(ladder.term_grace, fake.exited()).await.is_err() {
                    step = StopStep::Killed;
                    fake.die(Exit::Signal(9));
                }
            }
            let exit = fake.exited().await;
            Termination { exit, step, strays: 0, survivors: 0, took: began.elapsed() }
        })
    }
}
