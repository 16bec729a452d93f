//! What is checked on every request before anything else is done for it.
//!
//! Owns the rules on `Host`, `Origin`, configuration headers and request ids, and CORS. It must
//! not know services or protocols, nor read a body. It exists because a web page can make a
//! browser send requests to this machine, under its own name (DNS rebinding) or across origins:
//! the specification demands that these are refused (2025-11-25, "Transports", security warning).

#[cfg(test)]
mod tests;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

use crate::config::{AllowedHost, AllowedOrigin, HostPort, WebOrigin};
use crate::error::AppError;

/// Headers by which other proxies are told what to run. Served as if they were not there they
/// would reach the wrong service, so they are refused.
const CONFIGURATION_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-mcp-json"), HeaderName::from_static("x-mcp-type")];

/// Names a request in logs, its answer and the next proxy.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A client's own request id is taken over up to this length, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// Response headers that a page may read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("mcp-session-id, mcp-protocol-version, retry-after, x-request-id");

/// Methods that a page may use.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Request headers that a page may send, where its preflight names none.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "content-type, accept, authorization, mcp-session-id, mcp-protocol-version, last-event-id",
);

/// The rules.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Hosts that are allowed besides this machine's own names.
    pub allow_host: Vec<AllowedHost>,
    /// Origins that are allowed besides those of this machine and of the requested host.
    pub allow_origin: Vec<AllowedOrigin>,
    /// Whether we listen on this machine's own address only. Pages served by this machine are
    /// trusted then, and only then: elsewhere `localhost` is the reader's machine, not ours.
    pub local: bool,
}

/// A request that may go on.
#[derive(Debug)]
pub struct Admitted {
    /// The origin to name in the answer, where a page of an allowed one asks.
    cors: Option<HeaderValue>,
}

impl Edge {
    /// Checks a request.
    pub fn admit<B>(&self, request: &Request<B>) -> Result<Admitted, AppError> {
        let headers = request.headers();
        // Most requests are for this machine and come from no page.
        let plain = is_for_this_machine(request) && !headers.contains_key(ORIGIN);
        let cors = if plain {
            None
        } else {
            let host = self.host(request)?;
            self.origin(headers, host.as_ref())?
        };
        let forbidden = CONFIGURATION_HEADERS.into_iter().find(|name| headers.contains_key(name));
        if let Some(name) = forbidden {
            return Err(AppError::ConfigHeader { name });
        }
        Ok(Admitted { cors })
    }

    fn host<B>(&self, request: &Request<B>) -> Result<Option<HostPort>, AppError> {
        let mut given = request.headers().get_all(HOST).iter();
        let first = given.next();
        if given.next().is_some() {
            return Err(AppError::HostRepeated);
        }
        // A request line with a host of its own overrules the header, so it is checked as well.
        let in_line = request.uri().authority().map(http::uri::Authority::as_str);
        let in_header = match first {
            Some(value) => Some(value.to_str().map_err(|_| forbidden_host(value))?),
            None if request.version() == Version::HTTP_10 => None,
            None => return Err(AppError::HostMissing),
        };
        let mut host = None;
        for text in in_line.into_iter().chain(in_header) {
            let parsed = HostPort::parse(text).filter(|host| self.allows_host(host));
            host = Some(parsed.ok_or_else(|| AppError::HostForbidden { host: shown(text) })?);
        }
        Ok(host)
    }

    fn allows_host(&self, host: &HostPort) -> bool {
        host.is_loopback() || self.allow_host.iter().any(|allowed| allowed.matches(host))
    }

    /// The origin to name in the answer; `None` where no page asks, or none that needs it.
    fn origin(
        &self,
        headers: &HeaderMap,
        host: Option<&HostPort>,
    ) -> Result<Option<HeaderValue>, AppError> {
        let mut given = headers.get_all(ORIGIN).iter();
        let Some(value) = given.next() else {
            return Ok(None);
        };
        let forbidden = || AppError::OriginForbidden {
            origin: shown(&String::from_utf8_lossy(value.as_bytes())),
        };
        if given.next().is_some() {
            return Err(forbidden());
        }
        let origin = value.to_str().ok().and_then(WebOrigin::parse).ok_or_else(forbidden)?;
        if self.allow_origin.iter().any(|allowed| allowed.matches(&origin)) {
            return Ok(Some(value.clone()));
        }
        let local = self.local && origin.authority.is_loopback();
        let own = host.is_some_and(|host| origin.is_same_host(host));
        if local || own { Ok(None) } else { Err(forbidden()) }
    }
}

impl Admitted {
    /// The answer to a CORS preflight of an allowed page, where this is one.
    pub fn preflight<B: Default>(&self, request: &Request<impl Sized>) -> Option<Response<B>> {
        let is_preflight = *request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        self.cors.as_ref().filter(|_| is_preflight)?;
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        // What the page asks for is what it may send: who is allowed was decided by its origin.
        let asked = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.cloned().unwrap_or(REQUEST_HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
        Some(response)
    }

    /// Lets the page read the answer, where it may.
    pub fn mark(&self, headers: &mut HeaderMap) {
        if let Some(origin) = &self.cors {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
    }
}

/// The name of a request in logs and in its answer: the client's own where it is usable.
#[derive(Debug, Clone)]
pub enum RequestId {
    /// The client's.
    Given(HeaderValue),
    /// Ours.
    Fresh(u64),
}

impl RequestId {
    /// Takes over the client's, or makes one from a number that is never used twice.
    pub fn of(headers: &HeaderMap, fresh: impl FnOnce() -> u64) -> Self {
        let usable = |value: &&HeaderValue| {
            (1..=MAX_REQUEST_ID).contains(&value.len())
                && value.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        // In memory of its own: a part of the buffer that a request was read into holds all of it.
        let copied = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).ok();
        let given = headers.get(REQUEST_ID).filter(usable).and_then(copied);
        given.map_or_else(|| Self::Fresh(fresh()), Self::Given)
    }

    /// The id as the value of a header.
    pub fn to_header(&self) -> HeaderValue {
        match self {
            Self::Given(value) => value.clone(),
            Self::Fresh(number) => {
                let mut digits = [0_u8; 16];
                for (digit, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
                    const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
                    digit[0] = HEXADECIMAL[usize::from(byte >> 4)];
                    digit[1] = HEXADECIMAL[usize::from(byte & 0xf)];
                }
                HeaderValue::from_bytes(&digits).expect("hexadecimal digits are a header value")
            }
        }
    }

    /// Names the request in its answer.
    pub fn mark(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.to_header());
    }
}

/// Whether the one host that is named is this machine, in the usual words.
fn is_for_this_machine<B>(request: &Request<B>) -> bool {
    let mut given = request.headers().get_all(HOST).iter();
    let (Some(host), None, None) = (given.next(), given.next(), request.uri().authority()) else {
        return false;
    };
    let host = host.as_bytes();
    let name = match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) => {
            let port = std::str::from_utf8(&host[colon + 1..]).ok();
            let is_port = |port: &str| port.parse::<u16>().is_ok() && !port.starts_with('+');
            if !port.is_some_and(is_port) {
                return false;
            }
            &host[..colon]
        }
        None => host,
    };
    matches!(name, b"127.0.0.1" | b"localhost")
}

fn forbidden_host(value: &HeaderValue) -> AppError {
    AppError::HostForbidden { host: shown(&String::from_utf8_lossy(value.as_bytes())) }
}

/// Foreign text for a message: short, without anything that could disturb a terminal or a log.
fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    text.chars().take(LONGEST).flat_map(char::escape_default).collect()
}
