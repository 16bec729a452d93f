//! What a configuration has learnt about its calls: which of them ask the client something.
//!
//! Owns a bounded set shared by all processes of a service. Must not know why it is asked.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The most calls remembered; when there are more, new ones are not learnt and may be refused.
const MAX_MARKS: usize = 4096;

/// The (method, name) pairs during which the child has asked something.
#[derive(Debug, Default)]
pub struct Marks {
    any: AtomicBool,
    set: Mutex<HashSet<(Box<str>, Box<str>)>>,
}

impl Marks {
    /// Remembers that this call asks.
    pub fn mark(&self, method: &str, name: &str) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        if set.len() < MAX_MARKS {
            set.insert((method.into(), name.into()));
            self.any.store(true, Ordering::Release);
        }
    }

    /// Whether this call has asked before. Costs one load while nothing is marked.
    pub fn is_marked(&self, method: &str, name: &str) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        set.contains(&(method.into(), name.into()))
    }
}
