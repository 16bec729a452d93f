//! The table of a service's instances, each with its child if it has one.
//!
//! Owns how an instance is made and how it gets a child, at most one at a time. Must not decide
//! when.

use std::sync::Arc;

use standpipe_core::connection::{Input, Session, inbox};
use standpipe_core::id::Principal;
use standpipe_core::mux::{Mux, MuxSettings, Role};
use standpipe_core::service::Interactive;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Span;

use super::probe::Probes;
use super::side::Side;
use super::{Supervisor, inbox_limits};
use crate::instance::{Activity, Instance, InstanceKey, InstanceTask, control_channel};
use crate::journal::JournalPen;
use crate::life::{Plan, StopReason, live};
use crate::marker::InstanceMarker;
use crate::published::Gauge;

/// An instance as its supervisor sees it.
pub(super) struct Held {
    pub(super) instance: Instance,
    pub(super) kind: Kind,
    pub(super) life: Option<Living>,
    /// Inputs that wait until it serves.
    pub(super) waiting: Vec<Input>,
    /// Another child is to follow the one that is ending.
    pub(super) again: bool,
    pub(super) made: Instant,
    pub(super) probes: Probes,
    /// When it last became ready or was given something: what its task knows of that comes later.
    touched: Instant,
}

/// What an instance is for.
pub(super) enum Kind {
    /// All sessions of the service.
    Main,
    /// One session from its beginning to its end.
    Own(Arc<Session>),
    /// One principal's modern requests, where sessions have a process each.
    Principal(Principal),
    /// One session's, or one principal's, calls that ask questions.
    Side(Side),
}

/// A child, from the decision to start it until nothing of it is left.
pub(super) struct Living {
    pub(super) generation: u64,
    pub(super) pid: Option<u32>,
    /// It has served, and does so unless it is on its way out.
    pub(super) ready: bool,
    /// It has ended or has to, and what follows from that is decided.
    pub(super) ended: bool,
    task: tokio::task::Id,
    stop: watch::Sender<Option<StopReason>>,
}

impl Held {
    /// Whether it has a child, in whatever state.
    pub(super) fn lives(&self) -> bool {
        self.life.is_some()
    }

    /// Whether something can be sent to it.
    pub(super) fn is_ready(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.ready) && !self.is_leaving()
    }

    /// Whether its child is on its way out.
    pub(super) fn is_leaving(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.ended || life.stop.borrow().is_some())
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.life.as_ref()?.pid
    }

    /// Tells its child to end. The first reason counts, but for one that may be withdrawn.
    pub(super) fn stop(&self, reason: StopReason) {
        if let Some(life) = &self.life {
            life.stop.send_if_modified(|stop| {
                let counts = matches!(stop, None | Some(StopReason::Idle));
                if counts {
                    *stop = Some(reason);
                }
                counts
            });
        }
    }

    /// Withdraws that it is stopped as unused. `false` when it has to end for another reason.
    pub(super) fn keep(&self) -> bool {
        let Some(life) = &self.life else { return false };
        life.stop.send_if_modified(|stop| {
            let idle = *stop == Some(StopReason::Idle);
            if idle {
                *stop = None;
            }
            idle
        })
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.instance.activity
    }

    pub(super) fn last_used(&self) -> Instant {
        self.activity().last_used(self.made).max(self.touched)
    }

    /// Its counters, for the status.
    pub(super) fn gauge(&self) -> Gauge {
        let counts_sessions = match &self.kind {
            Kind::Main | Kind::Own(_) | Kind::Principal(_) => true,
            Kind::Side(side) => side.is_dedicated(),
        };
        Gauge { activity: Arc::clone(&self.instance.activity), made: self.made, counts_sessions }
    }

    pub(super) fn touch(&mut self) {
        self.touched = Instant::now();
    }

    /// Passes an input on, now or when it serves.
    pub(super) fn give(&mut self, input: Input) {
        self.touch();
        if self.is_ready() {
            self.instance.inbox.forward(input);
        } else {
            self.waiting.push(input);
        }
    }
}

impl Supervisor {
    /// Makes an instance without a child.
    pub(super) fn make(&mut self, kind: Kind, role: Role) -> InstanceKey {
        let spec = &self.setup.spec;
        let key = InstanceKey(self.next_key);
        self.next_key += 1;
        let (inbox, deliveries) = inbox(&self.name, inbox_limits(spec));
        let (control_to, control) = control_channel();
        let settings = MuxSettings {
            service: Arc::clone(&self.name),
            start_timeout: spec.timeouts.start,
            request_timeout: spec.timeouts.request,
            request_max: spec.timeouts.request_max.max(spec.timeouts.request),
            question_timeout: spec.timeouts.question,
            max_message_bytes: spec.limits.max_message_bytes,
            interactive: spec.interactive == Interactive::Auto,
            era: spec.era,
        };
        let made = Instant::now();
        let activity = Arc::new(Activity::default());
        let task = InstanceTask {
            key,
            mux: Mux::new(settings, role, inbox.clone(), Arc::clone(&self.learnt), made),
            deliveries,
            control,
            activity: Arc::clone(&activity),
            made,
            hands_back: matches!(kind, Kind::Main | Kind::Principal(_)),
            reports: self.reports.writer(),
            metrics: Arc::clone(&self.setup.metrics),
            child: None,
        };
        self.setup.tracker.spawn(task.run());
        let instance = Instance { key, inbox, control: control_to, activity };
        let held = Held {
            instance,
            kind,
            life: None,
            waiting: Vec::new(),
            again: false,
            made,
            probes: Probes::default(),
            touched: made,
        };
        self.instances.insert(key, held);
        key
    }

    /// Gives an instance a child. Each child of the service has a generation of its own, so that
    /// what comes late from one is not taken for its successor's.
    pub(super) fn begin(&mut self, key: InstanceKey) {
        let Some(held) = self.instances.get_mut(&key) else {
            return;
        };
        debug_assert!(held.life.is_none(), "at most one child per instance");
        self.processes += 1;
        let generation = self.setup.markers.next();
        let (stop_to, stop) = watch::channel(None);
        let plan = Plan {
            launcher: Arc::clone(&self.setup.launcher),
            spec: Arc::clone(&self.setup.spec),
            marker: InstanceMarker::new(self.setup.run, Arc::clone(&self.name), generation),
            instance: held.instance.clone(),
            metrics: Arc::clone(&self.setup.metrics),
            journal: JournalPen::new(Arc::clone(&self.setup.journal), self.processes),
            tracker: self.setup.tracker.clone(),
            stop,
            news: self.news.writer(),
            cause: Span::current(),
        };
        let task = self.lives.spawn(live(plan)).id();
        held.life =
            Some(Living { generation, pid: None, ready: false, ended: false, task, stop: stop_to });
    }

    /// Whose life this task was.
    pub(super) fn living(&self, task: tokio::task::Id) -> Option<InstanceKey> {
        let of_task = |held: &Held| held.life.as_ref().is_some_and(|life| life.task == task);
        self.instances.iter().find(|(_, held)| of_task(held)).map(|(key, _)| *key)
    }
}
