//! Owns Standpipe's side of the watchdog: a thread that waits for the parent's death and then
//! kills everything. It uses no runtime and no lock of anybody else, because it has to work when
//! those hang.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use super::{EnterError, EnterStep, sweep_strays};
use crate::descendants::{Table, signal_exactly};
use crate::marker::RunId;
use crate::spawner;

/// How long a start that is under way is waited for.
const START_PATIENCE: Duration = Duration::from_millis(200);
/// Rounds of killing what is left: 2 + 4 + 8 + 16 + 32 × 120 ms, about four seconds.
const ROUNDS: u32 = 124;
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(32);

/// Watches the parent from a thread of its own.
pub(super) fn watch(link: OwnedFd, run: RunId) -> Result<(), EnterError> {
    let failed = |source| EnterError { step: EnterStep::Thread, source: Some(source) };
    let sweeper = std::thread::Builder::new().name("stray-sweep".to_owned());
    sweeper.spawn(move || sweep_strays(&run)).map_err(failed)?;
    let watcher = std::thread::Builder::new().name("watchdog-link".to_owned());
    watcher
        .spawn(move || {
            wait_for_end(File::from(link));
            clear(&run);
            // Not `exit`: its handlers may wait for what hangs.
            let _ = kill_process(getpid(), Signal::KILL);
        })
        .map_err(failed)?;
    Ok(())
}

/// Returns when the parent is dead: it never writes.
fn wait_for_end(mut link: File) {
    let mut nothing = [0];
    loop {
        match link.read(&mut nothing) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn clear(run: &RunId) {
    // The supervisors are still running and would replace whatever dies.
    spawner::close(START_PATIENCE);
    let prefix = run.prefix();
    let mut pause = FIRST_PAUSE;
    for _ in 0..ROUNDS {
        let table = Table::read();
        let mut left = table.descendants(std::process::id(), &HashSet::new());
        left.extend(table.marked(|marker| marker.starts_with(&prefix)));
        if left.is_empty() && table.is_complete() {
            return;
        }
        for process in left {
            signal_exactly(process, Signal::KILL);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LAST_PAUSE);
    }
}
