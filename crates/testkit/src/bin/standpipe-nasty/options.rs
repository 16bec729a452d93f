//! The command line: one fault and its measures.
//!
//! Owns the options and their text; knows nothing of what the faults do.

use crate::fault::{FAULTS, Fault};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
standpipe-nasty FAULT [OPTION]…    an MCP server on stdio with one fault, for tests

  answer-twice            answers every request twice
  banner                  a banner, binary noise and blank lines between its messages
  close-stdout            closes stdout once it has answered `initialize`, and lives on
  die-in-handshake        ends on `initialize`; --after: once it has answered it
  die-mid-call            the tool `die` ends it after --ms, without an answer
  die-on-discover         ends on `server/discover`
  exit-at-once            ends before it reads anything, with --code
  grandchild              has a grandchild which ignores SIGTERM and holds stdout;
                          --setsid: and leaves the group; --clear-env: and the environment
  ignore-eof              does not end when stdin ends
  ignore-term             nor on SIGTERM, SIGINT or SIGHUP
  late-grandchild         starts that grandchild only when stdin ends; the same options
  long-line               the tools `long_answer`, `long_noise` and `endless_line`, of --bytes
  never-read              reads nothing; --after: nothing after the handshake
  no-initialize-answer    reads everything but never answers `initialize`
  notification-flood      --count log messages of --bytes after `initialized`; 0 is for ever
  slow-start              sleeps for --ms before it reads
  stderr-flood            --bytes to stderr before it reads; the tool `stderr` does so again
  wrong-json              malformed lines, arrays and unknown ids before every answer

  --after  --setsid  --clear-env  --bytes N  --count N  --ms N  --code N
";

/// A fault and its measures.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// What is wrong with the server.
    pub(crate) fault: Fault,
    /// The fault shows only after the handshake.
    pub(crate) after: bool,
    /// The grandchild leaves the process group.
    pub(crate) setsid: bool,
    /// The grandchild has no environment.
    pub(crate) clear_env: bool,
    /// A size in bytes.
    pub(crate) bytes: Option<usize>,
    /// A number of messages.
    pub(crate) count: Option<u64>,
    /// A time in milliseconds.
    pub(crate) ms: u64,
    /// An exit code.
    pub(crate) code: u8,
}

/// A command line that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadOption {
    /// No fault was named.
    NoFault,
    /// No such fault.
    UnknownFault(String),
    /// No such option.
    Unknown(String),
    /// The option needs a number, or a smaller one.
    Number { option: String },
}

impl std::fmt::Display for BadOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoFault => f.write_str("name a fault; try --help"),
            Self::UnknownFault(name) => write!(f, "unknown fault {name:?}; try --help"),
            Self::Unknown(option) => write!(f, "unknown option {option:?}; try --help"),
            Self::Number { option } => write!(f, "{option} wants a number"),
        }
    }
}

/// Reads the command line; `None` asks for the help text.
pub(crate) fn parse(
    mut arguments: impl Iterator<Item = String>,
) -> Result<Option<Options>, BadOption> {
    let name = arguments.next().ok_or(BadOption::NoFault)?;
    if matches!(name.as_str(), "--help" | "-h") {
        return Ok(None);
    }
    let Some((_, fault)) = FAULTS.iter().find(|(known, _)| *known == name) else {
        return Err(BadOption::UnknownFault(name));
    };
    let mut options = Options {
        fault: *fault,
        after: false,
        setsid: false,
        clear_env: false,
        bytes: None,
        count: None,
        ms: 0,
        code: 1,
    };
    while let Some(option) = arguments.next() {
        match option.as_str() {
            "--after" => options.after = true,
            "--setsid" => options.setsid = true,
            "--clear-env" => options.clear_env = true,
            "--bytes" => options.bytes = Some(number(option, arguments.next())?),
            "--count" => options.count = Some(number(option, arguments.next())?),
            "--ms" => options.ms = number(option, arguments.next())?,
            "--code" => options.code = number(option, arguments.next())?,
            _ => return Err(BadOption::Unknown(option)),
        }
    }
    Ok(Some(options))
}

fn number<N: std::str::FromStr>(option: String, value: Option<String>) -> Result<N, BadOption> {
    value.and_then(|value| value.parse().ok()).ok_or(BadOption::Number { option })
}
