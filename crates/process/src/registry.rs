//! The table of services.
//!
//! Owns who is known under which name. Everything about a service beyond that is its supervisor's.
//! Nothing in this file waits: a lock on a shard of the table is never held while something else
//! has to happen.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use standpipe_core::connection::{Gate, GateSettings, GateState, gate};
use standpipe_core::fault::FaultKind;
use standpipe_core::service::{ServiceId, ServiceSpec, Sharing};
use standpipe_core::status::ServiceStatus;
use standpipe_metrics::{Metrics, ServiceMetrics};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use crate::marker::RunId;
use crate::service::{Service, shut_down};
use crate::supervisor::{Setup, Supervisor};

/// Commands that may wait for a supervisor; whoever sends more waits.
const COMMAND_QUEUE: usize = 16;

/// The services of one run of Standpipe.
#[derive(Debug)]
pub struct Registry {
    services: DashMap<ServiceId, Service>,
    run: RunId,
    metrics: Arc<Metrics>,
    runtime: Handle,
    tracker: TaskTracker,
}

impl Registry {
    /// An empty table whose services live on `runtime`.
    pub fn new(run: RunId, metrics: Arc<Metrics>, runtime: Handle) -> Self {
        Self { services: DashMap::new(), run, metrics, runtime, tracker: TaskTracker::new() }
    }

    /// The service described by `spec`: the one that is known under its name already, else a new
    /// one. Nothing is started before somebody asks for it.
    pub fn ensure(&self, spec: ServiceSpec) -> Service {
        match self.services.entry(spec.id.clone()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(vacant) => {
                let service = self.found(spec);
                vacant.insert(service.clone());
                service
            }
        }
    }

    /// The service of this name.
    pub fn get(&self, id: &ServiceId) -> Option<Service> {
        self.services.get(id).map(|service| service.clone())
    }

    /// Every service with its status, by name.
    pub fn list(&self) -> Vec<(ServiceId, ServiceStatus)> {
        let services: Vec<Service> = self.services.iter().map(|entry| entry.clone()).collect();
        let mut list: Vec<_> =
            services.iter().map(|service| (service.id().clone(), service.status())).collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        list
    }

    /// The only service, when there is exactly one.
    pub fn only(&self) -> Option<Service> {
        let mut services = self.services.iter();
        match (services.next(), services.next()) {
            (Some(service), None) => Some(service.clone()),
            _ => None,
        }
    }

    /// Ends every service: open calls get `grace` to end, new ones are refused at once. The future
    /// is done when no process of any of them is left. The services stay known: who asks for one
    /// meanwhile is to hear that it is being stopped, not that there is no such service.
    pub fn shutdown(&self, grace: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.tracker.close();
        let services: Vec<Service> = self.services.iter().map(|entry| entry.clone()).collect();
        shut_down(services, grace, self.tracker.clone())
    }

    fn found(&self, spec: ServiceSpec) -> Service {
        let name: Arc<str> = spec.id.to_string().into();
        let settings = GateSettings {
            start_timeout: spec.timeouts.start,
            max_message_bytes: spec.limits.max_message_bytes,
            shared: spec.sharing == Sharing::Shared,
        };
        let (gate, keeper): (Gate, _) = gate(&name, settings);
        let (commands_to, commands) = mpsc::channel(COMMAND_QUEUE);
        let (status_to, status) = watch::channel(ServiceStatus::default());
        let metrics: Arc<ServiceMetrics> = self.metrics.service(&spec.id);
        let spec = Arc::new(spec);
        if self.tracker.is_closed() {
            // Too late to start anything: nobody would end it.
            keeper.set(GateState::Refusing { why: FaultKind::Draining, until: None });
            return Service::new(spec, gate, commands_to, status, metrics);
        }
        let setup = Setup {
            spec: Arc::clone(&spec),
            run: self.run,
            keeper,
            commands,
            status: status_to,
            metrics: Arc::clone(&metrics),
            tracker: self.tracker.clone(),
        };
        self.tracker.spawn_on(Supervisor::new(setup).run(), &self.runtime);
        Service::new(spec, gate, commands_to, status, metrics)
    }
}
