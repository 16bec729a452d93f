//! The suite's report: what it prints, and what it counts for.
//!
//! Owns the reading of its lines and the verdict on each scenario. Must not know how the suite was
//! run.

#[cfg(test)]
mod tests;

use super::exceptions::Exception;
use crate::tally::Tally;

/// One scenario's line in the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scenario {
    name: String,
    passed: u64,
    failed: u64,
}

impl Scenario {
    /// A scenario that checked nothing has shown nothing.
    fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// What a line of the suite's report says.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// `✓ NAME: 2 passed, 0 failed`
    Result(Scenario),
    /// `  ✗ NAME (pending)`: it was run, and does not count for this revision.
    NotScored(String),
}

/// The report as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Report {
    scenarios: Vec<Scenario>,
    not_scored: Vec<String>,
}

impl Report {
    /// Reads one line; free text is passed over.
    pub(super) fn read(&mut self, line: &str) {
        match parse(line) {
            Some(Line::Result(scenario)) => self.scenarios.push(scenario),
            Some(Line::NotScored(name)) => self.not_scored.push(name),
            None => {}
        }
    }

    /// How many of the scenarios that count have passed, and how many count.
    pub(super) fn numbers(&self) -> (usize, usize) {
        (self.scored().filter(|scenario| scenario.is_good()).count(), self.scored().count())
    }

    /// The scenarios that count.
    fn scored(&self) -> impl Iterator<Item = &Scenario> {
        self.scenarios.iter().filter(|scenario| !self.not_scored.contains(&scenario.name))
    }

    /// Counts each scenario that counts, and that there are as many as there must be. An exception
    /// must fail: one that passes has become untrue.
    pub(super) fn count(
        &self,
        pass: &str,
        required: usize,
        exceptions: &[&Exception],
        tally: &mut Tally,
    ) {
        for scenario in self.scored() {
            let Scenario { name, passed, failed } = scenario;
            let exception = exceptions.iter().find(|exception| exception.scenario == name);
            match (scenario.is_good(), exception) {
                (true, None) => {
                    println!("ok {pass}/{name}");
                    tally.pass();
                }
                (false, Some(Exception { reason, .. })) => {
                    println!("ok {pass}/{name}: fails as it must: {reason}");
                    tally.pass();
                }
                (true, Some(_)) => {
                    println!("not ok {pass}/{name}: passes, and is listed as an exception");
                    tally.fail(format!("{pass}/{name}: passes, and is listed as an exception"));
                }
                (false, None) => {
                    println!("not ok {pass}/{name}: {passed} passed, {failed} failed");
                    tally.fail(format!("{pass}/{name}: {passed} passed, {failed} failed"));
                }
            }
        }
        let found = self.scored().count();
        if found == required {
            tally.pass();
        } else {
            tally.fail(format!("{pass}: {found} scored scenarios, {required} are required"));
        }
    }
}

/// Reads one line of the report; free text is `None`.
fn parse(line: &str) -> Option<Line> {
    let unmarked = line.trim_start().strip_prefix(['✓', '✗'])?.trim_start();
    if line.starts_with(' ') {
        let (name, reason) = unmarked.split_once(" (")?;
        return reason.ends_with(')').then(|| Line::NotScored(name.to_owned()));
    }
    let (name, counts) = unmarked.split_once(": ")?;
    let (passed, rest) = counts.split_once(" passed, ")?;
    let (failed, _) = rest.split_once(" failed")?;
    Some(Line::Result(Scenario {
        name: name.to_owned(),
        passed: passed.parse().ok()?,
        failed: failed.parse().ok()?,
    }))
}
