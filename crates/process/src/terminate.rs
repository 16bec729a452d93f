//! Owns the ladder by which a child and everything it started comes down: stdin is closed, then
//! patience, then SIGTERM, then patience, then SIGKILL until nothing is left, and only then is the
//! child reaped. It does not know why the child is stopped.
//!
//! What belongs to a child is found anew in each round, because killing and forking race: its
//! session and group, every process that carries its marker, whoever was seen below it earlier, and
//! all descendants of these. Where the child has a control group, what is in that belongs to it as
//! well, and nothing leaves it.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::cgroup::ControlGroup;
use crate::descendants::{Identity, Table, census, census_blocking, signal_exactly};
use crate::exit::Exit;
use crate::group;
use crate::guard::{ExitWatch, Leader};

/// How patiently a child is stopped. With the defaults everything is gone within five seconds even
/// if nothing in the tree listens to anything but SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopLadder {
    /// From the closing of stdin until SIGTERM. The protocol's own way of saying "shut down".
    pub stdin_grace: Duration,
    /// From SIGTERM until SIGKILL.
    pub term_grace: Duration,
    /// How long the last round waits for what was killed to be gone.
    pub kill_wait: Duration,
}

impl Default for StopLadder {
    fn default() -> Self {
        Self {
            stdin_grace: Duration::from_millis(1500),
            term_grace: Duration::from_secs(2),
            kill_wait: Duration::from_secs(1),
        }
    }
}

impl StopLadder {
    /// The ladder for when there is no time: SIGKILL at once.
    pub const IMMEDIATE: Self = Self {
        stdin_grace: Duration::ZERO,
        term_grace: Duration::ZERO,
        kill_wait: Duration::from_secs(1),
    };
}

/// Which rung of the ladder the child itself needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopStep {
    /// It was dead before we began.
    AlreadyExited,
    /// It left when its stdin was closed.
    StdinClosed,
    /// It left on SIGTERM.
    Terminated,
    /// It had to be killed.
    Killed,
}

/// How a stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termination {
    /// How the child ended.
    pub exit: Exit,
    /// What it took.
    pub step: StopStep,
    /// How many other processes had to be killed because they outlived the child.
    pub strays: usize,
    /// How many processes were still there when we gave up: hanging in the kernel, or of another
    /// user. Normally 0.
    pub survivors: usize,
    /// How long all of it took.
    pub took: Duration,
}

/// What belongs to `leader` now.
pub(crate) async fn find_all(leader: &Leader) -> HashSet<Identity> {
    let mut quarry = Quarry::of(leader);
    quarry.find(&*census().await);
    quarry.known
}

/// Climbs down the ladder; afterwards the leader is reaped. What was `seen` of it before goes with it.
pub(crate) async fn terminate(
    leader: &mut Leader,
    watch: &ExitWatch,
    ladder: &StopLadder,
    seen: HashSet<Identity>,
) -> Termination {
    let began = Instant::now();
    let mut quarry = Quarry { known: seen, ..Quarry::of(leader) };
    let step = ask_to_leave(leader, watch, ladder, &mut quarry).await;
    let is_clear = match step {
        StopStep::StdinClosed => ask_strays_to_leave(&mut quarry, ladder.term_grace).await,
        StopStep::Terminated => {
            let allowed = ladder.stdin_grace + ladder.term_grace;
            ask_strays_to_leave(&mut quarry, allowed.saturating_sub(began.elapsed())).await
        }
        StopStep::AlreadyExited | StopStep::Killed => false,
    };
    // Its control group, where it has one, tells of those that can be found in no other way.
    let is_clear = is_clear && !is_populated(leader);
    let survivors =
        if is_clear { 0 } else { kill_all(leader, watch, ladder.kill_wait, &mut quarry).await };
    if survivors > 0 {
        tracing::warn!(pid = leader.pid(), survivors, "processes survive SIGKILL for now");
    }
    let exit = leader.peek().unwrap_or(Exit::Unknown);
    leader.reap_later();
    Termination { exit, step, strays: quarry.killed.len(), survivors, took: began.elapsed() }
}

/// Kills everything that belongs to `leader`, without a runtime and without grace, and reaps it.
/// Blocks for milliseconds, at worst for [`BLOCKING_ROUNDS`].
pub(crate) fn clear_blocking(leader: &mut Leader) {
    let mut quarry = Quarry::of(leader);
    let mut pause = FIRST_PAUSE;
    for _ in 0..BLOCKING_ROUNDS {
        group::signal(leader.pid(), Signal::KILL);
        kill_control_group(leader);
        let left = quarry.strike(&census_blocking());
        if left == 0 && leader.peek().is_some() && !is_populated(leader) {
            break;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LAST_PAUSE);
    }
    leader.reap_later();
}

