//! The threads that serve: one runtime each.
//!
//! Owns how many there are, and their beginning and end. It must not know what runs on them. It
//! exists in place of one runtime that moves tasks between its threads: a connection, like a
//! service, stays where it was dealt to, and where there is one thread nothing is handed over at all
//! (docs/adr/0012).

use std::io;
use std::num::NonZeroUsize;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::{CancellationToken, DropGuard};

/// More than this many threads have nothing to do: the servers need cores as well.
const MOST: usize = 4;

/// As many threads as a machine like this one has use for: a quarter of its cores, since one thread
/// keeps the children and the clients of several more busy.
pub fn threads_by_default() -> NonZeroUsize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new((cores / 4).clamp(1, MOST)).unwrap_or(NonZeroUsize::MIN)
}

/// Runtimes, of which the first is that of the thread that made them.
#[derive(Debug)]
pub struct Runtimes {
    first: Runtime,
    others: Vec<(Handle, JoinHandle<()>)>,
    /// Ends the other threads when it is dropped.
    over: DropGuard,
}

impl Runtimes {
    /// Starts `threads - 1` threads.
    ///
    /// # Errors
    /// When a thread or a runtime cannot be started.
    pub fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let token = CancellationToken::new();
        let over = token.clone().drop_guard();
        let mut runtimes = Self { first: runtime()?, others: Vec::new(), over };
        for number in 1..threads.get() {
            let runtime = runtime()?;
            let (handle, over) = (runtime.handle().clone(), token.clone());
            let thread = thread::Builder::new().name(format!("standpipe-{number}"));
            let thread = thread.spawn(move || {
                runtime.block_on(over.cancelled());
                runtime.shutdown_background();
            })?;
            runtimes.others.push((handle, thread));
        }
        Ok(runtimes)
    }

    /// All of them.
    pub fn handles(&self) -> Vec<Handle> {
        let others = self.others.iter().map(|(handle, _)| handle.clone());
        std::iter::once(self.first.handle().clone()).chain(others).collect()
    }

    /// Runs `future` on the first, in this thread.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.first.block_on(future)
    }

    /// Ends them; what still runs there is dropped and not waited for.
    pub fn end(self) {
        drop(self.over);
        for (_, thread) in self.others {
            // A thread that panicked has ended as well.
            let _ended = thread.join();
        }
        self.first.shutdown_background();
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
