//! The command line.
//!
//! Owns the options and their text; knows nothing of what they do.

use std::time::Duration;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
soak [--seconds N | --minutes N] [--seed S]

  --seconds N, --minutes N   how long it is disturbed (default: 60 s)
  --seed S                   repeats the choices of an earlier run; by default another one each time

The programs under test are named by STANDPIPE_BIN and FIXTURE_BIN.
";

/// How the run was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// How long services are killed and clients come and go.
    pub(crate) length: Duration,
    /// What all choices are made from.
    pub(crate) seed: u64,
}

/// Reads the arguments; `None` asks for [`HELP`].
///
/// # Errors
/// What was wrong, in words.
pub(crate) fn parse(
    mut arguments: impl Iterator<Item = String>,
    fresh_seed: u64,
) -> Result<Option<Options>, String> {
    let mut options = Options { length: Duration::from_mins(1), seed: fresh_seed };
    while let Some(name) = arguments.next() {
        if name == "--help" {
            return Ok(None);
        }
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = value.parse::<u64>().map_err(|error| format!("{name} {value}: {error}"))?;
        match name.as_str() {
            "--seconds" => options.length = Duration::from_secs(number),
            "--minutes" => options.length = Duration::from_secs(number.saturating_mul(60)),
            "--seed" => options.seed = number,
            _ => return Err(format!("there is no option {name}")),
        }
    }
    if options.length.is_zero() {
        return Err("it has to last at least a second".to_owned());
    }
    Ok(Some(options))
}
