//! What each process of a service may use of the machine: the table `limits`, and `cgroup`.
//!
//! Owns the way from its keys to [`ResourceLimits`]. It must not know how limits are enforced. It
//! exists because each of them can also be lifted again, by the word `"inherited"`.

use std::path::Path;
use std::time::Duration;

use standpipe_core::service::ResourceLimits;
use standpipe_process::ControlGroupChoice;

use super::error::Fault;
use super::keys;
use super::section::{Bound, Section};

/// More descriptors or processes than this cannot be meant: no kernel has them.
const MAX_COUNT: usize = 1 << 30;

/// The limits that were given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ResourceTuning {
    memory: Option<Bound<usize>>,
    cpu: Option<Bound<Duration>>,
    open_files: Option<Bound<usize>>,
    processes: Option<Bound<usize>>,
}

impl ResourceTuning {
    pub(super) fn read(section: &Section<'_>) -> Self {
        section.expect_keys(&[keys::LIMITS], &[]);
        let count = |key| section.bound(key, |value| Section::count_of(value, MAX_COUNT));
        Self {
            memory: section.bound("memory", |value| section.size_of(value)),
            cpu: section.bound("cpu", |value| section.duration_of(value)),
            open_files: count("open_files"),
            processes: count("processes"),
        }
    }

    /// Sets what was given.
    pub(super) fn apply(self, limits: &mut ResourceLimits) {
        set(&mut limits.memory, self.memory, |bytes| bytes as u64);
        set(&mut limits.cpu, self.cpu, |time| time);
        set(&mut limits.open_files, self.open_files, |count| count as u64);
        set(&mut limits.processes, self.processes, |count| count as u64);
    }
}

/// Where children get control groups of their own: `"auto"`, `"off"`, or a directory.
pub(super) fn control_groups(top: &Section<'_>) -> ControlGroupChoice {
    let choice = top.read("cgroup", |value| {
        let text = top.text_of(value)?;
        match text.value.as_str() {
            "auto" => Ok(ControlGroupChoice::Auto),
            "off" => Ok(ControlGroupChoice::Off),
            path if Path::new(path).is_absolute() => Ok(ControlGroupChoice::Under(path.into())),
            found => {
                let valid = &["auto", "off", "an absolute path"];
                let fault = Fault::Choice { found: found.to_owned(), valid };
                Err(text.fault("`auto`, `off` or an absolute path", fault))
            }
        }
    });
    choice.unwrap_or_default()
}

fn set<T, U>(place: &mut Option<U>, given: Option<Bound<T>>, convert: impl Fn(T) -> U) {
    match given {
        Some(Bound::At(value)) => *place = Some(convert(value)),
        Some(Bound::Inherited) => *place = None,
        None => {}
    }
}
