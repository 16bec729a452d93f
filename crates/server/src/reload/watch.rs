//! Noticing that a file has changed.
//!
//! Owns how often files are looked at and when a change is complete. It must not read them. Files
//! are looked at rather than watched through the kernel: that sees a file which is replaced, one
//! behind links that are exchanged, one on a network and one in a folder that does not exist yet,
//! all in the same way, and a few looks a second cost nothing.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::config::ReadFile;

/// Between two looks. A file that looks the same at two of them has been written completely.
const BETWEEN_LOOKS: Duration = Duration::from_millis(400);

/// Waits until one of `files` looks different and none of them is changing any more. Cancel safe.
pub(super) async fn changed(files: &[ReadFile]) {
    let mut last = files.to_vec();
    let mut looks = interval(BETWEEN_LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let before = last.clone();
        let look = move || before.iter().map(ReadFile::again).collect::<Vec<_>>();
        // It fails only where the runtime is going down, and we with it.
        let Ok(now) = tokio::task::spawn_blocking(look).await else {
            return std::future::pending().await;
        };
        if now == last && now != files {
            return;
        }
        last = now;
    }
}

#[cfg(test)]
mod tests;
