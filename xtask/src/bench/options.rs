//! What `cargo xtask bench` was asked for.
//!
//! Owns its command line. Must not know what a scenario does.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::{Context, bail};

/// Rounds where nobody says otherwise: enough for a median that one bad round cannot move.
const ROUNDS: usize = 5;

/// Seconds of one measurement.
const SECONDS: f64 = 3.0;

/// The same with `--quick`, which shows that everything runs and nothing more.
const QUICK_SECONDS: f64 = 0.3;

/// The options.
#[derive(Debug, PartialEq)]
pub(super) struct Options {
    /// The scenarios by name; none are all.
    pub(super) scenarios: Vec<String>,
    pub(super) rounds: usize,
    pub(super) seconds: f64,
    pub(super) quick: bool,
    /// Other proxies are measured as well.
    pub(super) peers: bool,
    /// Another binary than the one of this repository.
    pub(super) standpipe: Option<PathBuf>,
}

impl Options {
    pub(super) fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let quick = arguments.iter().any(|word| word == "--quick");
        let mut options = Self {
            scenarios: Vec::new(),
            rounds: if quick { 1 } else { ROUNDS },
            seconds: if quick { QUICK_SECONDS } else { SECONDS },
            quick,
            peers: false,
            standpipe: None,
        };
        let mut words = arguments.iter().peekable();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--quick" => {}
                "--peers" => options.peers = true,
                "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
                "--seconds" => options.seconds = value()?.parse().context("--seconds")?,
                "--standpipe" => options.standpipe = Some(value()?.into()),
                "--scenario" => {
                    options.scenarios.push(value()?.clone());
                    while let Some(name) = words.next_if(|word| !word.starts_with("--")) {
                        options.scenarios.push(name.clone());
                    }
                }
                _ => bail!(
                    "there is no option {word}; there are --scenario, --rounds, --seconds, --quick, \
                     --peers and --standpipe"
                ),
            }
        }
        if options.rounds == 0 || !(0.01..=3600.0).contains(&options.seconds) {
            bail!("--rounds and --seconds must be more than nothing");
        }
        Ok(options)
    }

    /// The scenario was asked for.
    pub(super) fn wants(&self, scenario: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|name| name == scenario)
    }
}
