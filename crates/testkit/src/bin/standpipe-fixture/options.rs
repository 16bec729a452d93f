//! The command line.
//!
//! Owns the options and their text; knows nothing of what they do.

/// What `--help` prints.
pub(crate) const HELP: &str = "\
standpipe-fixture [OPTION]…    an MCP server on stdio, for tests

  --era legacy|modern|either   which revisions it speaks (default: legacy)
  --roots-at-start             ask the client for its roots right after `initialized`
  --instructions TEXT          the instructions in the handshake
  --help                       this text
";

/// Which revisions of the protocol the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2025-11-25 and older: opened with `initialize`.
    Legacy,
    /// 2026-07-28: every request carries its own metadata.
    Modern,
    /// Either, decided by the first message.
    Either,
}

/// How the server was started.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The revisions.
    pub era: Era,
    /// Ask for roots outside of any call, as some published servers do.
    pub roots_at_start: bool,
    /// `instructions` of the handshake.
    pub instructions: Option<String>,
}

/// A command line that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadOption {
    /// No such option.
    Unknown(String),
    /// The option needs a value, or another one than it got.
    Value { option: &'static str, wanted: &'static str },
}

impl std::fmt::Display for BadOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "unknown option {option:?}; try --help"),
            Self::Value { option, wanted } => write!(f, "{option} wants {wanted}"),
        }
    }
}

/// Reads the command line; `None` asks for the help text.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, BadOption> {
    let mut options = Options { era: Era::Legacy, roots_at_start: false, instructions: None };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--roots-at-start" => options.roots_at_start = true,
            "--era" => {
                options.era = match arguments.next().as_deref() {
                    Some("legacy") => Era::Legacy,
                    Some("modern") => Era::Modern,
                    Some("either") => Era::Either,
                    _ => {
                        let wanted = "legacy, modern or either";
                        return Err(BadOption::Value { option: "--era", wanted });
                    }
                }
            }
            "--instructions" => {
                let wanted = "a text";
                let text = arguments.next();
                let text = text.ok_or(BadOption::Value { option: "--instructions", wanted })?;
                options.instructions = Some(text);
            }
            _ => return Err(BadOption::Unknown(argument)),
        }
    }
    Ok(Some(options))
}
