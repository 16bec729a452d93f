//! Owns two file descriptors that are kept for killing. It does not know what they are used for.
//!
//! Looking at processes and signalling them takes descriptors. A server that is out of them because
//! of its clients must still be able to stop its children, so these are given up when everything
//! else is used up, and taken back afterwards.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

/// A pidfd, and a file of `/proc` that says whether it is the right one.
const COUNT: usize = 2;

static SPARE: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Sees to it that the descriptors are there. Best effort.
pub(crate) fn keep() {
    fill(&mut SPARE.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Runs `attempt`, and if it fails for want of a descriptor once more with the spare ones free.
pub(super) fn with_spare<T>(attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let first = attempt();
    if !first.as_ref().is_err_and(is_exhaustion) {
        return first;
    }
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    spare.clear();
    let second = attempt();
    fill(&mut spare);
    second
}

/// Whether this says that no descriptor is left.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

fn fill(spare: &mut Vec<File>) {
    while spare.len() < COUNT
        && let Ok(file) = File::open("/dev/null")
    {
        spare.push(file);
    }
}
