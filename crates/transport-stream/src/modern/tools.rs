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
use std::sync::{Arc, PoisonError, RwLock};

use dashmap::DashMap;
use http::HeaderMap;
use standpipe_core::learnt::Learnt;
use standpipe_core::message::Params;

use self::schema::Parameter;
use crate::refusal::Refusal;
use crate::transport::{Route, StreamTransport};

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
    /// What was fetched last, and at which version of the tools.
    fetched: RwLock<Option<(u64, Arc<Annotated>)>>,
    /// Held while they are fetched, so that this is done once.
    fetching: tokio::sync::Mutex<()>,
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
        let Some(annotated) = self.of(transport, route).await else { return Ok(()) };
        if annotated.is_empty() {
            return Ok(());
        }
        let name = params.and_then(Params::name);
        let Some(parameters) = name.and_then(|name| annotated.get(&name)) else { return Ok(()) };
        let arguments = params.and_then(Params::arguments);
        repeated::check(headers, parameters, arguments.as_ref())?;
        Ok(())
    }

    /// Forgets a service.
    pub(crate) fn forget(&self, service: &str) {
        self.services.remove(service);
    }

    async fn of(&self, transport: &StreamTransport, route: &Route) -> Option<Arc<Annotated>> {
        let known = self.known(route);
        let learnt = route.gate.learnt();
        if let Some(annotated) = known.at(learnt.tools_version()) {
            return Some(annotated);
        }
        let _fetching = known.fetching.lock().await;
        let version = learnt.tools_version();
        if let Some(annotated) = known.at(version) {
            return Some(annotated);
        }
        let annotated = Arc::new(fetch::all(transport, route).await?);
        let fetched = (version, Arc::clone(&annotated));
        *known.fetched.write().unwrap_or_else(PoisonError::into_inner) = Some(fetched);
        Some(annotated)
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
    fn at(&self, version: u64) -> Option<Arc<Annotated>> {
        let fetched = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        fetched.as_ref().filter(|(at, _)| *at == version).map(|(_, tools)| Arc::clone(tools))
    }
}
