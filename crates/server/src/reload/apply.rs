//! From a new configuration to the services it describes.
//!
//! Owns the comparison of old and new, and what is told of it. It must not know where the
//! configuration came from.

use std::collections::BTreeSet;
use std::time::Duration;

use standpipe_core::service::{ServiceId, ServiceSpec};
use standpipe_metrics::Reload;
use standpipe_process::{ConfigSource, Replacement, Service};

use super::{Cause, Reloader};
use crate::config::Settings;

/// What became of the services.
#[derive(Debug, Default)]
struct Tally {
    added: usize,
    changed: usize,
    removed: usize,
    unchanged: usize,
    outranked: usize,
}

impl Reloader {
    /// Does what has changed. Waits for nothing.
    pub(super) fn apply(&mut self, settings: Settings, cause: Cause) -> Reload {
        for key in self.read_once.differing(&settings.read_once) {
            tracing::warn!(key, "this setting has changed, which takes a restart of Standpipe");
        }
        // Before, so that no arguments are shown by texts that are not theirs.
        self.app.configured.update(&settings);
        let specs: Vec<_> = settings.services.into_iter().map(|service| service.spec).collect();
        if specs.is_empty() && !self.described.is_empty() {
            tracing::warn!("the configuration names no service under `mcpServers` any more");
        }
        let now: BTreeSet<_> = specs.iter().map(|spec| spec.id.clone()).collect();
        let mut tally = Tally::default();
        // Those that go leave room for those that come.
        for id in self.described.difference(&now) {
            self.remove(id, &mut tally);
        }
        for spec in specs {
            self.put(spec, &mut tally);
        }
        self.described = now;
        let Tally { added, changed, removed, unchanged, outranked } = tally;
        let cause = match cause {
            Cause::Asked => "asked for",
            Cause::FileChanged => "a file has changed",
        };
        tracing::info!(
            cause,
            added,
            changed,
            removed,
            unchanged,
            outranked,
            "the configuration was reloaded"
        );
        if added + changed + removed > 0 { Reload::Applied } else { Reload::Unchanged }
    }

    fn put(&self, spec: ServiceSpec, tally: &mut Tally) {
        let id = spec.id.clone();
        let grace = self.grace_of(&id);
        match self.app.registry.replace(spec, ConfigSource::File, grace) {
            Replacement::New(_) => {
                tracing::info!(service = %id, "a new service; its first request starts it");
                tally.added += 1;
            }
            Replacement::Unchanged(_) => tally.unchanged += 1,
            Replacement::Replaced { old, .. } => {
                tracing::info!(
                    service = %id,
                    "the service is described anew; the process of before ends with its last call"
                );
                self.see_off(old);
                tally.changed += 1;
            }
            Replacement::Outranked(_) => {
                tracing::warn!(
                    service = %id,
                    "the service was described through the control plane, which goes before files"
                );
                tally.outranked += 1;
            }
        }
    }

    fn remove(&self, id: &ServiceId, tally: &mut Tally) {
        let grace = self.grace_of(id);
        match self.app.registry.withdraw(id, ConfigSource::File, grace) {
            Some(service) => {
                tracing::info!(service = %id, "the service is removed; it ends with its last call");
                self.see_off(service);
                tally.removed += 1;
            }
            None => {
                tracing::info!(service = %id, "files do not describe this service any more");
            }
        }
    }

    /// Every call of a service ends within this time.
    fn grace_of(&self, id: &ServiceId) -> Duration {
        let known = self.app.registry.find(id);
        known.map(|service| service.spec().timeouts.request_max).unwrap_or_default()
    }

    /// Waits for the end of a service that is known no more, and says goodbye to its clients.
    fn see_off(&self, service: Service) {
        let app = std::sync::Arc::clone(&self.app);
        self.tasks.spawn(async move { app.see_off(&service).await });
    }
}
