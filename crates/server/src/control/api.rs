//! The calls put together: which path leads where, and what happens around every call.
//!
//! Owns the table of paths and the frame of a call: its id, its checks, its span. It must not know
//! what a call does. It exists so that the table and its description are one: what is not described
//! cannot be reached.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, EXPECT};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;
use tracing::Instrument as _;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::describe::{self, Frame};
use super::error::ControlError;
use super::logs::MOST_FOLLOWERS;
use super::token::Token;
use super::{logs, origin, servers};
use crate::app::App;
use crate::edge::{Edge, RequestId};
use crate::lingering::Lingering;

/// What calls work with.
#[derive(Debug)]
pub struct Plane {
    pub(super) app: Arc<App>,
    /// Ends everything that goes on by itself.
    pub(super) streams: CancellationToken,
    /// Where the ends of services are waited for.
    pub(super) tasks: TaskTracker,
    pub(super) followers: Arc<Semaphore>,
    /// Whether the calls of the origin are answered.
    origin_api: bool,
    /// As JSON, made when it is asked for.
    description: OnceLock<Bytes>,
}

/// The calls, ready to serve at one address.
#[derive(Debug, Clone)]
pub struct ControlApi {
    plane: Arc<Plane>,
    edge: Arc<Edge>,
    /// What opens it; `None` where the operating system does.
    token: Option<Token>,
    router: Router,
}

impl Plane {
    /// Calls on the services of `app`. `streams` ends the streams among their answers, `tasks` are
    /// waited for at the end. `origin_api`: whether the calls of `mcp-stdio-proxy` are answered too.
    pub fn new(
        app: &Arc<App>,
        streams: &CancellationToken,
        tasks: &TaskTracker,
        origin_api: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            app: Arc::clone(app),
            streams: streams.clone(),
            tasks: tasks.clone(),
            followers: Arc::new(Semaphore::new(MOST_FOLLOWERS)),
            origin_api,
            description: OnceLock::new(),
        })
    }

    pub(super) fn refuse_while_draining(&self) -> Result<(), ControlError> {
        if self.app.is_draining() { Err(ControlError::Draining) } else { Ok(()) }
    }
}

impl ControlApi {
    /// The calls under the rules of `edge`, open to those who show `token` where there is one.
    pub(super) fn new(plane: &Arc<Plane>, edge: Edge, token: Option<Token>) -> Self {
        let mut router = table().split_for_parts().0;
        if plane.origin_api {
            router = router.merge(origin::table());
        }
        let router = router
            .fallback(unknown)
            .method_not_allowed_fallback(wrong_method)
            .with_state(Arc::clone(plane));
        Self { plane: Arc::clone(plane), edge: Arc::new(edge), token, router }
    }

    /// Answers one request of the network.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let plane = Arc::clone(&self.plane);
        let unread = plane.app.unread_bodies();
        let asks = request.headers().contains_key(EXPECT);
        self.serve(request.map(|body| Body::new(Lingering::new(body, asks, unread)))).await
    }

    /// Answers one request.
    pub async fn serve(self, request: Request) -> Response<Body> {
        let id = RequestId::of(request.headers(), || self.plane.app.next_request());
        let span = tracing::info_span!(
            "control",
            id = id.to_header().to_str().unwrap_or_default(),
            method = %request.method(),
            path = request.uri().path(),
        );
        let mut response = self.checked(request).instrument(span).await;
        id.mark(response.headers_mut());
        response
    }

    async fn checked(mut self, request: Request) -> Response<Body> {
        // No preflight is ever answered: no page of another origin has any business here.
        if let Err(refused) = self.edge.admit(&request) {
            return ControlError::Edge(refused).into_response();
        }
        if self.token.as_ref().is_some_and(|token| !token.opens_for(request.headers())) {
            return ControlError::Token.into_response();
        }
        match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Every call, described.
fn table() -> OpenApiRouter<Arc<Plane>> {
    OpenApiRouter::with_openapi(Frame::openapi())
        .routes(routes!(servers::list))
        .routes(routes!(servers::show, servers::put, servers::delete))
        .routes(routes!(servers::start))
        .routes(routes!(servers::stop))
        .routes(routes!(servers::restart))
        .routes(routes!(logs::logs))
        .routes(routes!(openapi))
}

fn description() -> String {
    table().into_openapi().to_json().expect("texts and numbers are JSON")
}

/// This document.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", operation_id = "getDescription", tag = "description",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value), describe::Refused)
)]
async fn openapi(State(plane): State<Arc<Plane>>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "application/json")],
        plane.description.get_or_init(|| description().into()).clone(),
    )
}

async fn unknown() -> ControlError {
    ControlError::UnknownPath
}

async fn wrong_method() -> ControlError {
    ControlError::Method
}
