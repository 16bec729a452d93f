//! What is heard of the children.
//!
//! Owns the order in which the end of a child is dealt with: first what callers find at the gate,
//! then the answers to those whose calls were open, then, when nothing is left of it, the next
//! child. Must not know what follows for which kind of instance.

use standpipe_core::fault::FaultKind;
use standpipe_core::policy::Ending;
use standpipe_core::status::Phase;
use tokio::sync::oneshot;
use tokio::task::JoinError;
use tokio::time::{Duration, Instant};

use super::publish::LastEnd;
use super::{Kind, Supervisor};
use crate::instance::{Control, InstanceKey};
use crate::life::{Ended, Event, News};

impl Supervisor {
    pub(super) fn heard(&mut self, news: News) {
        let Some(held) = self.instances.get_mut(&news.key) else {
            return;
        };
        let Some(life) = held.life.as_mut().filter(|life| life.generation == news.generation)
        else {
            return;
        };
        match news.event {
            Event::Launched(pid, limits) => {
                life.pid = Some(pid);
                self.limits = limits;
            }
            Event::Ready => {
                life.ready = true;
                self.ready(news.key);
            }
            Event::StillUsed => {
                let is_main = matches!(held.kind, Kind::Main);
                held.touch();
                if held.keep() && is_main && self.phase == Phase::Draining {
                    self.main_ready();
                }
            }
            Event::Ending { ended, heard } => {
                life.ended = true;
                self.ended(news.generation, &ended);
                self.ending(news.key, &ended);
                self.publish();
                let _gone = heard.send(());
            }
            Event::Gone(exit) => {
                if let Some(last) = self.last_exit.as_mut().filter(|l| l.of == news.generation) {
                    last.ended.exit = Some(exit);
                }
            }
        }
    }

    fn ready(&mut self, key: InstanceKey) {
        let Some(held) = self.instances.get_mut(&key) else {
            return;
        };
        held.touch();
        held.probes.begin(&self.setup.spec.probe, Instant::now());
        if held.is_leaving() {
            return; // It was stopped a moment ago.
        }
        for input in std::mem::take(&mut held.waiting) {
            held.instance.inbox.forward(input);
        }
        match held.kind {
            Kind::Main => self.main_ready(),
            Kind::Own(_) | Kind::Principal(_) => self.own_ready(),
            Kind::Side(_) => self.side_failure = None,
        }
    }

    fn ended(&mut self, generation: u64, ended: &Ended) {
        self.last_exit = Some(LastEnd { of: generation, ended: ended.clone() });
    }

    /// A child has ended or has to: decides what callers find from now on.
    fn ending(&mut self, key: InstanceKey, ended: &Ended) {
        // What its instance said before comes first: it may be of another kind by now.
        self.catch_up_reports();
        match self.instances.get(&key).map(|held| &held.kind) {
            Some(Kind::Main) => self.main_ending(ended),
            Some(Kind::Own(_)) => self.own_ending(ended),
            Some(Kind::Principal(_)) => self.principal_ending(key, ended),
            Some(Kind::Side(_)) => self.side_ending(key, ended),
            None => {}
        }
    }

    /// Nothing is left of a child.
    pub(super) fn joined(&mut self, task: tokio::task::Id) {
        // All it had to say was said before.
        while let Some(news) = self.news.try_next() {
            self.heard(news);
        }
        self.catch_up_reports();
        let Some(key) = self.living(task) else {
            return;
        };
        let Some(held) = self.instances.get_mut(&key) else {
            return;
        };
        held.life = None;
        self.last_used = self.last_used.max(held.activity().accessed(held.made));
        match held.kind {
            Kind::Main => self.main_ended(),
            Kind::Own(_) => self.own_ended(key),
            Kind::Principal(_) => self.principal_ended(key),
            Kind::Side(_) => self.side_ended(key),
        }
    }

    /// A life panicked. The guard has cleared the processes up; what else the life would have seen
    /// to is done here.
    pub(super) fn broke_off(&mut self, error: &JoinError) {
        tracing::error!(service = %self.name, %error, "the life of a child broke off");
        while let Some(news) = self.news.try_next() {
            self.heard(news);
        }
        let held = self.living(error.id()).and_then(|key| self.instances.get_mut(&key));
        if let Some(held) = held
            && let Some(life) = &mut held.life
        {
            let how = std::sync::Arc::from("its supervision failed");
            let (ending, why) = if life.ready {
                (Ending::AfterReady(Duration::ZERO), FaultKind::ChildGone(how))
            } else {
                (Ending::NeverReady, FaultKind::StartFailed(how))
            };
            let decided = std::mem::replace(&mut life.ended, true);
            // An instance that has eight orders waiting is beyond help.
            let (done, _) = oneshot::channel();
            let order = Control::Ended { why: why.clone(), done };
            let _full = held.instance.control.try_send(order);
            let (key, generation) = (held.instance.key, life.generation);
            if !decided {
                let how = std::sync::Arc::from("its supervision failed");
                let ended = Ended { ending: Some(ending), ..Ended::unseen(how, why) };
                self.ended(generation, &ended);
                self.ending(key, &ended);
            }
        }
        self.joined(error.id());
    }

    fn catch_up_reports(&mut self) {
        while let Some((key, report)) = self.reports.try_next() {
            self.reported(key, report);
        }
    }

    /// The one session that a process served is over.
    pub(super) fn vacated(&mut self, key: InstanceKey) {
        let ladder = crate::terminate::StopLadder::default();
        if let Some(held) = self.instances.get(&key) {
            held.stop(crate::life::StopReason::Asked(ladder));
        }
    }
}
