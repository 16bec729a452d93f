//! Addresses to listen on, hosts and origins to allow.
//!
//! Owns how they are written and what they match. It must not know HTTP requests. It exists so
//! that what is compared on every request was taken apart once, at the start.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::error::Fault;

/// Reads `HOST:PORT`; a host name is resolved.
pub fn parse_listen(text: &str) -> Result<SocketAddr, Fault> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or(Fault::Address)?;
    if host.is_empty() || host.contains([':', '/', '[']) || port.parse::<u16>().is_err() {
        return Err(Fault::Address);
    }
    let mut found: Vec<SocketAddr> = text.to_socket_addrs().map_err(Fault::Resolve)?.collect();
    // `localhost` is usually both; clients that were told 127.0.0.1 are the more common ones.
    found.sort_by_key(SocketAddr::is_ipv6);
    found.into_iter().next().ok_or(Fault::Address)
}

/// A host name or address, with or without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// In lower case, without the brackets of an IPv6 address and without a final dot.
    pub host: String,
    /// The port, where there is one.
    pub port: Option<u16>,
}

impl HostPort {
    /// Reads the value of a `Host` header, or the authority of an origin. No user, no path.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (
                    host,
                    (!port.is_empty())
                        .then(|| port.strip_prefix(':'))
                        .map_or(Some(None), |p| p.map(Some))?,
                )
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            None => None,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse::<u16>().ok()?)
            }
            Some(_) => return None,
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let valid = host.bytes().all(plain) || host.parse::<IpAddr>().is_ok();
        (valid && !host.is_empty()).then(|| Self { host: host.to_ascii_lowercase(), port })
    }

    /// Whether this names the machine itself, whatever a name server says.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = self.host.contains(':');
        if v6 { write!(f, "[{}]", self.host) } else { f.write_str(&self.host) }?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A `Host` that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHost {
    /// Whatever the client says.
    Any,
    /// This one; without a port it stands for every port.
    Exactly(HostPort),
}

impl AllowedHost {
    /// Reads `NAME`, `NAME:PORT` or `*`. A bare IPv6 address may leave its brackets out.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let text = if text.parse::<std::net::Ipv6Addr>().is_ok() {
            format!("[{text}]")
        } else {
            text.to_owned()
        };
        HostPort::parse(&text).map(Self::Exactly).ok_or(Fault::Host)
    }

    /// Whether a request for `host` is allowed.
    pub fn matches(&self, host: &HostPort) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(allowed) => {
                allowed.host == host.host && (allowed.port.is_none() || allowed.port == host.port)
            }
        }
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(host) => host.fmt(f),
        }
    }
}

/// A web origin: scheme, host, port (RFC 6454).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin {
    scheme: String,
    /// Host and port; the scheme's own port is filled in.
    pub authority: HostPort,
}

impl WebOrigin {
    /// Reads the value of an `Origin` header. `null`, and anything with a path, is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if scheme.is_empty() || !scheme.bytes().all(valid) {
            return None;
        }
        let mut authority = HostPort::parse(authority)?;
        authority.port = authority.port.or(default_port(&scheme));
        Some(Self { scheme, authority })
    }

    /// Whether a page of this origin was served under `host`, by the scheme's own port if `host`
    /// names none.
    pub fn is_same_host(&self, host: &HostPort) -> bool {
        self.authority.host == host.host
            && (self.authority.port == host.port
                || (host.port.is_none() && self.authority.port == default_port(&self.scheme)))
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut authority = self.authority.clone();
        if authority.port == default_port(&self.scheme) {
            authority.port = None;
        }
        write!(f, "{}://{authority}", self.scheme)
    }
}

/// An `Origin` that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// Pages of any origin.
    Any,
    /// Pages of this one.
    Exactly(WebOrigin),
}

impl AllowedOrigin {
    /// Reads `SCHEME://HOST`, `SCHEME://HOST:PORT` or `*`. A final slash is forgiven.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        WebOrigin::parse(text).map(Self::Exactly).ok_or(Fault::Origin)
    }

    /// Whether a request from a page of `origin` is allowed.
    pub fn matches(&self, origin: &WebOrigin) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(allowed) => allowed == origin,
        }
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(origin) => origin.fmt(f),
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
