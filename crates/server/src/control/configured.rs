//! What is known of services beyond what the registry holds: how they were written, and what holds
//! where an entry says nothing.
//!
//! Owns these two, which change with a reload. It must not hold an expanded secret for longer than the
//! registry does. It exists because a service's arguments have their references replaced: to show them
//! safely, the texts from before are needed.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use standpipe_core::service::{ServiceId, ServiceSpec};
use standpipe_process::{ConfigSource, Registry, Service};

use crate::config::{self, Settings, Tuning, Written};

/// What the configuration says; see the module.
#[derive(Debug)]
pub struct Configured(RwLock<Inner>);

#[derive(Debug)]
struct Inner {
    tuning: Tuning,
    services: HashMap<ServiceId, config::Service>,
}

impl Configured {
    /// Where `settings` do not name one of the services in `registry`, it comes from the command line,
    /// where nothing is replaced.
    pub fn new(settings: &Settings, registry: &Registry) -> Self {
        let mut inner = Inner::of(settings);
        for service in registry.list().iter().filter_map(|(id, _)| registry.find(id)) {
            let spec = service.spec();
            inner
                .services
                .entry(spec.id.clone())
                .or_insert_with(|| config::Service { spec: spec.clone(), written: literal(spec) });
        }
        Self(RwLock::new(inner))
    }

    /// The configuration was read again.
    pub fn update(&self, settings: &Settings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Inner::of(settings);
    }

    /// What holds for an entry that says nothing else.
    pub(super) fn tuning(&self) -> Tuning {
        self.0.read().unwrap_or_else(PoisonError::into_inner).tuning.clone()
    }

    /// The texts of a service as they were written; `None` where they are not known, and its
    /// arguments may contain anything.
    pub(super) fn written(&self, service: &Service) -> Option<Written> {
        let spec = service.spec();
        match service.source() {
            // References were refused.
            ConfigSource::ControlPlane => Some(literal(spec)),
            ConfigSource::File => {
                let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
                let known = inner.services.get(&spec.id).filter(|known| known.spec == *spec);
                known.map(|known| known.written.clone())
            }
            ConfigSource::Request => None,
        }
    }
}

impl Inner {
    fn of(settings: &Settings) -> Self {
        let services = settings.services.iter();
        Self {
            tuning: settings.tuning.clone(),
            services: services.map(|service| (service.spec.id.clone(), service.clone())).collect(),
        }
    }
}

fn literal(spec: &ServiceSpec) -> Written {
    let text = |text: &std::ffi::OsString| text.to_string_lossy().into_owned();
    Written {
        command: text(&spec.command),
        args: spec.args.iter().map(text).collect(),
        cwd: spec.cwd.as_ref().map(|cwd| cwd.to_string_lossy().into_owned()),
    }
}