/// Rounds of [`clear_blocking`]: 2 + 4 + 8 + 16 + 32 × 30 ms, about one second.
const BLOCKING_ROUNDS: u32 = 34;
/// Between two looks at the process table, at first; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// Between two looks at the process table, at most while killing.
const LAST_PAUSE: Duration = Duration::from_millis(32);
/// The same while strays are given time: a look costs a reading of the whole table.
const LAST_POLITE_PAUSE: Duration = Duration::from_millis(160);
/// How long a killed leader is waited for before the table is read again: not for ever, because it
/// may hang in the kernel.
const LEADER_FIRST: Duration = Duration::from_millis(250);

/// What has to go with a leader.
struct Quarry {
    leader: u32,
    marker: Vec<u8>,
    /// Everyone seen so far. They stay ours when their parents die and they cannot be found by
    /// descent any more.
    known: HashSet<Identity>,
    /// Who was asked to end already: some programs take a second SIGTERM as "at once".
    asked: HashSet<Identity>,
    /// The ones besides the leader that we had to kill.
    killed: HashSet<Identity>,
}

impl Quarry {
    fn of(leader: &Leader) -> Self {
        Self {
            leader: leader.pid(),
            marker: leader.marker().to_string().into_bytes(),
            known: HashSet::new(),
            asked: HashSet::new(),
            killed: HashSet::new(),
        }
    }

    /// Who is alive of it.
    fn find(&mut self, table: &Table) -> Vec<Identity> {
        let found = table.members(self.leader, &self.marker, &self.known);
        self.known.extend(&found);
        found
    }

    /// Kills who is alive of it and says how many those were, counting one more if that cannot be
    /// told because no descriptor is left to look with.
    fn strike(&mut self, table: &Table) -> usize {
        let mut found = self.find(table);
        // The leader first: it may be a shell that would have something to say about its child's end.
        found.sort_by_key(|process| process.pid != self.leader);
        for process in &found {
            signal_exactly(*process, Signal::KILL);
            if process.pid != self.leader {
                self.killed.insert(*process);
            }
        }
        found.len() + usize::from(!table.is_complete())
    }

    /// Asks everyone alive of it to end, each once, and says how many are alive. These are single
    /// signals rather than one to the group, so that nobody outside it is left out.
    fn ask(&mut self, table: &Table) -> usize {
        let found = self.find(table);
        for process in &found {
            if self.asked.insert(*process) {
                signal_exactly(*process, Signal::TERM);
                // A stopped process hears that only once it continues.
                signal_exactly(*process, Signal::CONT);
            }
        }
        found.len() + usize::from(!table.is_complete())
    }
}

fn kill_control_group(leader: &Leader) {
    if let Some(group) = leader.group() {
        group.kill();
    }
}

fn is_populated(leader: &Leader) -> bool {
    leader.group().is_some_and(ControlGroup::is_populated)
}

async fn ask_to_leave(
    leader: &Leader,
    watch: &ExitWatch,
    ladder: &StopLadder,
    quarry: &mut Quarry,
) -> StopStep {
    if leader.peek().is_some() {
        return StopStep::AlreadyExited;
    }
    if timeout(ladder.stdin_grace, watch.exited(leader)).await.is_ok() {
        return StopStep::StdinClosed;
    }
    if ladder.term_grace.is_zero() {
        // Nothing is asked, but who is there has to be known before the tree falls apart.
        quarry.find(&*census().await);
        return StopStep::Killed;
    }
    let deadline = Instant::now() + ladder.term_grace;
    quarry.ask(&*census().await);
    match timeout_at(deadline, watch.exited(leader)).await {
        Ok(_) => StopStep::Terminated,
        Err(_) => StopStep::Killed,
    }
}

/// Gives what the leader left behind so much time to leave as well. Whether nothing is left.
async fn ask_strays_to_leave(quarry: &mut Quarry, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        if quarry.ask(&*census().await) == 0 {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST_POLITE_PAUSE);
    }
}

/// Kills until nothing is left or `patience` is over; how many were left then.
async fn kill_all(
    leader: &Leader,
    watch: &ExitWatch,
    patience: Duration,
    quarry: &mut Quarry,
) -> usize {
    let mut deadline = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let left = quarry.strike(&*census().await);
        // These catch whoever was forked since the table was read.
        group::signal(leader.pid(), Signal::KILL);
        kill_control_group(leader);
        let left = left.max(usize::from(is_populated(leader)));
        // The time to die begins when it was killed, however long finding it took, and what is left
        // is what was there after that time.
        let until = *deadline.get_or_insert_with(|| Instant::now() + patience);
        if (left == 0 && leader.peek().is_some()) || began >= until {
            return left;
        }
        // What was killed with the leader is mostly gone when it is, which saves a reading.
        let _ = timeout(LEADER_FIRST.min(patience), watch.exited(leader)).await;
        sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}
