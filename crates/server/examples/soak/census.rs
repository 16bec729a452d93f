//! What can be counted from outside: processes, file descriptors, threads, memory, and what
//! `/metrics` says.
//!
//! Owns the reading of `/proc` and of metrics. Must not say what the numbers should be.

use std::collections::BTreeMap;
use std::fs;

use standpipe_testkit::{Process, process};

/// The two processes of one Standpipe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pids {
    /// The one that was started, which watches over the other.
    pub(crate) outer: i32,
    /// The one that serves.
    pub(crate) inner: i32,
}

/// A process that belongs to a service, with its marker.
#[derive(Debug, Clone)]
pub(crate) struct Marked {
    pub(crate) process: Process,
    /// `<run>/<service>/<generation>`
    pub(crate) marker: String,
}

impl Marked {
    /// The service that it belongs to.
    pub(crate) fn service(&self) -> &str {
        self.marker.split('/').nth(1).unwrap_or_default()
    }
}

/// Every living process of the services of this Standpipe.
pub(crate) fn marked(pids: Pids) -> Vec<Marked> {
    // A run is named `<namespace>.<user>.<pid>.<start>`.
    let owner = format!(".{}.", pids.outer);
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let marker = environment
            .split(|&byte| byte == 0)
            .find_map(|entry| entry.strip_prefix(b"STANDPIPE_INSTANCE="))?;
        let marker = String::from_utf8_lossy(marker).into_owned();
        let run = marker.split('/').next()?;
        let process = process(pid).filter(|process| !process.is_zombie())?;
        run.contains(&owner).then_some(Marked { process, marker })
    })
    .collect()
}

/// The groups of processes whose own server is gone: by marker, with their processes.
pub(crate) fn leaderless(pids: Pids, marked: &[Marked]) -> BTreeMap<String, Vec<i32>> {
    let mut groups: BTreeMap<String, Vec<&Process>> = BTreeMap::new();
    for Marked { process, marker } in marked {
        groups.entry(marker.clone()).or_default().push(process);
    }
    groups.retain(|_, members| members.iter().all(|member| member.parent != pids.inner));
    let pids = |members: Vec<&Process>| members.iter().map(|member| member.pid).collect();
    groups.into_iter().map(|(marker, members)| (marker, pids(members))).collect()
}

/// How many file descriptors a process has open.
pub(crate) fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// How many threads a process has.
pub(crate) fn threads(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The resident memory of a process, in KiB.
pub(crate) fn resident_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0)
}

/// What `/metrics` says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrape(String);

impl Scrape {
    /// This text.
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text as it came.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The sum of a family over all its labels.
    pub(crate) fn sum(&self, family: &str) -> f64 {
        self.samples(family).map(|(_, value)| value).sum()
    }

    /// The sum of a family over one service's labels.
    pub(crate) fn of_service(&self, family: &str, service: &str) -> f64 {
        let label = format!("service=\"{service}\"");
        let own = self.samples(family).filter(|(labels, _)| labels.contains(&label));
        own.map(|(_, value)| value).sum()
    }

    /// The sums of a family by the values of one label, without those that are 0.
    pub(crate) fn by_label(&self, family: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        let before = format!("{label}=\"");
        for (labels, value) in self.samples(family).filter(|(_, value)| *value != 0.0) {
            let rest = labels.split_once(before.as_str()).map_or("", |(_, rest)| rest);
            let name = rest.split('"').next().unwrap_or_default();
            *sums.entry(name.to_owned()).or_default() += value;
        }
        sums
    }

    fn samples<'a>(&'a self, family: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(family)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let whole = labels.is_empty() || labels.starts_with('{');
            whole.then(|| Some((labels, value.parse().ok()?)))?
        })
    }
}

/// How fast a figure grows: the slope of the line through these points by least squares, in units
/// of `y` for a unit of `x`. `None` for fewer than three points.
pub(crate) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < 3 {
        return None;
    }
    let mut count = 0.0;
    let (mut mean_x, mut mean_y) = (0.0, 0.0);
    for (x, y) in points {
        count += 1.0;
        mean_x += (x - mean_x) / count;
        mean_y += (y - mean_y) / count;
    }
    let (mut both, mut square) = (0.0, 0.0);
    for (x, y) in points {
        both += (x - mean_x) * (y - mean_y);
        square += (x - mean_x) * (x - mean_x);
    }
    (square > 0.0).then(|| both / square)
}
