//! What is printed: the figures, and the checks.
//!
//! Owns the form of both. Must not measure anything.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::census::{Scrape, slope};
use crate::ledger::Entries;
use crate::verdict::{Breach, Verdict};
use crate::watch::Held;

/// The part of the samples, out of four, in which memory still grows into its place.
const WARM: usize = 4;

/// The checks so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: u64,
    failed: u64,
}

impl Report {
    /// Prints one check.
    pub(crate) fn check(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                self.passed += 1;
                println!("ok {name}");
            }
            Err(why) => {
                self.failed += 1;
                println!("not ok {name}: {why}");
            }
        }
    }

    /// Checks the text of `/metrics` with the program that Prometheus brings for it.
    pub(crate) fn promtool(&mut self, scrape: &Scrape) {
        let name = "promtool finds no fault in /metrics";
        match std::env::var_os("PROMTOOL") {
            Some(program) => self.check(name, promtool(Path::new(&program), scrape.text())),
            None => println!("skipped: {name}: PROMTOOL names no program"),
        }
    }

    /// Whether a check has failed.
    pub(crate) const fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// 0 when there were checks and none failed.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.passed > 0 && self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Checks that nothing happened that must not, and that enough did to show it.
    pub(crate) fn promises(&mut self, entries: &Entries) {
        for told in &entries.told {
            println!("  {told}");
        }
        for breach in Breach::ALL {
            let count = entries.breaches.get(&breach).copied().unwrap_or(0);
            let name = match breach {
                Breach::Lost => "nothing is lost",
                Breach::Twice => "nothing is answered twice",
                Breach::Crossed => "nothing is crossed",
                Breach::Dishonest => "every error has a cause and its right form",
            };
            self.check(name, if count == 0 { Ok(()) } else { Err(format!("{count} times")) });
        }
        let right: u64 = count(entries, |verdict| verdict == Verdict::Right);
        let deeds: u64 = entries.deeds.values().sum();
        self.check(
            "there was something to lose",
            if right > 1000 && deeds > 10 {
                Ok(())
            } else {
                Err(format!("only {right} right answers under {deeds} deeds"))
            },
        );
    }

    /// Prints the figures.
    pub(crate) fn figures(
        entries: &Entries,
        scrape: &Scrape,
        before: &Held,
        after: Option<&Held>,
        samples: &[(f64, f64)],
    ) {
        println!("\nrequests");
        for ((wire, kind, verdict), count) in &entries.ends {
            println!("  {:16} {:12} {:18} {count:>9}", wire.word(), kind.word(), verdict.word());
        }
        println!("\ntime from a small request to its answer");
        for (wire, times) in &entries.times {
            println!(
                "  {:16} p50 {:8.2} ms   p99 {:8.2} ms   of {}",
                wire.word(),
                times.at(500).as_secs_f64() * 1e3,
                times.at(990).as_secs_f64() * 1e3,
                times.total()
            );
        }
        println!("\ndone to the services");
        for (deed, count) in &entries.deeds {
            println!("  {deed:16} {count:>9}");
        }
        println!("  {:16} {:>9}", "starts", scrape.sum("standpipe_process_starts_total"));
        println!("  {:16} {:>9}", "restarts", scrape.sum("standpipe_service_restarts_total"));
        println!("\ndropped messages");
        for (labels, count) in scrape.by_label("standpipe_dropped_messages_total", "reason") {
            println!("  {labels:16} {count:>9}");
        }
        println!("\nheld                  at rest before    after");
        let row = |what: &str, of: fn(&Held) -> u64| {
            let after = after.map_or_else(|| "-".to_owned(), |after| of(after).to_string());
            println!("  {what:20} {:>14} {after:>8}", of(before));
        };
        row("file descriptors", |held| held.descriptors as u64);
        row("threads", |held| held.threads as u64);
        row("sessions", |held| held.sessions);
        row("open streams", |held| held.streams);
        row("requests in flight", |held| held.in_flight);
        row("child processes", |held| held.processes);
        row("resident KiB", |held| held.resident_kib);
        let settled = &samples[samples.len() / WARM..];
        match slope(settled) {
            Some(slope) => println!(
                "  resident memory: {slope:+.1} KiB/min over the last {} s, by least squares\n",
                settled.len()
            ),
            None => println!("  resident memory: too short for a slope\n"),
        }
    }
}

fn promtool(program: &Path, metrics: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", program.display());
    let mut child = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // It reads to the end before it writes.
    let mut stdin = child.stdin.take().ok_or("promtool has no stdin")?;
    stdin.write_all(metrics.as_bytes()).map_err(failed)?;
    drop(stdin);
    let output = child.wait_with_output().map_err(failed)?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if output.status.success() && said.trim().is_empty() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, said.trim().replace('\n', "; ")))
}

fn count(entries: &Entries, which: impl Fn(Verdict) -> bool) -> u64 {
    let counted = entries.ends.iter().filter(|((_, _, verdict), _)| which(*verdict));
    counted.map(|(_, count)| count).sum()
}
