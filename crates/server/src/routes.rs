//! Which path leads where, and what happens around every request.
//!
//! Owns the table of paths and the frame of a request: its id, its checks, its span. It must not
//! know what a transport does. It exists as one static router: services come and go in the
//! registry, routes never change.

mod spanned;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::routing::{any, get};
use http::{Method, Response};
use hyper::body::Incoming;
use standpipe_core::trace;
use standpipe_process::Service;
use tower::Service as _;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::app::App;
use crate::config::AllowedHost;
use crate::edge::{Edge, RequestId};
use crate::error::{AppError, peek_id};
use crate::lingering::Lingering;
use crate::ops;
use crate::telemetry::{REQUEST, Traces};

/// The name in the path, as the router found it.
type Name = Result<Path<String>, PathRejection>;

/// A table of paths, ready to serve.
#[derive(Debug, Clone)]
pub struct Routes {
    app: Arc<App>,
    edge: Arc<Edge>,
    router: Router,
    traces: Option<Traces>,
}

impl Routes {
    /// The services' paths, with those of metrics and health beside them if `with_ops`.
    pub fn services(app: &Arc<App>, with_ops: bool) -> Self {
        let mut router = Router::new()
            .route("/mcp", any(only_stream))
            .route("/sse", any(only_events))
            .route("/message", any(only_message))
            .route("/servers/{id}/mcp", any(stream))
            .route("/servers/{id}/sse", any(events))
            .route("/servers/{id}/message", any(message))
            .route("/mcp/stream/proxy/{id}", any(stream))
            .route("/mcp/sse/proxy/{id}/sse", any(events))
            .route("/mcp/sse/proxy/{id}/message", any(message));
        if with_ops {
            router = ops_routes(router);
        }
        Self::new(app, app.edge.clone(), router)
    }

    /// The paths of metrics and health alone, for an address of their own. Where that can be
    /// reached from elsewhere any `Host` will do: a scraper uses whatever name it was given, and
    /// there is nothing behind this address but numbers.
    pub fn ops(app: &Arc<App>, address: SocketAddr) -> Self {
        let mut edge = app.edge.clone();
        edge.local = address.ip().is_loopback();
        if !edge.local {
            edge.allow_host = vec![AllowedHost::Any];
        }
        Self::new(app, edge, ops_routes(Router::new()))
    }

    fn new(app: &Arc<App>, edge: Edge, router: Router<Arc<App>>) -> Self {
        let router = router.fallback(unknown).with_state(Arc::clone(app));
        Self { app: Arc::clone(app), edge: Arc::new(edge), router, traces: None }
    }

    /// The same paths, with their requests traced where there is something to trace with.
    #[must_use]
    pub fn traced(mut self, traces: Option<Traces>) -> Self {
        self.traces = traces;
        self
    }

    /// Answers one request of the network.
    pub async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let unread = self.app.unread_bodies().clone();
        self.serve(request.map(|body| Body::new(Lingering::new(body, unread)))).await
    }

    /// Answers one request.
    pub async fn serve(self, request: Request) -> Response<Body> {
        let id = RequestId::of(request.headers(), || self.app.next_request());
        let span = tracing::info_span!(
            target: REQUEST,
            "request",
            request_id = id.as_str(),
            method = %request.method(),
            path = request.uri().path(),
            // Known later, by those who find out.
            service = Empty,
            session = Empty,
            trace_id = Empty,
        );
        let mut response = match self.traces.clone() {
            None => self.checked(request).instrument(span.clone()).await,
            Some(traces) => {
                let followed = traces.follow(request, |request| self.checked(request));
                followed.instrument(span.clone()).await
            }
        };
        id.mark(response.headers_mut());
        spanned::spanned(response, span)
    }

    async fn checked(mut self, request: Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let admitted = match self.edge.admit(&parts) {
            Ok(admitted) => admitted,
            Err(refused) => return self.app.refuse(&refused, None),
        };
        let mut response = match admitted.preflight(&parts) {
            Some(response) => response,
            None => match self.router.call(Request::from_parts(parts, body)).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        admitted.mark(response.headers_mut());
        response
    }
}

