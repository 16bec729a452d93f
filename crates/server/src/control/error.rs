//! What can go wrong on the control plane.
//!
//! Owns one exhaustive match from each error to its problem details. It must not decide what is
//! refused. It exists so that every answer is honest and says what to do.

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::response::IntoResponse;
use http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use standpipe_core::service::{ServiceId, ServiceIdError};

use super::problem::{Problem, ProblemError, pointer};
use crate::config::{Fault, Mistake};
use crate::error::AppError;

/// Why a call is refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The edge refused it.
    #[error(transparent)]
    Edge(#[from] AppError),
    /// No token, or another one.
    #[error("this address needs the token: `Authorization: Bearer TOKEN`, once")]
    Token,
    /// Not a service id.
    #[error(transparent)]
    Id(#[from] ServiceIdError),
    /// A path that is not text.
    #[error("not a service id: the path is not valid UTF-8 text")]
    Path(#[from] PathRejection),
    /// Parameters that do not exist, or with other values than they take.
    #[error("the query is not understood: {}", .0.body_text())]
    Query(#[from] QueryRejection),
    /// A number of lines that cannot be meant.
    #[error("`lines` must be a whole number from 0 to {most}")]
    Lines {
        /// The most that can be asked for.
        most: usize,
    },
    /// No service of this name.
    #[error("there is no service `{id}`; GET /api/v1/servers lists those there are")]
    UnknownService {
        /// The name.
        id: ServiceId,
    },
    /// A path that means nothing.
    #[error("there is nothing at this path; /api/v1/openapi.json describes what there is")]
    UnknownPath,
    /// A method that the path does not take.
    #[error("this path does not take this method; the Allow header lists those it takes")]
    Method,
    /// A body of another type.
    #[error("the body must be JSON, with `Content-Type: application/json`")]
    MediaType,
    /// A body that is too long.
    #[error("the body is longer than {most} bytes")]
    TooLarge {
        /// The longest one accepted, in bytes.
        most: usize,
    },
    /// A body that does not come.
    #[error("the body did not come within {seconds} seconds")]
    TooSlow {
        /// So long was waited.
        seconds: u64,
    },
    /// The client went away.
    #[error("the body broke off")]
    BrokenBody,
    /// A body that is not JSON.
    #[error("the body is not JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// JSON of another shape.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// JSON that lacks something, or has something of another type.
    #[error("the body is not understood: {0}")]
    Shape(#[source] serde_json::Error),
    /// A configuration inside the body that is not JSON.
    #[error("`mcpJsonConfig` is not JSON: {0}")]
    InnerJson(#[source] serde_json::Error),
    /// A configuration inside the body that has none or several servers.
    #[error(
        "`mcpJsonConfig` must be an object with `mcpServers`, and in that exactly one object that \
         describes a server"
    )]
    OneServer,
    /// An entry with mistakes.
    #[error("the description of the service cannot be used: {}", list(.0))]
    Entry(Vec<Mistake>),
    /// Another source takes precedence.
    #[error("`{id}` is described by a source that takes precedence")]
    Outranked {
        /// The service.
        id: ServiceId,
    },
    /// A start of what has failed too often.
    #[error(
        "`{id}` is in a crash loop and is not started any more; look at its logs, mend it, then \
         restart it or describe it anew"
    )]
    CrashLoop {
        /// The service.
        id: ServiceId,
    },
    /// A start where there is nothing to start.
    #[error(
        "`{id}` has a process for each client session; they are started by their sessions, and \
         there is nothing to start before"
    )]
    OwnProcesses {
        /// The service.
        id: ServiceId,
    },
    /// Too many follow logs.
    #[error("{most} clients follow logs already; end one of them, or try again later")]
    Followers {
        /// So many may.
        most: usize,
    },
    /// A shutdown is under way.
    #[error("Standpipe is shutting down")]
    Draining,
}

impl ControlError {
    /// The HTTP status, the last part of the problem's URN, and its title.
    const fn facts(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Edge(refused) => (refused.status(), "refused", "The request is refused"),
            Self::Token => (StatusCode::UNAUTHORIZED, "token", "The token is missing or wrong"),
            Self::Id(_) | Self::Path(_) => {
                (StatusCode::BAD_REQUEST, "service-id", "This is no service id")
            }
            Self::Query(_) | Self::Lines { .. } => {
                (StatusCode::BAD_REQUEST, "query", "The query is not understood")
            }
            Self::UnknownService { .. } => {
                (StatusCode::NOT_FOUND, "unknown-service", "There is no such service")
            }
            Self::UnknownPath => (StatusCode::NOT_FOUND, "unknown-path", "There is nothing here"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method", "The method is not taken"),
            Self::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "The body is not JSON")
            }
            Self::TooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too long")
            }
            Self::TooSlow { .. } => {
                (StatusCode::REQUEST_TIMEOUT, "too-slow", "The body did not come in time")
            }
            Self::BrokenBody | Self::Json(_) => {
                (StatusCode::BAD_REQUEST, "json", "The body is not JSON")
            }
            Self::NotAnObject | Self::Shape(_) | Self::InnerJson(_) | Self::OneServer => {
                (StatusCode::UNPROCESSABLE_ENTITY, "shape", "The body has another shape")
            }
            Self::Entry(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "entry", "The description cannot be used")
            }
            Self::Outranked { .. } => {
                (StatusCode::CONFLICT, "outranked", "Another description takes precedence")
            }
            Self::CrashLoop { .. } => {
                (StatusCode::CONFLICT, "crash-loop", "The service is in a crash loop")
            }
            Self::OwnProcesses { .. } => {
                (StatusCode::CONFLICT, "own-processes", "Sessions start their own processes")
            }
            Self::Followers { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "followers", "Too many follow logs")
            }
            Self::Draining => {
                (StatusCode::SERVICE_UNAVAILABLE, "draining", "Standpipe is shutting down")
            }
        }
    }

    /// The same as problem details.
    pub fn problem(&self) -> Problem {
        let (status, name, title) = self.facts();
        let errors = match self {
            Self::Entry(mistakes) => mistakes.iter().map(mistake).collect(),
            Self::NotAnObject | Self::Shape(_) => vec![ProblemError {
                pointer: pointer(&[]),
                detail: self.to_string(),
                nearest: None,
            }],
            _ => Vec::new(),
        };
        Problem {
            kind: format!("urn:standpipe:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            errors,
        }
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response<Body> {
        tracing::debug!("refused: {self}");
        let mut response = self.problem().response();
        let headers = response.headers_mut();
        match self {
            Self::Token => {
                headers.insert(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"standpipe\""),
                );
            }
            Self::Followers { .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("10"));
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

fn mistake(mistake: &Mistake) -> ProblemError {
    let nearest = match &mistake.fault {
        Fault::UnknownKey { nearest, .. } => Some(nearest.key.to_owned()),
        _ => None,
    };
    ProblemError { pointer: pointer(&mistake.path), detail: mistake.fault.to_string(), nearest }
}

fn list(mistakes: &[Mistake]) -> String {
    let one = |mistake: &Mistake| format!("`{}`: {}", mistake.key, mistake.fault);
    mistakes.iter().map(one).collect::<Vec<_>>().join("; ")
}
