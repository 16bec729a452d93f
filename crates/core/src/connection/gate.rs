//! The way to a service, open or not.
//!
//! Owns how callers wait for a service that is not running: any number of them, one demand, each
//! with its own deadline. Must not know how a service is started.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::Inbox;
use crate::fault::{Fault, FaultKind};
use crate::learnt::Learnt;

/// What callers find at the gate.
#[derive(Debug, Clone)]
pub enum GateState {
    /// Not running. Whoever comes asks for a start and waits.
    Closed,
    /// Starting. Whoever comes waits.
    Opening,
    /// Running: this is the way in.
    Open(Inbox),
    /// Not running, and not to be started before `until` (`None`: not by itself).
    Refusing {
        /// What callers are told.
        why: FaultKind,
        /// When the gate closes and a demand counts again.
        until: Option<Instant>,
    },
}

/// What does not change about a gate.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// How long a caller waits for a start.
    pub start_timeout: Duration,
    /// The longest message the service takes, in bytes.
    pub max_message_bytes: usize,
    /// How long a client has to answer what it was asked.
    pub question_timeout: Duration,
}

/// The callers' end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    service: Arc<str>,
    state: watch::Receiver<GateState>,
    demand: Arc<Notify>,
    settings: GateSettings,
    learnt: Arc<Learnt>,
    /// Numbers what lives for one modern request.
    next: AtomicU64,
}

/// The service's end. Dropping it refuses everybody from then on, as removed where nothing else was
/// said.
#[derive(Debug)]
pub struct GateKeeper {
    learnt: Arc<Learnt>,
    state: watch::Sender<GateState>,
    demand: Arc<Notify>,
}

/// Makes a closed gate to `service`.
pub fn gate(service: &Arc<str>, settings: GateSettings) -> (Gate, GateKeeper) {
    let (sender, receiver) = watch::channel(GateState::Closed);
    let demand = Arc::new(Notify::new());
    let learnt = Arc::<Learnt>::default();
    let shared = Shared {
        service: Arc::clone(service),
        state: receiver,
        demand: Arc::clone(&demand),
        settings,
        learnt: Arc::clone(&learnt),
        next: AtomicU64::new(1),
    };
    (Gate(Arc::new(shared)), GateKeeper { learnt, state: sender, demand })
}

impl Gate {
    /// The service's name, as in the route.
    pub fn service(&self) -> &Arc<str> {
        &self.0.service
    }

    /// What does not change.
    pub fn settings(&self) -> &GateSettings {
        &self.0.settings
    }

    /// What the service's processes have shown of themselves.
    pub fn learnt(&self) -> &Arc<Learnt> {
        &self.0.learnt
    }

    /// A number that no other modern request to this service has.
    pub(super) fn next_number(&self) -> u64 {
        self.0.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A failure of this service.
    pub fn fault(&self, kind: FaultKind) -> Fault {
        Fault::new(&self.0.service, kind)
    }

    /// The way in if the service runs now. Asks for nothing.
    pub fn try_pass(&self) -> Option<Inbox> {
        match &*self.0.state.borrow() {
            GateState::Open(inbox) => Some(inbox.clone()),
            _ => None,
        }
    }

    /// The way in; asks for a start where that is needed and waits for it up to `start_timeout`.
    /// Cancel safe: a caller that gives up disturbs nobody.
    ///
    /// # Errors
    /// When the service refuses, or is not ready in time.
    pub async fn pass(&self) -> Result<Inbox, Fault> {
        if let Some(inbox) = self.try_pass() {
            return Ok(inbox);
        }
        // Boxed: every caller has room for this, and hardly one needs it.
        Box::pin(self.wait()).await
    }

    async fn wait(&self) -> Result<Inbox, Fault> {
        let deadline = Instant::now() + self.0.settings.start_timeout;
        let mut state = self.0.state.clone();
        loop {
            match &*state.borrow_and_update() {
                GateState::Open(inbox) => return Ok(inbox.clone()),
                GateState::Closed => self.0.demand.notify_one(),
                GateState::Opening => {}
                GateState::Refusing { why, until } => {
                    let Some(until) = until else {
                        return Err(self.fault(why.clone()));
                    };
                    // How long is left is what the caller wants to know.
                    let left = until.saturating_duration_since(Instant::now());
                    let why = match why {
                        FaultKind::CoolingDown(_) => FaultKind::CoolingDown(left),
                        why => why.clone(),
                    };
                    return Err(self.fault(why).again_in(left));
                }
            }
            match timeout_at(deadline, state.changed()).await {
                Err(_) => return Err(self.fault(FaultKind::Starting)),
                Ok(Err(_)) => return Err(self.fault(FaultKind::Removed)),
                Ok(Ok(())) => {}
            }
        }
    }
}

impl GateKeeper {
    /// What callers see of what the service's processes have shown of themselves.
    pub fn learnt(&self) -> &Arc<Learnt> {
        &self.learnt
    }

    /// Changes what callers find.
    pub fn set(&self, state: GateState) {
        if matches!(state, GateState::Closed) {
            // A demand from before is not one from after: who still waits will see the gate closed
            // and ask again, who does not wait any more must not start anything.
            pin!(self.demand.notified()).enable();
        }
        self.state.send_replace(state);
    }

    /// Waits until somebody asks for a start. A demand that came before is not lost. Cancel safe.
    pub async fn demand(&self) {
        self.demand.notified().await;
    }
}

impl Drop for GateKeeper {
    fn drop(&mut self) {
        self.state.send_if_modified(|state| {
            if matches!(state, GateState::Refusing { .. }) {
                return false;
            }
            *state = GateState::Refusing { why: FaultKind::Removed, until: None };
            true
        });
    }
}
