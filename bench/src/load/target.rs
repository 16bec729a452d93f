//! Where requests go.
//!
//! Owns the reading of `http://HOST:PORT/PATH`. Must not know what is there.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use super::http::broken;

/// An address, and a path there.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) host: String,
    pub(super) path: String,
}

impl Target {
    pub(super) fn new(url: &str) -> io::Result<Self> {
        let rest = url.strip_prefix("http://").ok_or_else(|| broken("a URL without http://"))?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let address = host
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| broken("a URL whose host has no address"))?;
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { address, host: host.to_owned(), path: path.to_owned() })
    }

    /// Another place on the same server: a path, or a whole URL.
    pub(super) fn at(&self, place: &str) -> io::Result<Self> {
        if place.starts_with("http://") {
            return Self::new(place);
        }
        Ok(Self { path: place.to_owned(), ..self.clone() })
    }

    /// The head of a request, but for its length and its end.
    pub(super) fn head(&self, method: &str, more: &str) -> String {
        format!("{method} {} HTTP/1.1\r\nHost: {}\r\n{more}", self.path, self.host)
    }
}
