//! Counts what passed and what failed.
//!
//! Owns the one total that ends every task, and the reading of the three kinds of lines that feed
//! it. Must not know which program printed them. Kept apart because the last line is read by
//! machines and has to be right.

#[cfg(test)]
mod tests;

/// The running total of one task.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

/// One line of a suite.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// `ok NAME`
    Ok(&'a str),
    /// `not ok NAME: why`
    NotOk(&'a str),
}

impl Tally {
    /// Counts one check that passed.
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    /// Counts one check that failed, and keeps what to say of it at the end.
    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.failed += 1;
        self.failures.push(what.into());
    }

    /// Counts the tests of one test binary; `names` are those that failed.
    pub(crate) fn add(&mut self, passed: u64, failed: u64, names: Vec<String>) {
        self.passed += passed;
        self.failed += failed;
        self.failures.extend(names);
    }

    /// How many failed so far.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// How many were counted so far.
    pub(crate) fn counted(&self) -> u64 {
        self.passed + self.failed
    }

    /// Something was checked, and nothing failed.
    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0
    }

    /// Prints the failures by name and then, as the last line, the total.
    pub(crate) fn report(&self) {
        if !self.failures.is_empty() {
            println!("\nfailures:");
            for failure in &self.failures {
                println!("  {failure}");
            }
        }
        println!("{}", self.total());
    }

    fn total(&self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }
}

/// Reads `test result: ok. 3 passed; 1 failed; …` as (passed, failed).
pub(crate) fn cargo_test_line(line: &str) -> Option<(u64, u64)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut numbers = counts.split("; ").map(|part| {
        let (number, word) = part.split_once(' ')?;
        Some((number.parse::<u64>().ok()?, word))
    });
    let (passed, "passed") = numbers.next()?? else {
        return None;
    };
    let (failed, "failed") = numbers.next()?? else {
        return None;
    };
    Some((passed, failed))
}

/// Reads `test NAME ... FAILED`.
pub(crate) fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// Reads `ok NAME` or `not ok NAME: why`; everything else is free text.
pub(crate) fn suite_line(line: &str) -> Option<Verdict<'_>> {
    if let Some(rest) = line.strip_prefix("not ok ") {
        return Some(Verdict::NotOk(rest.trim()));
    }
    line.strip_prefix("ok ").map(|rest| Verdict::Ok(rest.trim()))
}
