//! The table of services.
//!
//! Owns who is known under which name. Everything about a service beyond that is its supervisor's.
//! Nothing in this file waits: a lock on a shard of the table is never held while something else
//! has to happen.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use rustc_hash::FxBuildHasher;
use standpipe_core::connection::{Gate, GateSettings, GateState, gate};
use standpipe_core::fault::FaultKind;
use standpipe_core::service::{ServiceId, ServiceSpec};
use standpipe_core::status::ServiceStatus;
use standpipe_metrics::{Metrics, ServiceMetrics};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use crate::cache::{CacheSettings, ConfigCache, ConfigSource, Described};
use crate::cgroup::ControlGroups;
use crate::journal::Journal;
use crate::life::{Launcher, Processes};
use crate::marker::{Markers, RunId};
use crate::published::Published;
use crate::service::{Service, Shared, shut_down};
use crate::supervisor::{Setup, Supervisor};

/// Commands that may wait for a supervisor; whoever sends more waits.
const COMMAND_QUEUE: usize = 16;

/// The services of one run of Standpipe.
#[derive(Debug)]
pub struct Registry {
    /// Their names are the operator's.
    services: DashMap<ServiceId, Service, FxBuildHasher>,
    cache: ConfigCache,
    launcher: Arc<dyn Launcher>,
    run: RunId,
    markers: Arc<Markers>,
    metrics: Arc<Metrics>,
    /// Services are dealt out among these, in turn.
    runtimes: Vec<Handle>,
    turn: AtomicUsize,
    /// Counts what is put into the table and taken out.
    changes: AtomicU64,
    /// The only service there is, if there is one, after so many changes.
    only: Mutex<(u64, Option<Service>)>,
    tracker: TaskTracker,
    /// Turns `Some` at the shutdown, for services that left the table and are still ending.
    hurry: watch::Sender<Option<Duration>>,
}

/// What became of a new description; see [`Registry::replace`].
#[derive(Debug, Clone)]
pub enum Replacement {
    /// No service of this name was known.
    New(Service),
    /// The known one is described in the very same way: it goes on, with the same processes.
    Unchanged(Service),
    /// The known one is being ended.
    Replaced {
        /// The service that is known from now on.
        new: Service,
        /// The one that ends; [`Service::ended`] waits for it.
        old: Service,
    },
    /// The known one was described by a source that takes precedence: it goes on.
    Outranked(Service),
}

impl Replacement {
    /// The service that is known under the name now.
    pub fn service(&self) -> &Service {
        match self {
            Self::New(service) | Self::Unchanged(service) | Self::Outranked(service) => service,
            Self::Replaced { new, .. } => new,
        }
    }
}

impl Registry {
    /// An empty table whose services live on `runtime`.
    pub fn new(run: RunId, metrics: Arc<Metrics>, runtime: Handle) -> Self {
        Self::with_cache(run, metrics, vec![runtime], CacheSettings::default())
    }

    /// The same, with services dealt out among `runtimes`, each of which has all of what belongs to
    /// its services; and with a cache of descriptions that is not the default one.
    ///
    /// # Panics
    /// When there is no runtime.
    pub fn with_cache(
        run: RunId,
        metrics: Arc<Metrics>,
        runtimes: Vec<Handle>,
        cache: CacheSettings,
    ) -> Self {
        assert!(!runtimes.is_empty(), "services live on a runtime");
        Self {
            services: DashMap::default(),
            cache: ConfigCache::new(cache, Arc::clone(&metrics)),
            launcher: Arc::new(Processes::default()),
            run,
            markers: Arc::default(),
            metrics,
            runtimes,
            turn: AtomicUsize::new(0),
            changes: AtomicU64::new(0),
            only: Mutex::new((0, None)),
            tracker: TaskTracker::new(),
            hurry: watch::Sender::new(None),
        }
    }

    /// The same, with children in control groups where there are any.
    #[must_use]
    pub fn in_groups(self, groups: Option<ControlGroups>) -> Self {
        Self { launcher: Arc::new(Processes { groups: groups.map(Arc::new) }), ..self }
    }

    /// The same, with children that `launcher` starts.
    #[cfg(test)]
    pub(crate) fn launching_with(self, launcher: Arc<dyn Launcher>) -> Self {
        Self { launcher, ..self }
    }

