//! Owns finding the processes that belong to an instance, and killing one of them without hitting
//! another that took its id. It knows the process table and nothing of services or policies.
//!
//! Two rules keep this safe. A process is named by id *and* start time, and a signal goes through a
//! pidfd opened before that pair was checked again, so an id that was reused in between is never
//! hit. And ourselves, our ancestors and process 1 are never members of anything.
//!
//! Where there is no `/proc` (macOS) the table is empty, and only the process group is killed.

mod census;
mod spare;
mod table;

pub(crate) use census::{census, census_blocking};
pub(crate) use spare::keep as keep_spare_descriptors;
#[cfg(test)]
pub(crate) use table::Entry;
pub(crate) use table::{Identity, Table};

use rustix::process::{Pid, Signal};

/// When the process started, in clock ticks since boot; `None` if there is no such process.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    table::read_stat(pid).map(|entry| entry.identity.started)
}

/// Sends `signal` to exactly this process. `false` if it is already gone or not ours to signal.
pub(crate) fn signal_exactly(identity: Identity, signal: Signal) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
        let Some(pid) = pid(identity.pid) else {
            return false;
        };
        let open = || Ok(pidfd_open(pid, PidfdFlags::empty())?);
        let Ok(descriptor) = spare::with_spare(open) else {
            return false;
        };
        // The descriptor pins whatever has this id now; only then is it worth asking who that is.
        start_time(identity.pid) == Some(identity.started)
            && pidfd_send_signal(&descriptor, signal).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (identity, signal);
        false
    }
}

/// A process id as the system calls want it; `None` for 0 and for what is out of range.
pub(crate) fn pid(raw: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(raw).ok()?)
}

#[cfg(test)]
mod tests;
