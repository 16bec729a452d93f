//! Figures of one measurement, and of many rounds.
//!
//! Owns medians, spreads and ratios. Must not know where a figure comes from. A ratio is taken
//! within each round, where both sides had the same machine, and only then is there a median.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

/// The figures of one measurement by name.
pub(super) type Metrics = BTreeMap<&'static str, f64>;

/// What was found of one side.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    pub(super) rounds: Vec<Metrics>,
    /// Why a round gave no figures.
    pub(super) failure: Option<String>,
}

/// The middle of several values, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of no values there is none.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self { median, min, max })
    }
}

impl Measured {
    /// One figure over all rounds.
    pub(super) fn spread(&self, metric: &str) -> Option<Spread> {
        Spread::of(self.values(metric))
    }

    /// The ratio to the same figure of another side, round by round.
    pub(super) fn ratio(&self, metric: &str, to: &Self) -> Option<Spread> {
        self.with(metric, to, |here, there| here / there)
    }

    /// The difference to the same figure of another side, round by round.
    pub(super) fn difference(&self, metric: &str, to: &Self) -> Option<Spread> {
        self.with(metric, to, |here, there| here - there)
    }

    fn with(&self, metric: &str, to: &Self, of: impl Fn(f64, f64) -> f64) -> Option<Spread> {
        let pairs = self.rounds.iter().zip(&to.rounds).filter_map(|(here, there)| {
            Some(of(here.get(metric).copied()?, there.get(metric).copied()?))
        });
        Spread::of(pairs)
    }

    fn values(&self, metric: &str) -> impl Iterator<Item = f64> {
        self.rounds.iter().filter_map(move |metrics| metrics.get(metric).copied())
    }
}

/// How a figure is called in tables, its unit, and by what it is divided for that. The order is
/// that of the columns.
pub(super) const COLUMNS: &[(&str, &str, f64)] = &[
    ("rps", "requests/s", 1.0),
    ("rps_without_children", "requests/s, children taken out", 1.0),
    ("p50_us", "p50 µs", 1.0),
    ("p99_us", "p99 µs", 1.0),
    ("cpu_us", "CPU µs/request", 1.0),
    ("child_cpu_us", "child's CPU µs/request", 1.0),
    ("load_cpu_us", "load's CPU µs/request", 1.0),
    ("mb_per_s", "MB/s", 1.0),
    ("rss_peak_kib", "peak RSS MB", 976.5625),
    ("bytes_per_session", "KiB/session", 1024.0),
    ("start_us", "first answer ms", 1000.0),
    ("listening_us", "exec to listening ms", 1000.0),
    ("rss_kib", "RSS MB", 976.5625),
    ("pss_kib", "PSS MB", 976.5625),
    ("all_p50_us", "until all have it ms", 1000.0),
    ("each_p50_us", "until one has it ms", 1000.0),
    ("notification_cpu_us", "CPU µs/notification", 1.0),
];

/// Figures that are shown only where a goal is about them.
pub(super) const SELDOM: &[&str] = &["rps_without_children"];

/// The figures as a person reads them while it runs.
pub(super) fn line(metrics: &Metrics) -> String {
    COLUMNS
        .iter()
        .filter(|(name, ..)| !SELDOM.contains(name))
        .filter_map(|(name, title, unit)| {
            Some(format!("{title} {}", shown(metrics.get(name)? / unit)))
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// A number with three significant digits, or all before the point.
pub(super) fn shown(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
