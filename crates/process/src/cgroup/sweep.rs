//! Groups of earlier runs that nobody could remove any more.
//!
//! Owns telling them from those of a Standpipe that is alive. What is in a group is never touched:
//! a directory can only be removed when nothing is.

use std::fs;
use std::path::Path;

use super::CHILD_PREFIX;
use super::group::remove;
use crate::descendants::start_time;
use crate::marker::RunId;

/// Removes the empty groups of runs whose owner is dead, as far as that can be seen from `here`.
pub(super) fn remove_left_behind(base: &Path, here: &RunId) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let run = name
            .to_str()
            .and_then(|name| name.strip_prefix(CHILD_PREFIX))
            .and_then(|marker| marker.split(':').next())
            .and_then(RunId::parse);
        let is_dead = |run: &RunId| {
            run.is_visible_from(here) && start_time(run.owner()) != Some(run.owner_started())
        };
        if run.as_ref().is_some_and(is_dead)
            && let Err(error) = remove(&entry.path())
        {
            tracing::debug!(%error, group = %entry.path().display(), "cannot be removed");
        }
    }
}
