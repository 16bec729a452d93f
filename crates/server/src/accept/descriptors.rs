//! File descriptors: how many there may be, and one kept back for when there are none.
//!
//! Owns the limit and the reserve. It must not know who uses descriptors. It exists because a
//! server that runs out of them can, unprepared, not even say so.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use standpipe_process::raise_own_open_files;

/// As many descriptors as we ask for.
const WANTED: u64 = 65_536;

/// Descriptors that are not for connections: the runtime's, the log's, the watchdog's.
const OWN: u64 = 32;

/// Descriptors of one service's child: three pipes, the process, and some while it starts.
const PER_SERVICE: u64 = 8;

/// Raises our soft limit of descriptors towards the hard one, and not that of our children. Returns
/// what holds then.
pub fn raise_descriptor_limit() -> u64 {
    raise_own_open_files(WANTED)
}

/// How many connections fit beside so many services, but never less than half of the limit.
pub fn connections_that_fit(descriptors: u64, services: usize) -> usize {
    let others = OWN.saturating_add(PER_SERVICE.saturating_mul(services as u64));
    let fitting = descriptors.saturating_sub(others).max(descriptors / 2).max(1);
    usize::try_from(fitting).unwrap_or(usize::MAX)
}

/// Whether an error means that no descriptors, or no memory for sockets, are left.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM))
}

/// One descriptor that is open for nothing, until it is needed.
#[derive(Debug)]
pub(super) struct Reserve(Option<File>);

impl Reserve {
    pub(super) fn new() -> Self {
        let mut reserve = Self(None);
        reserve.refill();
        reserve
    }

    /// Makes one descriptor free. `false` when there was none in reserve.
    pub(super) fn release(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Takes a descriptor into reserve again, if there is one.
    pub(super) fn refill(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }
}
