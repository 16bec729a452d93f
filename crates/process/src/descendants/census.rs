//! Owns sharing one reading of the process table among all who need one. It knows nothing of what
//! they look for.
//!
//! Stopping one instance costs at least one reading; a shutdown stops hundreds at the same moment.
//! So whoever asks while a reading is running waits for the next one, together with all others: the
//! work is in the number of readings, not of instances. An answer is always from a reading that
//! began after the question, else a process killed just before would still seem alive.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::Table;

/// A reading of the process table that begins after this call.
pub(crate) async fn census() -> Arc<Table> {
    let (answer, waiting) = oneshot::channel();
    if BOARD.enlist(Waiter::Task(answer)) {
        // A thread of its own, not one of a runtime's pool: those are not started any more while a
        // runtime shuts down, and then nobody would ever be answered again.
        let thread = std::thread::Builder::new().name("census".to_owned());
        if thread.spawn(|| BOARD.serve()).is_err() {
            BOARD.serve();
        }
    }
    // The sender is dropped unanswered only if the reading panicked.
    waiting.await.unwrap_or_else(|_| Arc::new(Table::read()))
}

/// The same for callers without a runtime; blocks for the duration of at most two readings.
pub(crate) fn census_blocking() -> Arc<Table> {
    let (answer, waiting) = mpsc::sync_channel(1);
    if BOARD.enlist(Waiter::Thread(answer)) {
        BOARD.serve();
    }
    waiting.recv().unwrap_or_else(|_| Arc::new(Table::read()))
}

/// The machine has one process table, so there is one board.
static BOARD: Board = Board { state: Mutex::new(State { serving: false, waiting: Vec::new() }) };

struct Board {
    state: Mutex<State>,
}

struct State {
    serving: bool,
    /// Bounded by the number of instances being stopped: each waits for one answer at a time.
    waiting: Vec<Waiter>,
}

enum Waiter {
    Task(oneshot::Sender<Arc<Table>>),
    Thread(mpsc::SyncSender<Arc<Table>>),
}

impl Board {
    /// Adds a waiter. `true` if the caller must see to it that [`Board::serve`] runs.
    fn enlist(&self, waiter: Waiter) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.push(waiter);
        !std::mem::replace(&mut state.serving, true)
    }

    /// Reads and answers until nobody waits.
    fn serve(&self) {
        loop {
            let waiting = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.waiting.is_empty() {
                    state.serving = false;
                    return;
                }
                std::mem::take(&mut state.waiting)
            };
            let table = Arc::new(Table::read());
            for waiter in waiting {
                // Whoever gave up waiting has dropped its end; that is all there is to it.
                match waiter {
                    Waiter::Task(answer) => drop(answer.send(Arc::clone(&table))),
                    Waiter::Thread(answer) => drop(answer.try_send(Arc::clone(&table))),
                }
            }
        }
    }
}
