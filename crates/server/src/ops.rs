//! What operators and their tools ask: metrics, alive, ready.
//!
//! Owns these three answers. It must not change anything. It exists beside the services' routes so
//! that it can be served on an address of its own.

use std::collections::BTreeMap;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use standpipe_core::service::ServiceId;
use standpipe_core::status::ServiceStatus;
use standpipe_metrics::Metrics;

use crate::app::App;
use crate::routes::Ops;

/// What is asked, answered.
pub(crate) fn answer(app: &App, asked: Ops) -> Response<Body> {
    match asked {
        Ops::Metrics => text(StatusCode::OK, Metrics::CONTENT_TYPE, app.metrics.render()),
        // Whoever can answer is alive.
        Ops::Alive => text(StatusCode::OK, "application/json", r#"{"status":"ok"}"#.to_owned()),
        Ops::Ready => ready(app),
    }
}

/// `/readyz`: 200 once every service that is started by itself was ready or failed, until a
/// shutdown. One broken service among many does not make the whole unready; its state is shown, but
/// for what its process wrote to stderr, which may be secret. A service of which it is not known how
/// it is gets probed.
fn ready(app: &App) -> Response<Body> {
    #[derive(Serialize)]
    struct Readiness {
        status: &'static str,
        services: BTreeMap<ServiceId, ServiceStatus>,
    }
    let (code, status) = if app.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if app.is_settled() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting")
    };
    // What is found out is in the next answer.
    app.registry.check_health();
    let services = app.registry.list().into_iter().collect();
    let body = serde_json::to_string(&Readiness { status, services })
        .expect("names and plain values are JSON");
    let mut response = text(code, "application/json", body);
    if code == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