fn ops_routes(router: Router<Arc<App>>) -> Router<Arc<App>> {
    router
        .route("/metrics", get(ops::metrics).fallback(not_get))
        .route("/healthz", get(ops::alive).fallback(not_get))
        .route("/readyz", get(ops::ready).fallback(not_get))
}

async fn stream(State(app): State<Arc<App>>, id: Name, request: Request) -> Response<Body> {
    let service = named(&app, id);
    to_stream(&app, service, request).await
}

async fn only_stream(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let service = app.only_service();
    to_stream(&app, service, request).await
}

async fn events(State(app): State<Arc<App>>, id: Name, request: Request) -> Response<Body> {
    let service = named(&app, id);
    to_events(&app, service, request).await
}

async fn only_events(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let service = app.only_service();
    to_events(&app, service, request).await
}

async fn message(State(app): State<Arc<App>>, id: Name, request: Request) -> Response<Body> {
    let service = named(&app, id);
    to_message(&app, service, request).await
}

async fn only_message(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let service = app.only_service();
    to_message(&app, service, request).await
}

async fn unknown(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    refuse_caller(&app, &AppError::UnknownPath, request).await
}

async fn not_get(State(app): State<Arc<App>>) -> Response<Body> {
    app.refuse(&AppError::Method { allow: "GET, HEAD" }, None)
}

fn named(app: &App, id: Name) -> Result<Service, AppError> {
    let Path(id) = id?;
    app.service(&id)
}

async fn to_stream(
    app: &App,
    service: Result<Service, AppError>,
    request: Request,
) -> Response<Body> {
    let service = match service {
        Ok(service) => service,
        Err(refused) => return refuse_caller(app, &refused, request).await,
    };
    name(&service);
    let route = standpipe_transport_stream::Route {
        gate: service.gate().clone(),
        metrics: Arc::clone(service.metrics()),
    };
    app.stream.handle(&route, request).await.map(Body::new)
}

async fn to_events(
    app: &App,
    service: Result<Service, AppError>,
    request: Request,
) -> Response<Body> {
    let service = match service {
        Ok(service) => service,
        Err(refused) => return refuse_caller(app, &refused, request).await,
    };
    name(&service);
    // The message endpoint is the event stream's neighbour on every one of its paths.
    let path = request.uri().path();
    let message_path = format!("{}message", path.strip_suffix("sse").unwrap_or(path));
    app.sse.open(&sse_route(&service), &message_path, &request).map(Body::new)
}

async fn to_message(
    app: &App,
    service: Result<Service, AppError>,
    request: Request,
) -> Response<Body> {
    match service {
        Ok(service) => {
            name(&service);
            app.sse.message(&sse_route(&service), request).await.map(Body::new)
        }
        Err(refused) => refuse_caller(app, &refused, request).await,
    }
}

/// Names the service on the request's log lines and in its trace.
fn name(service: &Service) {
    let id = service.id().as_str();
    Span::current().record("service", id);
    trace::service(id);
}

fn sse_route(service: &Service) -> standpipe_transport_sse::Route {
    standpipe_transport_sse::Route {
        gate: service.gate().clone(),
        metrics: Arc::clone(service.metrics()),
    }
}

/// Refuses under the caller's own JSON-RPC id, where it sent one.
async fn refuse_caller(app: &App, refused: &AppError, request: Request) -> Response<Body> {
    let id = if request.method() == Method::POST { peek_id(request).await } else { None };
    app.refuse(refused, id.as_deref())
}

impl App {
    fn refuse(
        &self,
        refused: &AppError,
        id: Option<&serde_json::value::RawValue>,
    ) -> Response<Body> {
        self.metrics.refused(refused.refusal());
        tracing::debug!("refused: {refused}");
        refused.response(id)
    }
}
