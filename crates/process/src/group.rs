//! Owns sending a signal to a whole process group. It must only be given the id of a leader that
//! has not been reaped: as long as the dead leader keeps its id, no stranger can have the group's.

use rustix::process::{Signal, kill_process_group};

use crate::descendants;

/// Signals everyone in the group; that nobody is left in it, or that a member runs as somebody
/// else, is no error here. Groups 0 and 1 are refused: they mean "my own" and "everybody".
pub(crate) fn signal(leader: u32, signal: Signal) {
    if leader <= 1 {
        return;
    }
    if let Some(group) = descendants::pid(leader)
        && let Err(error) = kill_process_group(group, signal)
    {
        tracing::trace!(leader, ?signal, %error, "no process group to signal");
    }
}
