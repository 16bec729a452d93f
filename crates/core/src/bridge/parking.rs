//! Calls that wait for their client to call again (2026-07-28, "Multi Round-Trip Requests").
//!
//! A child of an older revision asks its client in the middle of a call. A modern client is not
//! asked: its call is answered with what is asked, and it calls again with the answers. Until then
//! the call stays open in the child, and is *parked* here under a `requestState`.
//!
//! Owns the table of parked calls and the rules by which one is found again. Sans-IO and generic over
//! what a call is to its transport. Must not know how a call is carried on.

mod digest;
mod questions;
mod required;
mod responses;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub use digest::{Digest, Digester};
pub use questions::{Kind, Questions, Settled, Unaskable};
pub use required::{UrlElicitations, required_capabilities};
pub use responses::{InputResponses, ResponseError};
use tokio::time::Instant;

use crate::id::Principal;

/// Calls that may be parked in the whole process. One more is cancelled, and its client told to try
/// again later: a parked call holds memory here and a turn in its child.
pub const MAX_PARKED: usize = 4096;

/// Calls of one principal that may be parked. Those who did not say who they are are one principal.
pub const MAX_PARKED_OF_PRINCIPAL: usize = 1024;

/// What a `requestState` of ours begins with; the number of the run follows. A child may have states
/// of its own, which pass through untouched, and be a proxy to another Standpipe.
const MARK: &str = "standpipe.";

/// What a parked call is bound to: only a request that is the same in all of this gets it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The service that was called.
    pub service: Arc<str>,
    /// Who called.
    pub principal: Principal,
    /// The method and the parameters.
    pub request: Digest,
}

/// Why no call was found although the state is one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Somebody else's states are not told from those there are no more.
    #[error(
        "`requestState` is unknown: it was used already, it has expired, or it is not of this \
         service; call again without it"
    )]
    Unknown,
    /// The same state, with another method or other parameters.
    #[error(
        "`requestState` belongs to another request: method and parameters must be those of the \
         request that it answers"
    )]
    OtherRequest,
}

/// There are as many parked calls as there may be; this is the one that was to be parked.
#[derive(Debug)]
pub struct Full<C>(pub C);

/// A `requestState` that parks one call, for one round.
#[derive(Debug)]
pub struct State {
    handle: u128,
    text: String,
}

impl State {
    /// What the client gets, and gives back.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The parked calls of one process.
#[derive(Debug)]
pub struct Parking<C> {
    run: u64,
    calls: HashMap<u128, Parked<C>>,
    principals: HashMap<Principal, usize>,
}

#[derive(Debug)]
struct Parked<C> {
    binding: Binding,
    until: Instant,
    call: C,
}

impl<C> Default for Parking<C> {
    fn default() -> Self {
        Self {
            run: u64::from_be_bytes(random()),
            calls: HashMap::new(),
            principals: HashMap::new(),
        }
    }
}

impl<C> Parking<C> {
    /// A state that nobody has had before.
    pub fn state(&self) -> State {
        let handle = u128::from_be_bytes(random());
        State { handle, text: format!("{MARK}{:016x}.{handle:032x}", self.run) }
    }

    /// Parks a call until somebody comes for it with `state`, or `until` has come.
    ///
    /// # Errors
    /// [`Full`] when [`MAX_PARKED`] are parked, or [`MAX_PARKED_OF_PRINCIPAL`] of this principal.
    pub fn park(
        &mut self,
        state: &State,
        binding: Binding,
        call: C,
        until: Instant,
    ) -> Result<(), Full<C>> {
        let of_principal = self.principals.get(&binding.principal).copied().unwrap_or_default();
        if self.calls.len() >= MAX_PARKED || of_principal >= MAX_PARKED_OF_PRINCIPAL {
            return Err(Full(call));
        }
        self.principals.insert(binding.principal.clone(), of_principal + 1);
        self.calls.insert(state.handle, Parked { binding, until, call });
        Ok(())
    }

    /// The call that is parked under `state`; `None` when the state is not one of ours, but the
    /// child's. The call stays parked.
    ///
    /// # Errors
    /// When the state is ours, but is not good for this request now.
    pub fn find(
        &self,
        state: &str,
        binding: &Binding,
        now: Instant,
    ) -> Result<Option<&C>, StateError> {
        let Some(handle) = self.handle(state) else { return Ok(None) };
        let handle = handle.ok_or(StateError::Unknown)?;
        let parked = self.calls.get(&handle).filter(|parked| parked.until > now);
        let parked = parked.ok_or(StateError::Unknown)?;
        let owner = &parked.binding;
        if owner.service != binding.service || owner.principal != binding.principal {
            return Err(StateError::Unknown);
        }
        if owner.request != binding.request {
            return Err(StateError::OtherRequest);
        }
        Ok(Some(&parked.call))
    }

    /// Takes the call that is parked under `state`, which is of no use from now on.
    pub fn take(&mut self, state: &str) -> Option<C> {
        let handle = self.handle(state)??;
        self.remove(handle)
    }

    /// Takes the calls whose time is up at `now`, and those that are `over` for another reason.
    pub fn sweep(&mut self, now: Instant, over: impl Fn(&C) -> bool) -> Vec<C> {
        self.remove_all(|parked| parked.until <= now || over(&parked.call))
    }

    /// Takes the calls of a service that is no more.
    pub fn take_of(&mut self, service: &str) -> Vec<C> {
        self.remove_all(|parked| *parked.binding.service == *service)
    }

    /// Takes all calls.
    pub fn take_all(&mut self) -> Vec<C> {
        self.remove_all(|_| true)
    }

    /// How many calls are parked.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether none is parked.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// `None`: not one of this run's. `Some(None)`: nearly one, which was never given.
    #[expect(clippy::option_option, reason = "a forged state of ours is not a child's state")]
    fn handle(&self, state: &str) -> Option<Option<u128>> {
        let (run, handle) = state.strip_prefix(MARK)?.split_once('.')?;
        if parse_hex(run, 16) != Some(u128::from(self.run)) {
            return None;
        }
        Some(parse_hex(handle, 32))
    }

    fn remove_all(&mut self, which: impl Fn(&Parked<C>) -> bool) -> Vec<C> {
        let handles = self.calls.iter().filter(|(_, parked)| which(parked));
        let handles: Vec<u128> = handles.map(|(handle, _)| *handle).collect();
        handles.into_iter().filter_map(|handle| self.remove(handle)).collect()
    }

    fn remove(&mut self, handle: u128) -> Option<C> {
        let Parked { binding, call, .. } = self.calls.remove(&handle)?;
        if let Some(count) = self.principals.get_mut(&binding.principal) {
            *count -= 1;
            if *count == 0 {
                self.principals.remove(&binding.principal);
            }
        }
        Some(call)
    }
}

/// Just these digits: a sign or an upper-case letter would make two states of one.
fn parse_hex(text: &str, digits: usize) -> Option<u128> {
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != digits || !plain {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}