    /// The service described by `spec` in a file: the one that is known under its name already,
    /// else a new one. Nothing is started before somebody asks for it.
    pub fn ensure(&self, spec: ServiceSpec) -> Service {
        self.ensure_from(Described { spec: Arc::new(spec), source: ConfigSource::File })
    }

    fn ensure_from(&self, described: Described) -> Service {
        match self.services.entry(described.spec.id.clone()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(vacant) => {
                self.cache.put(&described);
                let service = self.found(described, 0, Arc::default());
                vacant.insert(service.clone());
                self.changed();
                service
            }
        }
    }

    /// The service of this name, for a request: where its process was stopped, or where it was
    /// cleaned up, its description comes from the cache and the request may start it again.
    pub fn get(&self, id: &ServiceId) -> Option<Service> {
        let Some(service) = self.find(id) else {
            return self.cache.get(id).map(|described| self.ensure_from(described));
        };
        self.woken(&service);
        Some(service)
    }

    /// The service that a request names, if it is in the table: as [`get`](Self::get), without the
    /// making of an id. What is not there may still be a name.
    pub fn get_named(&self, name: &str) -> Option<Service> {
        let service = self.services.get(name)?.clone();
        self.woken(&service);
        Some(service)
    }

    /// The service of this name if it is in the table, for those who only want to look.
    pub fn find(&self, id: &ServiceId) -> Option<Service> {
        self.services.get(id).map(|service| service.clone())
    }

    /// Every service with its status, by name.
    pub fn list(&self) -> Vec<(ServiceId, ServiceStatus)> {
        let mut list: Vec<_> =
            self.all().iter().map(|service| (service.id().clone(), service.status())).collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        list
    }

    /// Has every service probed of which it is not known well enough how it is; see
    /// [`Service::check_health`].
    pub fn check_health(&self) {
        for service in self.all() {
            service.check_health();
        }
    }

    /// The only service, when there is exactly one, for a request.
    pub fn only(&self) -> Option<Service> {
        let service = self.find_only()?;
        self.woken(&service);
        Some(service)
    }

