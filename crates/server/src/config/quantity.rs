//! Durations and sizes as people write them: `500ms`, `1h30m`, `16MiB`.
//!
//! Owns both spellings, in both directions. It must not know which setting is meant. It exists so
//! that flags, files and the environment accept the same text and say the same about a mistake.

use std::fmt::Write as _;
use std::time::Duration;

/// Units of time, largest first, in milliseconds.
const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Units of size, in bytes.
const SIZE_UNITS: [(&str, u64); 10] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("KB", 1000),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
];

/// Reads a duration: numbers with a unit, largest unit first (`1h30m`).
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let (digits, after) = split_digits(rest);
        if digits.is_empty() {
            return Err(DurationError::NoNumber { at: rest.to_owned() });
        }
        let unit_len = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        if unit.trim().is_empty() {
            return Err(DurationError::NoUnit { number: digits.to_owned() });
        }
        let Some((_, millis)) = TIME_UNITS.iter().find(|(name, _)| *name == unit.trim()) else {
            return Err(DurationError::UnknownUnit { unit: unit.trim().to_owned() });
        };
        if *millis >= smallest {
            return Err(DurationError::Order { unit: unit.trim().to_owned() });
        }
        smallest = *millis;
        let part = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*millis));
        total = part.and_then(|part| total.checked_add(part)).ok_or(DurationError::TooLong)?;
        rest = after;
    }
    Ok(Duration::from_millis(total))
}

/// Reads a size in bytes: a number, alone or with a unit (`16MiB`, `64kB`).
pub fn parse_size(text: &str) -> Result<usize, SizeError> {
    let text = text.trim();
    let (digits, unit) = split_digits(text);
    if digits.is_empty() {
        return Err(SizeError::NoNumber);
    }
    let unit = unit.trim();
    let factor = if matches!(unit, "" | "B") {
        1
    } else {
        SIZE_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor)
            .ok_or_else(|| SizeError::UnknownUnit { unit: unit.to_owned() })?
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or(SizeError::TooLarge)
}

/// Writes a duration so that [`parse_duration`] reads the same one, to the millisecond.
pub fn format_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, factor) in TIME_UNITS {
        if millis >= factor {
            write!(text, "{}{unit}", millis / factor).expect("a string takes any text");
            millis %= factor;
        }
    }
    text
}

/// Writes a size so that [`parse_size`] reads the same one.
pub fn format_size(bytes: usize) -> String {
    let bytes = bytes as u64;
    for (unit, factor) in &SIZE_UNITS[..3] {
        if bytes >= *factor && bytes.is_multiple_of(*factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    bytes.to_string()
}

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No text.
    #[error("a duration is missing, like `500ms`, `30s`, `5m` or `1h`")]
    Empty,
    /// A number without a unit could mean anything.
    #[error("`{number}` has no unit; write `{number}s` or `{number}ms`")]
    NoUnit {
        /// The number.
        number: String,
    },
    /// Something else stands where a number should.
    #[error("`{at}` does not start with a number; write a duration like `30s` or `1h30m`")]
    NoNumber {
        /// The text from there on.
        at: String,
    },
    /// Not one of the units.
    #[error("`{unit}` is not a unit of time; use ms, s, m, h or d")]
    UnknownUnit {
        /// The unit.
        unit: String,
    },
    /// The same unit twice, or a larger one after a smaller one.
    #[error("`{unit}` does not follow from large to small, as in `1h30m`")]
    Order {
        /// The unit that is out of place.
        unit: String,
    },
    /// More milliseconds than can be counted.
    #[error("it is too long to count")]
    TooLong,
}

/// A text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// No number at the start.
    #[error("a size is a number of bytes, or a number with a unit, like `16MiB`")]
    NoNumber,
    /// Not one of the units.
    #[error("`{unit}` is not a unit of size; use KiB, MiB, GiB, kB, MB or GB")]
    UnknownUnit {
        /// The unit.
        unit: String,
    },
    /// More bytes than this machine can address.
    #[error("it is too large for this machine")]
    TooLarge,
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests;
