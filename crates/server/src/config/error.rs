//! What can be wrong with a configuration, and how it is said.
//!
//! Owns the messages: each names where the value was written, which key, what is wrong and, where
//! there is one, the way out. It must not know how configurations are read. No message contains a
//! value that may be secret.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;

use standpipe_core::service::{ServiceIdFault, SpecFault};

use super::keys::Nearest;
use super::quantity::{DurationError, SizeError};

/// A configuration that cannot be used. All mistakes that could be found are in it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not UTF-8.
    #[error("{}: the file is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A file is not the TOML that its name or first character promises.
    #[error("{}:{line}: not valid TOML: {message} (column {column})", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What the parser says. Not its error as a whole: that shows the line, and what stands there
        /// may be secret.
        message: Box<str>,
    },
    /// A file is not the JSON that its name or first character promises.
    #[error("{}: not valid JSON: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why, with the line.
        #[source]
        source: serde_json::Error,
    },
    /// A JSON or TOML file whose top level is not a table.
    #[error("{}: the top level must be an object with `mcpServers`", path.display())]
    NotATable {
        /// The file.
        path: PathBuf,
    },
    /// Nothing says what to serve.
    #[error(
        "no configuration: give --config FILE, or create one of {} \
         (`standpipe config example` prints a start)",
        searched.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Nothing {
        /// Where files were looked for.
        searched: Vec<PathBuf>,
    },
    /// Readable, with mistakes.
    #[error("{}", lines(.0))]
    Mistakes(Vec<Mistake>),
}

/// One mistake and its place.
#[derive(Debug)]
pub struct Mistake {
    /// Where the value was written.
    pub origin: Origin,
    /// The key, with dots: `mcpServers.fs.command`.
    pub key: String,
    /// The same, one by one.
    pub path: Vec<String>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`: {}", self.origin, self.key, self.fault)
    }
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File {
        /// Its path as it was given.
        path: PathBuf,
        /// Counted from 1, where it could be found.
        line: Option<usize>,
    },
    /// In this variable of the environment.
    Variable(String),
    /// In this flag.
    Flag(String),
    /// Nowhere: a default, or a value that is missing.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "{name}"),
            Self::Default => f.write_str("configuration"),
        }
    }
}

/// What is wrong with one value.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A key that does not exist.
    #[error("unknown key; {}", hint(nearest, valid))]
    UnknownKey {
        /// The key that was probably meant.
        nearest: Nearest,
        /// All keys that may stand here.
        valid: Vec<&'static str>,
    },
    /// Of another type than the key takes.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What the key takes.
        expected: &'static str,
        /// The type that was found; never the value.
        found: &'static str,
    },
    /// Not one of a few words.
    #[error("`{found}` is not one of {}", valid.join(", "))]
    Choice {
        /// The word.
        found: String,
        /// The words there are.
        valid: &'static [&'static str],
    },
    /// A reference to something else than the key takes. It may be secret, so it is not named.
    #[error("what its reference stands for is not {expected}")]
    Expanded {
        /// What the key takes.
        expected: Cow<'static, str>,
    },
    /// Not a duration.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// Not a size.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// Not a number in range.
    #[error("must be a whole number from 0 to {max}")]
    Range {
        /// The largest number accepted.
        max: usize,
    },
    /// A required key is missing.
    #[error("`{key}` is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// Not a name for a service.
    #[error("not a service id: {0}")]
    Id(#[from] ServiceIdFault),
    /// A remote server.
    #[error(
        "`{key}` describes a remote server; Standpipe runs servers that speak stdio: \
         give a `command`, or remove the entry"
    )]
    Remote {
        /// The key that shows it.
        key: &'static str,
    },
    /// Inconsistent or impossible values.
    #[error(transparent)]
    Spec(#[from] SpecFault),
    /// Not an address to listen on.
    #[error("not an address to listen on; write HOST:PORT, like 127.0.0.1:8085")]
    Address,
    /// A host name that does not resolve.
    #[error("the host of this address cannot be resolved")]
    Resolve(#[source] io::Error),
    /// Not a host to allow.
    #[error("not a host; write a name or address, with or without a port, or `*` for any")]
    Host,
    /// Not an origin to allow.
    #[error("not an origin; write SCHEME://HOST or SCHEME://HOST:PORT, or `*` for any")]
    Origin,
    /// Not a log filter.
    #[error("not a log filter; write a level, like `info`, or `standpipe=debug,warn`")]
    Log,
    /// Not an endpoint for traces.
    #[error(
        "not an endpoint for traces; write http://HOST:PORT, like http://127.0.0.1:4318 \
         (no https, no user or password, no query)"
    )]
    Endpoint,
    /// Not a header.
    #[error("not a header of HTTP: its name or its value has characters that cannot be sent")]
    Header,
    /// Not a share.
    #[error("must be a number from 0 to 1")]
    Ratio,
    /// Reachable from elsewhere, with any Host: a web page could talk to it through its own name.
    #[error(
        "this address is reachable from other machines, so it has to be said under which host \
         names: add --allow-host NAME (`allow_host` in a file), or listen on 127.0.0.1"
    )]
    NoAllowedHost,
    /// An empty path.
    #[error("not a path for a socket; write one, or `default`, or `off`")]
    SocketPath,
    /// A control plane that anybody could use.
    #[error(
        "whoever reaches the control plane can run any command, so it listens on TCP only with a \
         token: set `control.token` too, or use `control.socket`"
    )]
    NoToken,
    /// A token that can be guessed.
    #[error("a token must have at least {least} bytes; `openssl rand -hex 32` prints a good one")]
    TokenShort {
        /// So many.
        least: usize,
    },
    /// A token that no header can carry.
    #[error("a token must consist of visible ASCII characters, without spaces")]
    TokenText,
    /// The control plane beside something else.
    #[error("something else is served at this address; the control plane needs one of its own")]
    ControlAddress,
    /// A reference where none is replaced.
    #[error(
        "`${{env:…}}` and `${{file:…}}` are replaced in configuration files only; send the value \
         itself, or write `$${{` for a literal `${{`"
    )]
    Reference,
    /// What was shown in place of a secret came back.
    #[error("`[redacted]` is what is shown in place of a secret; send the value itself")]
    Withheld,
    /// An entry that is not to be served.
    #[error("an entry that is disabled cannot be registered; leave it out, or remove the service")]
    Disabled,
    /// `${env:NAME}` of a variable that is not set.
    #[error("`${{env:{name}}}`: the variable is not set")]
    Unset {
        /// The variable.
        name: String,
    },
    /// `${env:NAME}` of a variable that is not UTF-8.
    #[error("`${{env:{name}}}`: the variable is not UTF-8 text")]
    UnsetText {
        /// The variable.
        name: String,
    },
    /// `${file:PATH}` of a file that cannot be read.
    #[error("`${{file:{}}}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `${env:` or `${file:` without its closing brace.
    #[error("a `${{` reference is not closed by `}}`")]
    Unclosed,
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn hint(nearest: &Nearest, valid: &[&str]) -> String {
    let Nearest { key, is_near } = nearest;
    if *is_near {
        return format!("did you mean `{key}`?");
    }
    format!("the nearest is `{key}`; valid keys are {}", valid.join(", "))
}
