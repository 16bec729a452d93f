//! Command lines: `--name value`, `--flag`, and a command after `--`.
//!
//! Owns the reading of them. Must not know which names a program has. Kept this small because the
//! programs of the benchmark are started by other programs, not by people.

#[cfg(test)]
mod tests;

use std::io;
use std::str::FromStr;

/// What is left of a command line.
#[derive(Debug)]
pub struct Arguments {
    words: Vec<String>,
    command: Vec<String>,
}

impl Arguments {
    /// The command line of this process.
    pub fn of_process() -> Self {
        Self::new(std::env::args().skip(1))
    }

    /// Parts the options from the command after `--`.
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        let mut words: Vec<String> = words.into_iter().collect();
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        let command = words.drain(end..).skip(1).collect();
        Self { words, command }
    }

    /// Takes every value of an option that may be given several times.
    pub fn all<T: FromStr>(&mut self, name: &str) -> io::Result<Vec<T>> {
        let mut values = Vec::new();
        while let Some(at) = self.words.iter().position(|word| word == name) {
            if at + 1 == self.words.len() {
                return Err(refused(format!("{name} needs a value")));
            }
            let value = self.words.drain(at..at + 2).next_back().unwrap_or_default();
            values.push(value.parse().map_err(|_| refused(format!("{name} cannot be {value:?}")))?);
        }
        Ok(values)
    }

    /// Takes an option's value, the last one if there are several.
    pub fn one<T: FromStr>(&mut self, name: &str) -> io::Result<Option<T>> {
        Ok(self.all(name)?.pop())
    }

    /// Takes a flag, and says whether it was there.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    /// The command after `--`. Whatever was not taken before is an error.
    pub fn finish(self) -> io::Result<Vec<String>> {
        match self.words.first() {
            Some(word) => Err(refused(format!("there is no option {word}"))),
            None => Ok(self.command),
        }
    }
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
