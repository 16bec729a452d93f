//! The book of what happened: counts, times, breaches.
//!
//! Owns the numbers of the report. Must not judge; what is entered here has been judged.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::calls::Kind;
use crate::verdict::{Breach, Fault, Judged, Verdict};

/// So many breaches of each kind are told in full; the others are only counted.
const TOLD: u64 = 8;

/// Over what a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wire {
    /// Streamable HTTP with sessions, up to 2025-11-25.
    Stream,
    /// HTTP+SSE.
    Sse,
    /// Streamable HTTP without sessions.
    Modern,
}

impl Wire {
    /// The word in the report.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Stream => "streamable http",
            Self::Sse => "http+sse",
            Self::Modern => "modern",
        }
    }
}

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

/// What is in it.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// Requests by where, what and how they ended.
    pub(crate) ends: BTreeMap<(Wire, Kind, Verdict), u64>,
    /// Breaches by kind.
    pub(crate) breaches: BTreeMap<Breach, u64>,
    /// The first of them.
    pub(crate) told: Vec<String>,
    /// Times of right answers to calls that wait for nothing.
    pub(crate) times: BTreeMap<Wire, Times>,
    /// What was done to the services, by its name.
    pub(crate) deeds: BTreeMap<&'static str, u64>,
}

impl Ledger {
    /// Enters a request.
    pub(crate) fn request(&self, wire: Wire, kind: Kind, took: Duration, judged: Judged) {
        match judged {
            Ok(verdict) => {
                let mut entries = self.entries();
                *entries.ends.entry((wire, kind, verdict)).or_default() += 1;
                if verdict == Verdict::Right && kind == Kind::Echo {
                    entries.times.entry(wire).or_default().add(took);
                }
            }
            Err(Fault { breach, seen }) => {
                self.breach(breach, &format!("{} {}: {seen}", wire.word(), kind.word()));
            }
        }
    }

    /// Enters something that must not be.
    pub(crate) fn breach(&self, breach: Breach, seen: &str) {
        let mut entries = self.entries();
        let count = entries.breaches.entry(breach).or_default();
        *count += 1;
        if *count <= TOLD {
            let short: String = seen.chars().take(600).collect();
            entries.told.push(format!("{}: {short}", breach.word()));
        }
    }

    /// Enters something that was done to a service.
    pub(crate) fn deed(&self, what: &'static str) {
        *self.entries().deeds.entry(what).or_default() += 1;
    }

    /// The book, to read or to write in.
    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        // A count is never half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Steps for each doubling: a figure read from the table is right to about 4 %.
const STEPS: u32 = 16;

/// Times, counted in steps that grow with the time, so that a long run needs no more room.
#[derive(Debug, Default)]
pub(crate) struct Times {
    counts: BTreeMap<u32, u64>,
    total: u64,
}

impl Times {
    fn add(&mut self, took: Duration) {
        let micros = took.as_secs_f64().mul_add(1e6, 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least 1, so the logarithm is small and not negative"
        )]
        let step = (micros.log2() * f64::from(STEPS)) as u32;
        *self.counts.entry(step).or_default() += 1;
        self.total += 1;
    }

    /// How many there are.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// The time that so many of a thousand do not exceed.
    pub(crate) fn at(&self, of_thousand: u64) -> Duration {
        let wanted = (self.total * of_thousand).div_ceil(1000);
        let mut seen = 0;
        for (&step, &count) in &self.counts {
            seen += count;
            if seen >= wanted {
                return Duration::from_secs_f64(
                    (f64::from(step + 1) / f64::from(STEPS)).exp2() / 1e6,
                );
            }
        }
        Duration::ZERO
    }
}
