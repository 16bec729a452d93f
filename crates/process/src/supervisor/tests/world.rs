//! A service on fake children, and what can be asked of it.

use std::sync::Arc;
use std::time::Duration;

use standpipe_core::service::{ServiceId, ServiceSpec};
use standpipe_core::status::{Phase, ServiceStatus};
use standpipe_metrics::Metrics;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::caller::{Answer, Caller};
use super::fake::{Fakes, Stage};
use crate::marker::RunId;
use crate::registry::Registry;
use crate::service::Service;

/// Nothing takes as long as this; passes at once when nothing else happens.
pub(super) const EVER: Duration = Duration::from_hours(24);

/// Between two looks at a status.
const STEP: Duration = Duration::from_millis(5);

pub(super) struct World {
    pub(super) registry: Registry,
    pub(super) metrics: Arc<Metrics>,
    pub(super) fakes: Arc<Fakes>,
    pub(super) service: Service,
}

impl World {
    /// A service with the default settings but for what `change` makes of them.
    pub(super) fn new(change: impl FnOnce(&mut ServiceSpec)) -> Self {
        Self::with_at_most(1, change)
    }

    /// One whose children are at most so many at the same time.
    pub(super) fn with_at_most(most: usize, change: impl FnOnce(&mut ServiceSpec)) -> Self {
        let metrics = Metrics::new("test");
        let fakes = Fakes::at_most(most);
        let stage = Arc::new(Stage(Arc::clone(&fakes)));
        let run = RunId::of_this_process();
        let registry = Registry::new(run, Arc::clone(&metrics), Handle::current());
        let registry = registry.launching_with(stage);
        let mut spec = Self::spec();
        change(&mut spec);
        spec.validate().unwrap();
        let service = registry.ensure(spec);
        Self { registry, metrics, fakes, service }
    }

    pub(super) fn spec() -> ServiceSpec {
        ServiceSpec::new(ServiceId::new("s").unwrap(), "fake")
    }

    pub(super) fn status(&self) -> ServiceStatus {
        self.service.status()
    }

    pub(super) fn phase(&self) -> Phase {
        self.status().phase
    }

    pub(super) async fn open(&self) -> Arc<Caller> {
        Caller::open(&self.service, 0).await.unwrap()
    }

    /// What somebody is told who comes now, and after how long.
    pub(super) async fn come(&self) -> (Answer, Duration) {
        let began = Instant::now();
        let come = async { Caller::open(&self.service, 0).await?.call("echo", "{}").await };
        let answer = timeout(EVER, come).await.expect("nobody waits for ever");
        (answer, began.elapsed())
    }

    /// Waits until the status is as wanted.
    pub(super) async fn until(&self, wanted: impl Fn(&ServiceStatus) -> bool) -> ServiceStatus {
        let end = Instant::now() + Duration::from_hours(1);
        loop {
            let status = self.status();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < end, "the status stays {status:?}");
            sleep(STEP).await;
        }
    }

    pub(super) async fn until_phase(&self, phase: Phase) -> ServiceStatus {
        self.until(|status| status.phase == phase).await
    }

    /// The value of a series.
    pub(super) fn counted(&self, series: &str, label: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find(|line| {
            line.starts_with(&format!("standpipe_{series}{{")) && line.contains(label)
        });
        let line = line.unwrap_or_else(|| panic!("no {series} with {label} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Ends everything, and looks for what is left and for what went wrong.
    pub(super) async fn end(self) {
        let shutdown = self.registry.shutdown(Duration::ZERO);
        timeout(EVER, shutdown).await.expect("the shutdown ends");
        assert_eq!(self.phase(), Phase::Stopped);
        assert!(self.fakes.alive().is_empty(), "nothing is left");
        assert_eq!(self.fakes.wrongs(), Vec::<String>::new());
        drop((self.registry, self.service));
        settle().await;
        // The future of the test itself is not one of them.
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "no task is left");
    }
}

/// Lets everybody do what can be done without time passing, and a millisecond.
pub(super) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}
