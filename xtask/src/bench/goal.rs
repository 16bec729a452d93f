//! What a scenario should show, and whether it does.
//!
//! Owns the kinds of goals. Must not know which there are. A goal that is missed is a finding, never
//! a failure of the task: figures depend on the machine.

#[cfg(test)]
mod tests;

use super::metrics::Measured;
use super::scenario::Scenario;

/// A goal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    /// As it is written in tables.
    pub(super) says: &'static str,
    pub(super) side: &'static str,
    pub(super) metric: &'static str,
    pub(super) test: Test,
}

/// How it is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Test {
    /// At least so many times the same figure of another side.
    TimesAtLeast(&'static str, f64),
    /// At most so many times the same figure of another side.
    TimesAtMost(&'static str, f64),
    /// At least so many times the best of the named peers, where any was measured.
    TimesBestAtLeast(&'static [&'static str], f64),
    /// At most so much more than the same figure of another side.
    MoreAtMost(&'static str, f64),
    /// At most this.
    AtMost(f64),
}

/// What came of a goal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Verdict {
    /// The figure that was judged.
    pub(super) value: f64,
    pub(super) is_reached: bool,
}

impl Goal {
    /// Judges what was measured; `None` where one of the sides has no figures.
    pub(super) fn judge(&self, scenario: &Scenario, measured: &[Measured]) -> Option<Verdict> {
        let of = |name: &str| Some(&measured[scenario.side(name)?]);
        let here = of(self.side)?;
        let (value, is_reached) = match self.test {
            Test::TimesAtLeast(there, least) => {
                let value = here.ratio(self.metric, of(there)?)?.median;
                (value, value >= least)
            }
            Test::TimesAtMost(there, most) => {
                let value = here.ratio(self.metric, of(there)?)?.median;
                (value, value <= most)
            }
            Test::TimesBestAtLeast(peers, least) => {
                let best = peers
                    .iter()
                    .filter_map(|peer| Some(of(peer)?.spread(self.metric)?.median))
                    .max_by(f64::total_cmp)?;
                let value = here.spread(self.metric)?.median / best;
                (value, value >= least)
            }
            Test::MoreAtMost(there, most) => {
                let value = here.difference(self.metric, of(there)?)?.median;
                (value, value <= most)
            }
            Test::AtMost(most) => {
                let value = here.spread(self.metric)?.median;
                (value, value <= most)
            }
        };
        Some(Verdict { value, is_reached })
    }

    /// The judged figure, in the unit that the goal is written in.
    pub(super) fn shown(&self, value: f64) -> String {
        let unit = |name: &str| {
            super::metrics::COLUMNS
                .iter()
                .find(|(metric, ..)| *metric == name)
                .map_or(("", 1.0), |(_, title, unit)| (*title, *unit))
        };
        match self.test {
            Test::TimesAtLeast(_, least) if least < 1.0 => format!("{:.0} %", value * 100.0),
            Test::TimesAtLeast(..) | Test::TimesAtMost(..) | Test::TimesBestAtLeast(..) => {
                format!("{value:.2} ×")
            }
            Test::MoreAtMost(..) => {
                let (title, unit) = unit(self.metric);
                format!("{} more ({title})", super::metrics::shown(value / unit))
            }
            Test::AtMost(_) => {
                let (title, unit) = unit(self.metric);
                format!("{} ({title})", super::metrics::shown(value / unit))
            }
        }
    }
}