    /// To look through the table takes every shard's lock, which is too much for every request.
    fn find_only(&self) -> Option<Service> {
        let mut known = self.only.lock().unwrap_or_else(PoisonError::into_inner);
        // Read before the table: a change in between is seen the next time.
        let changes = self.changes.load(Ordering::Acquire);
        if known.0 != changes {
            let mut services = self.services.iter();
            let only = match (services.next(), services.next()) {
                (Some(service), None) => Some(service.clone()),
                _ => None,
            };
            *known = (changes, only);
        }
        known.1.clone()
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Describes a service anew. A known one is ended, unless it is described in the same way or by
    /// a source that takes precedence: its open calls get `grace` to end, its sessions have to begin
    /// anew, and the new one serves from this moment on.
    pub fn replace(&self, spec: ServiceSpec, source: ConfigSource, grace: Duration) -> Replacement {
        let described = Described { spec: Arc::new(spec), source };
        match self.services.entry(described.spec.id.clone()) {
            Entry::Vacant(vacant) => {
                self.cache.put(&described);
                let new = self.found(described, 0, Arc::default());
                vacant.insert(new.clone());
                self.changed();
                Replacement::New(new)
            }
            Entry::Occupied(known) if known.get().source() > source => {
                Replacement::Outranked(known.get().clone())
            }
            Entry::Occupied(known) if known.get().spec() == &*described.spec => {
                Replacement::Unchanged(known.get().clone())
            }
            Entry::Occupied(mut known) => {
                self.cache.put(&described);
                let journal = Arc::clone(known.get().journal());
                let new = self.found(described, known.get().processes(), journal);
                let old = known.insert(new.clone());
                self.changed();
                self.part_from(&old, grace);
                Replacement::Replaced { new, old }
            }
        }
    }

    /// Forgets a service and its description, and ends it; its open calls get `grace` to end.
    /// [`Service::ended`] waits for that.
    pub fn remove(&self, id: &ServiceId, grace: Duration) -> Option<Service> {
        self.cache.forget(id);
        let (_, service) = self.services.remove(id)?;
        self.changed();
        self.part_from(&service, grace);
        Some(service)
    }

    /// Removes a service that `source` does not describe any more, unless another source has
    /// described it since. Its open calls get `grace` to end; [`Service::ended`] waits for that.
    pub fn withdraw(
        &self,
        id: &ServiceId,
        source: ConfigSource,
        grace: Duration,
    ) -> Option<Service> {
        self.cache.forget_from(id, source);
        let (_, service) = self.services.remove_if(id, |_, known| known.source() == source)?;
        self.changed();
        self.part_from(&service, grace);
        Some(service)
    }

    /// Takes a service out of the table and ends it, but keeps its description for a while: the next
    /// request for its name brings it back. Only this very service: `false` when it has been replaced
    /// or removed meanwhile.
    pub fn clean_up(&self, service: &Service, grace: Duration) -> bool {
        let is_it = |_: &ServiceId, known: &Service| known.same_as(service);
        if self.services.remove_if(service.id(), is_it).is_none() {
            return false;
        }
        self.changed();
        self.cache.put(&described(service));
        self.part_from(service, grace);
        true
    }

    /// Ends every service: open calls get `grace` to end, new ones are refused at once. The future
    /// is done when no process of any of them is left. The services stay known: who asks for one
    /// meanwhile is to hear that it is being stopped, not that there is no such service.
    pub fn shutdown(&self, grace: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.tracker.close();
        self.hurry.send_replace(Some(grace));
        shut_down(self.all(), grace, self.tracker.clone())
    }

    /// No lock is held for longer than copying one shard's handles takes.
    fn all(&self) -> Vec<Service> {
        self.services.iter().map(|entry| entry.clone()).collect()
    }

    /// A request has come for a service that is known. Where its process was stopped, its
    /// description is looked up like that of one that was cleaned up; the table's own is the one of
    /// last resort.
    fn woken(&self, service: &Service) {
        if service.wakes() && self.cache.get(service.id()).is_none() {
            self.cache.put(&described(service));
        }
    }

    fn part_from(&self, service: &Service, grace: Duration) {
        let leaving = service.clone().leave(grace, self.hurry.subscribe());
        self.tracker.spawn_on(leaving, self.next_runtime());
    }

    fn found(&self, described: Described, processes: u64, journal: Arc<Journal>) -> Service {
        let Described { spec, source } = described;
        let name: Arc<str> = spec.id.to_string().into();
        let settings = GateSettings {
            start_timeout: spec.timeouts.start,
            max_message_bytes: spec.limits.max_message_bytes,
            question_timeout: spec.timeouts.question,
        };
        let (gate, keeper): (Gate, _) = gate(&name, settings);
        let (commands_to, commands) = mpsc::channel(COMMAND_QUEUE);
        let status = ServiceStatus { generation: processes, ..ServiceStatus::default() };
        let first = Published { status, ..Published::default() };
        let (published_to, published) = watch::channel(first);
        let metrics: Arc<ServiceMetrics> = self.metrics.service(&spec.id);
        let rests = Arc::new(AtomicBool::new(false));
        let shared = Shared {
            spec: Arc::clone(&spec),
            source,
            gate,
            commands: commands_to,
            published,
            metrics: Arc::clone(&metrics),
            journal: Arc::clone(&journal),
            rests: Arc::clone(&rests),
        };
        if self.tracker.is_closed() {
            // Too late to start anything: nobody would end it.
            keeper.set(GateState::Refusing { why: FaultKind::Draining, until: None });
            return Service::new(shared);
        }
        let setup = Setup {
            launcher: Arc::clone(&self.launcher),
            spec,
            run: self.run,
            markers: Arc::clone(&self.markers),
            processes,
            keeper,
            commands,
            published: published_to,
            metrics,
            journal,
            rests,
            tracker: self.tracker.clone(),
        };
        self.tracker.spawn_on(Supervisor::new(setup).run(), self.next_runtime());
        Service::new(shared)
    }

    fn next_runtime(&self) -> &Handle {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.runtimes[turn % self.runtimes.len()]
    }
}

fn described(service: &Service) -> Described {
    Described { spec: Arc::clone(service.shared_spec()), source: service.source() }
}
