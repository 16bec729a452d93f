//! From what goes wrong before a service is reached to the response that says so.
//!
//! Owns one exhaustive match: status, JSON-RPC code, message and metric of each refusal. It must
//! not decide what is refused. It exists so that every answer is honest, says what to do, and is a
//! JSON-RPC error to those who speak it.

mod peek;

use axum::body::Body;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
pub use peek::peek_id;
use serde_json::value::RawValue;
use standpipe_core::protocol::code;
use standpipe_core::service::{ServiceId, ServiceIdError};
use standpipe_metrics::Refusal;

/// Why a request does not reach a service.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// HTTP/1.1 demands a `Host`.
    #[error("the Host header is missing")]
    HostMissing,
    /// Two of them could be read differently by two readers.
    #[error("the Host header is given more than once")]
    HostRepeated,
    /// A host that is not ours: a page may be trying to reach us under its own name.
    #[error("the Host `{host}` is not allowed; start Standpipe with --allow-host to allow it")]
    HostForbidden {
        /// The host, fit to be shown.
        host: String,
    },
    /// A page of another origin.
    #[error(
        "the Origin `{origin}` is not allowed; start Standpipe with --allow-origin to allow it"
    )]
    OriginForbidden {
        /// The origin, fit to be shown.
        origin: String,
    },
    /// A header that would say what to run.
    #[error("the header `{name}` is not accepted here: services are configured by the operator")]
    ConfigHeader {
        /// The header.
        name: HeaderName,
    },
    /// A path with something that cannot be a service's name.
    #[error("{0}")]
    BadServiceId(#[from] ServiceIdError),
    /// A path that is not text.
    #[error("not a service id: the path is not valid UTF-8 text")]
    BadPath,
    /// A name that nobody configured.
    #[error("there is no service `{id}`; /readyz lists those there are")]
    UnknownService {
        /// The name.
        id: ServiceId,
    },
    /// A path without a name, where there is not exactly one service.
    #[error("this path needs a server with exactly one service; use /servers/NAME/… instead")]
    NoOnlyService,
    /// A path that means nothing.
    #[error(
        "there is nothing at this path; services are at /servers/NAME/mcp and /servers/NAME/sse"
    )]
    UnknownPath,
    /// A method that the path does not take.
    #[error("this path takes only {allow}")]
    Method {
        /// What it takes.
        allow: &'static str,
    },
    /// A shutdown is under way.
    #[error("Standpipe is shutting down; try again shortly")]
    Draining,
}

impl AppError {
    /// What is counted.
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::HostMissing | Self::HostRepeated | Self::HostForbidden { .. } => Refusal::Host,
            Self::OriginForbidden { .. } => Refusal::Origin,
            Self::ConfigHeader { .. } => Refusal::ConfigHeader,
            Self::BadServiceId(_) | Self::BadPath => Refusal::BadServiceId,
            Self::UnknownService { .. } | Self::NoOnlyService => Refusal::UnknownService,
            Self::UnknownPath | Self::Method { .. } => Refusal::UnknownPath,
            Self::Draining => Refusal::Draining,
        }
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::HostMissing | Self::HostRepeated | Self::BadServiceId(_) | Self::BadPath => {
                StatusCode::BAD_REQUEST
            }
            Self::HostForbidden { .. }
            | Self::OriginForbidden { .. }
            | Self::ConfigHeader { .. } => StatusCode::FORBIDDEN,
            Self::UnknownService { .. } | Self::NoOnlyService | Self::UnknownPath => {
                StatusCode::NOT_FOUND
            }
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn code(&self) -> i32 {
        match self {
            Self::HostForbidden { .. }
            | Self::OriginForbidden { .. }
            | Self::ConfigHeader { .. } => code::FORBIDDEN,
            Self::Draining => code::UNAVAILABLE,
            Self::HostMissing
            | Self::HostRepeated
            | Self::BadServiceId(_)
            | Self::BadPath
            | Self::UnknownService { .. }
            | Self::NoOnlyService
            | Self::UnknownPath
            | Self::Method { .. } => code::INVALID_REQUEST,
        }
    }

    /// The response, for the request of this id (`None`: not known, or not JSON-RPC).
    pub fn response(&self, id: Option<&RawValue>) -> Response<Body> {
        let message = serde_json::Value::String(self.to_string());
        let id = id.map_or("null", RawValue::get);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{},"message":{message}}}}}"#,
            self.code()
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::Method { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::Draining => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}
