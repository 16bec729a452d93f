//! Which arguments of which tools have to be repeated in headers (2026-07-28, "Custom Headers from
//! Tool Parameters").
//!
//! Owns what is known of each service's tools and when it is fetched again. Must not know of which
//! era the child is: the list is asked for as any modern client would.

mod fetch;
mod repeated;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use dashmap::DashMap;
use http::HeaderMap;
use standpipe_core::learnt::Learnt;
use standpipe_core::message::Params;
use tokio::time::{Instant, timeout};

use self::fetch::Fetch;
use self::schema::Parameter;
use crate::refusal::Refusal;
use crate::transport::{Route, StreamTransport};

/// How long a call waits for the tools to be fetched. A child that does one thing at a time may be busy
/// with a call that waits for its client; the others are not to wait for it as well.
const WAIT: Duration = Duration::from_secs(2);

/// How long nobody waits again after the tools could not be fetched in time, or at all.
const SPARED: Duration = Duration::from_secs(30);

/// The tools of one service that have such arguments, by name.
pub(super) type Annotated = HashMap<String, Vec<Parameter>>;

/// What is known of the tools of all services.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    services: DashMap<Arc<str>, Arc<Known>>,
}

/// What is known of the tools of one service.
#[derive(Debug)]
struct Known {
    /// Whose tools they are: a service that was configured anew has another memory.
    of: Arc<Learnt>,
    fetched: RwLock<Fetched>,
    /// The fetch that is under way, and of which version. It belongs to nobody: who waits for it drives
    /// it, and who waits no longer leaves it for the next.
    fetching: tokio::sync::Mutex<Option<(u64, Fetch)>>,
}

#[derive(Debug, Default)]
struct Fetched {
    /// What was fetched last, and at which version of the tools.
    last: Option<(u64, Arc<Annotated>)>,
    /// The version that could not be fetched, and until when nobody waits for it.
    missed: Option<(u64, Instant)>,
}

impl Tools {
    /// Checks that the headers of a `tools/call` repeat what they have to. Where the tools cannot be
    /// learnt the call goes on, and fails for the same reason or does not.
    ///
    /// # Errors
    /// When a header is missing or differs; when the service cannot be reached.
    pub(super) async fn check(
        &self,
        transport: &StreamTransport,
        route: &Route,
        headers: &HeaderMap,
        params: Option<&Params>,
    ) -> Result<(), Refusal> {
        // First the way to a child that runs: what was known of the one before does not count.
        route.gate.pass().await.map_err(Refusal::Fault)?;
        match self.of(transport, route).await {
            Some(annotated) => repeats(&annotated, headers, params),
            None => Ok(()),
        }
    }

    /// The same with what is known already. For a call that may be carried on: its child may be able to
    /// say nothing before it has the answers that this call brings.
    ///
    /// # Errors
    /// When a header is missing or differs.
    pub(super) fn check_known(
        &self,
        route: &Route,
        headers: &HeaderMap,
        params: Option<&Params>,
    ) -> Result<(), Refusal> {
        match self.known(route).at(route.gate.learnt().tools_version()) {
            Some(annotated) => repeats(&annotated, headers, params),
            None => Ok(()),
        }
    }

    /// Forgets a service.
    pub(crate) fn forget(&self, service: &str) {
        self.services.remove(service);
    }

    async fn of(&self, transport: &StreamTransport, route: &Route) -> Option<Arc<Annotated>> {
        let known = self.known(route);
        let version = route.gate.learnt().tools_version();
        if let Some(annotated) = known.at(version) {
            return Some(annotated);
        }
        // Without patience a fetch that is under way is looked at all the same: it may be done.
        let patience = if known.missed(version) { Duration::ZERO } else { WAIT };
        if timeout(patience, known.fetch(transport, route)).await.is_err() && !patience.is_zero() {
            known.miss(version);
        }
        known.last()
    }

    fn known(&self, route: &Route) -> Arc<Known> {
        let learnt = route.gate.learnt();
        let known = self.services.get(route.gate.service()).map(|known| Arc::clone(&known));
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.of, learnt)) {
            return known;
        }
        let known = Arc::new(Known {
            of: Arc::clone(learnt),
            fetched: RwLock::default(),
            fetching: tokio::sync::Mutex::default(),
        });
        self.services.insert(Arc::clone(route.gate.service()), Arc::clone(&known));
        known
    }
}

impl Known {
    /// Sees to it that the tools are known, if they can be. Cancel safe: what was begun is gone on with
    /// by the next.
    async fn fetch(&self, transport: &StreamTransport, route: &Route) {
        let mut fetching = self.fetching.lock().await;
        let version = self.of.tools_version();
        if self.at(version).is_some() {
            return;
        }
        if fetching.as_ref().is_none_or(|(of, _)| *of != version) {
            *fetching = None;
            if self.missed(version) {
                return;
            }
        }
        let (_, fetch) = fetching.get_or_insert_with(|| (version, fetch::all(transport, route)));
        let found = fetch.await;
        *fetching = None;
        match found {
            Some(annotated) => self.write().last = Some((version, Arc::new(annotated))),
            None => self.miss(version),
        }
    }

    fn at(&self, version: u64) -> Option<Arc<Annotated>> {
        let fetched = self.read();
        fetched.last.as_ref().filter(|(at, _)| *at == version).map(|(_, tools)| Arc::clone(tools))
    }

    /// The tools as they are, or were at last.
    fn last(&self) -> Option<Arc<Annotated>> {
        self.read().last.as_ref().map(|(_, tools)| Arc::clone(tools))
    }

    fn missed(&self, version: u64) -> bool {
        self.read().missed.is_some_and(|(of, until)| of == version && until > Instant::now())
    }

    fn miss(&self, version: u64) {
        self.write().missed = Some((version, Instant::now() + SPARED));
    }

    fn read(&self) -> RwLockReadGuard<'_, Fetched> {
        self.fetched.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Fetched> {
        self.fetched.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn repeats(
    annotated: &Annotated,
    headers: &HeaderMap,
    params: Option<&Params>,
) -> Result<(), Refusal> {
    if annotated.is_empty() {
        return Ok(());
    }
    let name = params.and_then(Params::name);
    let Some(parameters) = name.and_then(|name| annotated.get(&name)) else { return Ok(()) };
    let arguments = params.and_then(Params::arguments);
    repeated::check(headers, parameters, arguments.as_ref())?;
    Ok(())
}
