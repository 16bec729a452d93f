//! The control plane's keys: the tables `control` and `compat`.
//!
//! Owns where the control plane may listen and who may use it. It must not open anything. It exists
//! because whoever registers a command runs it: what is not closed by the operating system has to be
//! closed by a token, and that is checked before anything is started.

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;

use standpipe_core::secret::Redacted;

use super::error::Fault;
use super::keys;
use super::section::Section;

/// Tokens shorter than this, in bytes, can be guessed.
pub const MIN_TOKEN_BYTES: usize = 16;

/// How the control plane is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlSettings {
    /// The Unix socket.
    pub socket: ControlSocket,
    /// The TCP address, where one is wanted.
    pub tcp: Option<ControlTcp>,
    /// Whether the calls of `mcp-stdio-proxy` are answered as well.
    pub origin_api: bool,
}

/// Where the Unix socket is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ControlSocket {
    /// Nothing was said: `serve` uses [`usual_socket`] if it can, `run` none.
    #[default]
    Unsaid,
    /// There is none.
    Off,
    /// Here and nowhere else.
    At(PathBuf),
}

/// A TCP address and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlTcp {
    /// The address.
    pub listen: SocketAddr,
    /// What a caller has to know.
    pub token: Redacted<String>,
}

/// Where the socket is unless configured, and where clients look for it: in `XDG_RUNTIME_DIR`, which
/// belongs to one user, else where system services have theirs.
pub fn usual_socket() -> PathBuf {
    let own = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    own.unwrap_or_else(|| PathBuf::from("/run")).join("standpipe").join("control.sock")
}

/// Reads both tables. `occupied` are the addresses where something else is served.
pub(super) fn read(top: &Section<'_>, occupied: &[Option<SocketAddr>]) -> ControlSettings {
    let origin_api = top.section("compat").and_then(|compat| {
        compat.expect_keys(&[keys::COMPAT], &[]);
        compat.flag("origin_api")
    });
    let mut settings =
        ControlSettings { origin_api: origin_api == Some(true), ..ControlSettings::default() };
    let Some(section) = top.section("control") else {
        return settings;
    };
    section.expect_keys(&[keys::CONTROL], &[]);
    if let Some(socket) = section.text("socket") {
        settings.socket = match socket.value.as_str() {
            "off" => ControlSocket::Off,
            "default" => ControlSocket::At(usual_socket()),
            "" => {
                section.report_at("socket", Fault::SocketPath);
                ControlSocket::Off
            }
            path => ControlSocket::At(path.into()),
        };
    }
    let token = section.text("token").and_then(|token| match token_fault(&token.value) {
        None => Some(Redacted::new(token.value)),
        Some(fault) => {
            section.report_at("token", fault);
            None
        }
    });
    let listen = super::address(&section);
    let Some(listen) = listen else { return settings };
    if listen.port() != 0 && occupied.contains(&Some(listen)) {
        section.report_at("listen", Fault::ControlAddress);
    }
    if !listen.ip().is_loopback() && !top.dict.contains_key("allow_host") {
        section.report_at("listen", Fault::NoAllowedHost);
    }
    match token {
        Some(token) => settings.tcp = Some(ControlTcp { listen, token }),
        None if section.dict.contains_key("token") => {}
        None => section.report_at("listen", Fault::NoToken),
    }
    settings
}

/// Why a text is not fit to be a token. Its characters have to survive a header.
fn token_fault(token: &str) -> Option<Fault> {
    if token.len() < MIN_TOKEN_BYTES {
        return Some(Fault::TokenShort { least: MIN_TOKEN_BYTES });
    }
    (!token.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Fault::TokenText)
}

#[cfg(test)]
mod tests;
