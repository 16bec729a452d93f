//! A registry of its own for each test, and what can be waited for.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use standpipe_core::service::{RestartSettings, ServiceId, ServiceSpec};
use standpipe_core::status::{Phase, ServiceStatus};
use standpipe_metrics::Metrics;
use standpipe_process::{Registry, RunId, Service};
use standpipe_testkit::{Process, fixture_path, nasty_path, processes_marked};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

/// Longer than anything takes, on however slow a machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) metrics: Arc<Metrics>,
    name: String,
}

impl World {
    pub(crate) fn new() -> Self {
        static WORLDS: AtomicUsize = AtomicUsize::new(0);
        let metrics = Metrics::new("test");
        let run = RunId::of_this_process();
        let registry = Registry::new(run, Arc::clone(&metrics), Handle::current());
        let name = format!("w{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        Self { registry, metrics, name }
    }

    /// A service on the well-behaved server.
    pub(crate) fn fixture(&self, change: impl FnOnce(&mut ServiceSpec)) -> Service {
        self.service(fixture_path(), &[], change)
    }

    /// A service on a server with a fault.
    pub(crate) fn nasty(&self, fault: &[&str], change: impl FnOnce(&mut ServiceSpec)) -> Service {
        self.service(nasty_path(), fault, change)
    }

    pub(crate) fn service(
        &self,
        command: impl Into<PathBuf>,
        args: &[&str],
        change: impl FnOnce(&mut ServiceSpec),
    ) -> Service {
        let id = ServiceId::new(&self.name).unwrap();
        let mut spec = ServiceSpec::new(id, command.into());
        spec.args = args.iter().map(Into::into).collect();
        spec.restart = quick();
        change(&mut spec);
        spec.validate().unwrap();
        self.registry.ensure(spec)
    }

    /// The processes of this world's service.
    pub(crate) fn processes(&self) -> Vec<Process> {
        processes_of(&self.name)
    }

    /// Drops the registry, and leaves the means to look at the processes.
    pub(crate) fn forget(self) -> impl Fn() -> Vec<Process> {
        let name = self.name;
        move || processes_of(&name)
    }

    /// The value of a series of this world's service.
    pub(crate) fn counted(&self, series: &str, label: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find(|line| {
            line.starts_with(&format!("standpipe_{series}{{")) && line.contains(label)
        });
        let line = line.unwrap_or_else(|| panic!("no {series} with {label} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Ends everything and looks for what is left.
    pub(crate) async fn end(self) {
        self.registry.shutdown(Duration::ZERO).await;
        assert_eq!(self.processes(), [], "nothing is left");
    }
}

fn processes_of(service: &str) -> Vec<Process> {
    processes_marked(&format!("{}/{service}/", RunId::of_this_process()))
}

/// Restarts without long pauses.
pub(crate) fn quick() -> RestartSettings {
    RestartSettings {
        backoff_min: Duration::from_millis(20),
        backoff_max: Duration::from_millis(100),
        cooldown: Duration::from_millis(20),
        ..RestartSettings::default()
    }
}

/// Waits until the status is as wanted.
pub(crate) async fn status_where(
    service: &Service,
    wanted: impl Fn(&ServiceStatus) -> bool,
) -> ServiceStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = service.status();
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < end, "the status stays {status:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn phase(service: &Service, phase: Phase) -> ServiceStatus {
    status_where(service, |status| status.phase == phase).await
}

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Looks at the status all the time until it is dropped, and fails where more processes run.
pub(crate) struct AtMost(tokio::task::JoinHandle<()>);

impl AtMost {
    pub(crate) fn instances(service: &Service, most: usize) -> Self {
        let service = service.clone();
        Self(tokio::spawn(async move {
            loop {
                let status = service.status();
                assert!(status.instances <= most, "{status:?}");
                sleep(Duration::from_millis(1)).await;
            }
        }))
    }

    /// Ends the watch.
    pub(crate) async fn held(self) {
        self.0.abort();
        assert!(self.0.await.unwrap_err().is_cancelled(), "there were more");
    }
}
