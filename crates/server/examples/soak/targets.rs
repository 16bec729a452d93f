//! The services of a soak: what each is like, and what was done to it lately.
//!
//! Owns the table of services, their configuration, and the excuses: an error is honest only where
//! something was done to the service that can have caused it. Must not do anything to a service.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::dice::Dice;
use crate::verdict::Verdict;

/// What was done to a service excuses what was begun so long afterwards.
const EXCUSED_FOR: Duration = Duration::from_secs(10);

/// Of so many draws, one may fall on a service that is stopped when idle: it has to be idle now
/// and then.
const RARELY: u64 = 12;

/// What a service is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// One process for all, always there.
    Shared,
    /// The same, with a cool-down after each restart.
    Cooling,
    /// The same, and its clients are asked questions.
    Asking,
    /// A process for each session, and one for all who have none.
    Own,
    /// One process for all, started again by nobody but the next request.
    OneShot,
    /// One process for all, stopped when idle.
    Idling,
}

/// Each sort with how many there are of it; the first of each is left in peace, so that it can be
/// seen that nothing which is done to the others reaches it.
const SORTS: [(Sort, usize); 6] = [
    (Sort::Shared, 6),
    (Sort::Cooling, 2),
    (Sort::Asking, 3),
    (Sort::Own, 5),
    (Sort::OneShot, 2),
    (Sort::Idling, 2),
];

/// The control plane's socket, in Standpipe's folder.
pub(crate) const SOCKET: &str = "control.sock";

/// What the processes of the services of one sort speak, in turn.
const ERAS: [&str; 3] = ["legacy", "either", "modern"];

/// One service.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) sort: Sort,
    /// Which eras its processes speak: what clients of another speak has to be translated.
    era: &'static str,
    /// Nothing is done to it, and so nothing may go wrong.
    pub(crate) in_peace: bool,
    /// When something was last done that ends calls; milliseconds on the common clock.
    hurt: AtomicU64,
    /// When something was last done that ends sessions as well.
    replaced: AtomicU64,
    /// Changes with each new configuration.
    edition: AtomicU64,
}

impl Target {
    /// Processes it has while nobody uses it.
    pub(crate) const fn processes_at_rest(&self) -> u64 {
        match self.sort {
            Sort::Shared | Sort::Cooling | Sort::Asking | Sort::Own => 1,
            Sort::OneShot | Sort::Idling => 0,
        }
    }

    /// Whether its sessions have processes of their own.
    pub(crate) const fn is_own(&self) -> bool {
        matches!(self.sort, Sort::Own)
    }

    /// Whether it is stopped when idle.
    pub(crate) const fn idles(&self) -> bool {
        matches!(self.sort, Sort::OneShot | Sort::Idling)
    }

    fn entry(&self, fixture: &Path) -> Value {
        let cooldown = if self.sort == Sort::Cooling { "700ms" } else { "0s" };
        let mut entry = json!({
            "command": fixture,
            "args": ["--era", self.era],
            "env": { "EDITION": self.edition.load(Ordering::Relaxed).to_string() },
            "sharing": if self.is_own() { "session" } else { "shared" },
            "lifecycle": if self.sort == Sort::OneShot { "one_shot" } else { "persistent" },
            "restart": {
                "cooldown": cooldown,
                "early_death": "0s",
                "backoff_min": "50ms",
                "backoff_max": "500ms",
                // They are killed for as long as the soak goes on.
                "max_failures": 100_000,
            },
        });
        if self.idles() {
            entry["idle_timeout"] = json!("1s");
        }
        if self.sort == Sort::Asking {
            entry["side_processes"] = json!(3);
        }
        entry
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Targets {
    list: Vec<Target>,
    clock: Instant,
}

impl Targets {
    /// The table.
    pub(crate) fn new() -> Self {
        let list = SORTS.iter().flat_map(|&(sort, count)| {
            (0..count).map(move |number| Target {
                name: format!("{sort:?}-{number}").to_lowercase(),
                sort,
                in_peace: number == 0,
                era: ERAS[number % ERAS.len()],
                hurt: AtomicU64::new(0),
                replaced: AtomicU64::new(0),
                edition: AtomicU64::new(0),
            })
        });
        Self { list: list.collect(), clock: Instant::now() }
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Target> {
        self.list.iter()
    }

    /// One for a client to visit.
    pub(crate) fn to_visit(&self, dice: &mut Dice) -> &Target {
        loop {
            match dice.pick(&self.list) {
                Some(target) if !target.idles() || dice.below(RARELY) == 0 => return target,
                _ => {}
            }
        }
    }

    /// One to be hurt.
    pub(crate) fn to_hurt(&self, dice: &mut Dice) -> &Target {
        loop {
            match dice.pick(&self.list) {
                Some(target) if !target.in_peace => return target,
                _ => {}
            }
        }
    }

    /// The file that configures all of them, for a Standpipe in this folder.
    pub(crate) fn configuration(&self, fixture: &Path, folder: &Path) -> Value {
        let entries = self.list.iter().map(|target| (target.name.clone(), target.entry(fixture)));
        let entries: serde_json::Map<String, Value> = entries.collect();
        json!({ "mcpServers": entries, "control": { "socket": folder.join(SOCKET) } })
    }

    /// The time, for [`excuses`](Self::excuses).
    pub(crate) fn now(&self) -> u64 {
        // Never 0, which means "not yet".
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Something is done to a service that ends its calls.
    pub(crate) fn hurts(&self, target: &Target) {
        target.hurt.store(self.now(), Ordering::Relaxed);
    }

    /// A service is described otherwise, so that another takes its place.
    pub(crate) fn replaces(&self, target: &Target) {
        target.edition.fetch_add(1, Ordering::Relaxed);
        target.replaced.store(self.now(), Ordering::Relaxed);
    }

    /// Whether something was done to the service that can be why a request came to this end. `began`
    /// is when it was made, or for the end of a session, when that was opened. The end of a shared
    /// process is no reason for a session's.
    pub(crate) fn excuses(target: &Target, verdict: Verdict, began: u64) -> bool {
        let forgiven = u64::try_from(EXCUSED_FOR.as_millis()).unwrap_or(u64::MAX);
        let lately = |at: &AtomicU64| match at.load(Ordering::Relaxed) {
            0 => false,
            at => at.saturating_add(forgiven) >= began,
        };
        let ends_it = verdict != Verdict::Over || target.is_own();
        !verdict.needs_excuse() || lately(&target.replaced) || (ends_it && lately(&target.hurt))
    }
}
