//! The command line.
//!
//! Owns the options and their text; knows nothing of what they do.

/// What `--help` prints.
pub(crate) const HELP: &str = "\
standpipe-fixture [OPTION]…    an MCP server on stdio, for tests

  --era legacy|modern|either   which revisions it speaks (default: legacy); with `either` the first
                               message decides: `initialize`, or a request of 2026-07-28
  --initialize-after-discover  with `either`: a process that was opened with `server/discover`
                               takes `initialize` after it, as some published servers do
  --unknown-initialize         refuses `initialize` as an unknown method (-32601), not as an
                               unsupported version (-32022)
  --silent-discover            gives no answer to `server/discover`
  --late-discover MS           answers `server/discover` only after that time
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
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Options {
    /// The revisions.
    pub era: Era,
    /// Take `initialize` after `server/discover`.
    pub initialize_after_discover: bool,
    /// Refuse `initialize` as a method that is not there.
    pub unknown_initialize: bool,
    /// Never answer `server/discover`.
    pub silent_discover: bool,
    /// Milliseconds before `server/discover` is answered.
    pub late_discover: u64,
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
    let mut options = Options {
        era: Era::Legacy,
        initialize_after_discover: false,
        unknown_initialize: false,
        silent_discover: false,
        late_discover: 0,
        roots_at_start: false,
        instructions: None,
    };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--initialize-after-discover" => options.initialize_after_discover = true,
            "--unknown-initialize" => options.unknown_initialize = true,
            "--silent-discover" => options.silent_discover = true,
            "--late-discover" => {
                let wanted = "a time in milliseconds";
                let value = arguments.next().and_then(|value| value.parse().ok());
                options.late_discover =
                    value.ok_or(BadOption::Value { option: "--late-discover", wanted })?;
            }
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
