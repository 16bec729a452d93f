//! A number of bytes that many parties draw on.
//!
//! Owns the count. Must not know what the bytes are: request bodies, queued messages and unread
//! answers each have a budget of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A shared, bounded amount of memory. Drawing never waits: who gets nothing is told so.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: usize,
    used: AtomicUsize,
}

impl Account {
    fn draw(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Account { limit, used: AtomicUsize::new(0) }))
    }

    /// Takes `bytes` until the permit is dropped; `None` when not that many are left.
    pub fn take(&self, bytes: usize) -> Option<Permit> {
        self.0.draw(bytes).then(|| Permit { account: Arc::clone(&self.0), bytes })
    }

    /// Bytes taken now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Bytes there are in all.
    pub fn limit(&self) -> usize {
        self.0.limit
    }
}

/// Bytes taken from a [`Budget`]; given back on drop.
#[derive(Debug)]
pub struct Permit {
    account: Arc<Account>,
    bytes: usize,
}

impl Permit {
    /// How many bytes this permit holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more bytes under the same permit, for a body whose length was not known.
    ///
    /// # Errors
    /// [`Exhausted`] when not that many are left; the permit keeps what it had.
    pub fn grow(&mut self, more: usize) -> Result<(), Exhausted> {
        if !self.account.draw(more) {
            return Err(Exhausted);
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Nothing is left of the budget.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the memory set aside for this is in use")]
pub struct Exhausted;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(10);
        let mut first = budget.take(6).expect("fits");
        assert!(budget.take(5).is_none());
        assert_eq!(first.grow(4), Ok(()));
        assert_eq!(first.grow(1), Err(Exhausted));
        assert_eq!(budget.used(), 10);
        drop(first);
        assert_eq!(budget.used(), 0);
        assert!(budget.take(usize::MAX).is_none());
    }
}
