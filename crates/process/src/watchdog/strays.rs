//! Owns finding and killing what earlier, dead runs left behind. It must never touch what belongs
//! to a living Standpipe.
//!
//! When Standpipe and its watchdog are both killed at the same moment, the kernel takes the direct
//! children along. Their descendants are found here, by the marker, when the next run starts.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::Signal;

use crate::descendants::{Identity, Table, signal_exactly};
use crate::marker::{RunId, run_of};

/// Rounds until a stray that does not die is left alone.
const ROUNDS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// Kills every process marked by a run of the same user, in the same PID namespace, whose owner has
/// died. Returns how many those were. Blocks for milliseconds if there are none, and for half a
/// second at most.
pub fn sweep_strays(here: &RunId) -> usize {
    let mut killed = HashSet::new();
    for _ in 0..ROUNDS {
        let strays = strays_in(&Table::read(), here);
        if strays.is_empty() {
            break;
        }
        for stray in strays {
            signal_exactly(stray, Signal::KILL);
            killed.insert(stray);
        }
        std::thread::sleep(PAUSE);
    }
    if !killed.is_empty() {
        tracing::warn!(count = killed.len(), "killed processes left behind by an earlier run");
    }
    killed.len()
}

/// Who in the table was left behind.
fn strays_in(table: &Table, here: &RunId) -> Vec<Identity> {
    let runs: HashSet<RunId> = table.markers().filter_map(run_of).collect();
    let is_alive = |run: &RunId| table.is_alive(run.owner(), run.owner_started());
    let is_dead = |run: &RunId| run != here && run.is_visible_from(here) && !is_alive(run);
    // A stray may have started a Standpipe of its own, which inherited the dead run's marker and
    // lives on in its own right.
    let living: HashSet<u32> = runs
        .iter()
        .chain([here])
        .filter(|run| is_alive(run))
        .flat_map(|run| {
            let below = table.descendants(run.owner(), &HashSet::new());
            below.into_iter().map(|process| process.pid).chain([run.owner()])
        })
        .collect();
    let mut strays = table.carriers(|marker| run_of(marker).is_some_and(|run| is_dead(&run)));
    strays.retain(|stray| !living.contains(&stray.pid));
    strays
}

#[cfg(test)]
mod tests;
