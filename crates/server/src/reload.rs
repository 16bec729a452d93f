//! Reading the configuration again while serving, and doing what has changed.
//!
//! Owns when that happens and what is said about it: on request, and where files are watched when
//! one of them has changed. It must not know signals, nor how a service is ended. It exists because
//! a change to one service is no reason to end the others: what is described as before keeps its
//! process.

mod apply;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;

use standpipe_core::service::ServiceId;
use standpipe_metrics::Reload;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::config::{self, ConfigError, Layers, ReadFile, ReadOnce, Reading, Settings};

/// What is needed of the start to read the configuration again.
#[derive(Debug)]
pub struct Origin {
    /// Where it came from.
    pub layers: Layers,
    /// The files that were read, and how they looked.
    pub files: Vec<ReadFile>,
    /// Whether to look out for changes of these.
    pub watch: bool,
}

/// Asks for a reload. Cheap to clone; requests that come while one waits are one.
#[derive(Debug, Clone, Default)]
pub struct ReloadRequests(Arc<Notify>);

impl ReloadRequests {
    /// The configuration is to be read again, soon.
    pub fn ask(&self) {
        self.0.notify_one();
    }
}

/// The task that reloads.
#[derive(Debug)]
pub struct Reloader {
    app: Arc<App>,
    origin: Origin,
    read_once: ReadOnce,
    /// The services that the files describe, whoever describes them otherwise by now.
    described: BTreeSet<ServiceId>,
    /// Where the ends of services are waited for.
    tasks: TaskTracker,
}

/// Why the configuration is read again.
#[derive(Debug, Clone, Copy)]
enum Cause {
    Asked,
    FileChanged,
}

impl Reloader {
    /// A task for what was read as `settings` from `origin`, and is served by `app`.
    pub fn new(app: Arc<App>, origin: Origin, settings: &Settings, tasks: TaskTracker) -> Self {
        Self {
            app,
            origin,
            read_once: settings.read_once.clone(),
            described: settings.services.iter().map(|service| service.spec.id.clone()).collect(),
            tasks,
        }
    }

    /// Reloads whenever it is asked for, until `ending`. A reload is never left half done.
    pub async fn run(mut self, requests: ReloadRequests, ending: CancellationToken) {
        loop {
            // Cancel safe: a request is kept, and files are looked at anew.
            let cause = tokio::select! {
                () = ending.cancelled() => return,
                () = requests.0.notified() => Cause::Asked,
                () = watch::changed(&self.origin.files), if self.origin.watch => Cause::FileChanged,
            };
            let Some(reading) = ending.run_until_cancelled(self.read()).await else {
                return;
            };
            self.take(reading, cause);
        }
    }

    /// On a thread where it may block: files may be far away, and host names have to be resolved.
    async fn read(&self) -> Reading {
        let layers = self.origin.layers.clone();
        let read = tokio::task::spawn_blocking(move || config::read_layers(&layers)).await;
        match read {
            Ok(reading) => reading,
            // Only where the runtime is going down, and we with it.
            Err(_) => std::future::pending().await,
        }
    }

    fn take(&mut self, reading: Reading, cause: Cause) {
        self.origin.files = reading.files;
        let outcome = match reading.settings {
            Ok(settings) => self.apply(settings, cause),
            Err(error) => {
                refuse(&error);
                Reload::Rejected
            }
        };
        self.app.metrics.config_reloaded(outcome);
    }
}

/// One line for each mistake, in the words of `config check`.
fn refuse(error: &ConfigError) {
    const STAYS: &str = "the configuration was not reloaded; what was read before stays in force";
    if let ConfigError::Mistakes(mistakes) = error {
        for mistake in mistakes {
            tracing::error!(%mistake, "{STAYS}");
        }
        return;
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    tracing::error!(mistake = text, "{STAYS}");
}
