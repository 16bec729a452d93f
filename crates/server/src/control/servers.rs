//! The calls on services.
//!
//! Owns what each call does and answers. It must not know how a call came in. It exists on top of the
//! registry, whose every order it passes on.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, Request, StatusCode};
use standpipe_core::service::{ServiceId, ServiceSpec, Sharing};
use standpipe_core::status::Phase;
use standpipe_process::{ConfigSource, Replacement, Service};

use super::api::Plane;
use super::entry::ServerEntry;
use super::error::ControlError;
use super::request::{self, Name};
use super::view::{Paths, Server, ServerList, ServerSummary};
use super::{describe, problem::Problem};
use crate::config;

/// Every service and how it is.
#[utoipa::path(
    get, path = "/api/v1/servers", operation_id = "listServers", tag = "servers",
    responses((status = 200, description = "All of them", body = ServerList), describe::Refused)
)]
pub(super) async fn list(State(plane): State<Arc<Plane>>) -> Json<ServerList> {
    let registry = &plane.app.registry;
    let found = registry.list().into_iter().filter_map(|(id, _)| registry.find(&id));
    Json(ServerList { servers: found.map(|service| ServerSummary::of(&service)).collect() })
}

/// One service: how it is, and what holds for it with secrets redacted.
#[utoipa::path(
    get, path = "/api/v1/servers/{id}", operation_id = "getServer", tag = "servers",
    params(describe::IdInPath),
    responses(
        (status = 200, description = "The service", body = Server),
        describe::Refused, describe::OfOne
    )
)]
pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    name: Name,
) -> Result<Json<Server>, ControlError> {
    let id = request::id(name)?;
    let service = plane.app.registry.find(&id).ok_or(ControlError::UnknownService { id })?;
    Ok(Json(plane.server(&service)))
}

/// Describes a service, whether there is one of this name or not. It takes precedence over
/// configuration files until it is removed or Standpipe ends. Where there was another, its open calls
/// may end (within its `request_timeout_max`); where it was described in the very same way, its process goes on. Nothing is
/// started before somebody asks for it.
#[utoipa::path(
    put, path = "/api/v1/servers/{id}", operation_id = "putServer", tag = "servers",
    params(describe::IdInPath),
    request_body = ServerEntry,
    responses(
        (status = 201, description = "It is new", body = Server,
         headers(("Location" = String, description = "Its path"))),
        (status = 200, description = "It replaces another, or is unchanged", body = Server),
        (status = 409, description = "A source that takes precedence describes it", body = Problem,
         content_type = "application/problem+json"),
        describe::Refused, describe::WithBody, describe::WhileDraining
    )
)]
pub(super) async fn put(
    State(plane): State<Arc<Plane>>,
    name: Name,
    request: Request<Body>,
) -> Result<Response, ControlError> {
    let id = request::id(name)?;
    plane.refuse_while_draining()?;
    let entry = request::object(request).await?;
    let spec = config::read_entry(id, &entry, &plane.app.configured.tuning())
        .map_err(ControlError::Entry)?;
    let replacement = plane.describe(spec)?;
    let service = replacement.service();
    let body = Json(plane.server(service));
    if !matches!(replacement, Replacement::New(_)) {
        return Ok(body.into_response());
    }
    let mut response = (StatusCode::CREATED, body).into_response();
    let location = HeaderValue::try_from(format!("/api/v1/servers/{}", service.id()))
        .expect("a service id is a header value");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// Removes a service. Its open calls may end, within its `request_timeout_max`; stop it first to cut
/// them off. One that a configuration file describes is back when the file is read again.
#[utoipa::path(
    delete, path = "/api/v1/servers/{id}", operation_id = "deleteServer", tag = "servers",
    params(describe::IdInPath),
    responses(
        (status = 204, description = "It is not known any more"),
        describe::Refused, describe::OfOne
    )
)]
pub(super) async fn delete(
    State(plane): State<Arc<Plane>>,
    name: Name,
) -> Result<StatusCode, ControlError> {
    let id = request::id(name)?;
    plane.remove(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks for a start, and does not wait until it serves: `state` tells.
#[utoipa::path(
    post, path = "/api/v1/servers/{id}/start", operation_id = "startServer", tag = "servers",
    params(describe::IdInPath),
    responses(
        (status = 202, description = "It is being started, or runs", body = ServerSummary),
        (status = 409, body = Problem, content_type = "application/problem+json",
         description = "There is nothing to start, or it is in a crash loop"),
        describe::Refused, describe::OfOne, describe::WhileDraining
    )
)]
pub(super) async fn start(
    State(plane): State<Arc<Plane>>,
    name: Name,
) -> Result<(StatusCode, Json<ServerSummary>), ControlError> {
    let service = plane.wanted(request::id(name)?)?;
    let id = || service.id().clone();
    if service.status().phase == Phase::CrashLoop {
        return Err(ControlError::CrashLoop { id: id() });
    }
    if service.spec().sharing == Sharing::Session {
        return Err(ControlError::OwnProcesses { id: id() });
    }
    service.start().await;
    Ok((StatusCode::ACCEPTED, Json(ServerSummary::of(&service))))
}

/// Ends what runs, and waits for that. The next request starts it again.
#[utoipa::path(
    post, path = "/api/v1/servers/{id}/stop", operation_id = "stopServer", tag = "servers",
    params(describe::IdInPath),
    responses(
        (status = 200, description = "Nothing of it runs", body = ServerSummary),
        describe::Refused, describe::OfOne, describe::WhileDraining
    )
)]
pub(super) async fn stop(
    State(plane): State<Arc<Plane>>,
    name: Name,
) -> Result<Json<ServerSummary>, ControlError> {
    let id = request::id(name)?;
    plane.refuse_while_draining()?;
    let service = plane.app.registry.find(&id).ok_or(ControlError::UnknownService { id })?;
    service.stop().await;
    Ok(Json(ServerSummary::of(&service)))
}

/// Ends what runs, forgets past failures and starts again; does not wait until it serves. This is the
/// way out of a crash loop.
#[utoipa::path(
    post, path = "/api/v1/servers/{id}/restart", operation_id = "restartServer", tag = "servers",
    params(describe::IdInPath),
    responses(
        (status = 202, description = "It is being started again", body = ServerSummary),
        describe::Refused, describe::OfOne, describe::WhileDraining
    )
)]
pub(super) async fn restart(
    State(plane): State<Arc<Plane>>,
    name: Name,
) -> Result<(StatusCode, Json<ServerSummary>), ControlError> {
    let service = plane.wanted(request::id(name)?)?;
    service.restart().await;
    Ok((StatusCode::ACCEPTED, Json(ServerSummary::of(&service))))
}

impl Plane {
    /// Describes a service on behalf of a caller.
    pub(super) fn describe(&self, spec: ServiceSpec) -> Result<Replacement, ControlError> {
        let registry = &self.app.registry;
        let id = spec.id.clone();
        // Every call of a service ends within this time.
        let known = registry.find(&id);
        let grace = known.map(|service| service.spec().timeouts.request_max).unwrap_or_default();
        let replacement = registry.replace(spec, ConfigSource::ControlPlane, grace);
        match &replacement {
            Replacement::Outranked(_) => return Err(ControlError::Outranked { id }),
            Replacement::New(_) => tracing::info!(service = %id, "a service was added"),
            Replacement::Replaced { old, .. } => {
                tracing::info!(service = %id, "a service is described anew");
                self.see_off(old.clone());
            }
            Replacement::Unchanged(_) => {}
        }
        Ok(replacement)
    }

    pub(super) fn remove(&self, id: &ServiceId) -> Result<(), ControlError> {
        // One that was cleaned up is known only by its description, and is to be forgotten too.
        let unknown = || ControlError::UnknownService { id: id.clone() };
        let known = self.app.registry.get(id).ok_or_else(unknown)?;
        let grace = known.spec().timeouts.request_max;
        let removed = self.app.registry.remove(id, grace).ok_or_else(unknown)?;
        tracing::info!(service = %id, "a service was removed");
        self.see_off(removed);
        Ok(())
    }

    fn see_off(&self, service: Service) {
        let app = Arc::clone(&self.app);
        self.tasks.spawn(async move { app.see_off(&service).await });
    }

    /// The service, for somebody who wants it to run.
    pub(super) fn wanted(&self, id: ServiceId) -> Result<Service, ControlError> {
        self.refuse_while_draining()?;
        self.app.registry.get(&id).ok_or(ControlError::UnknownService { id })
    }

    fn server(&self, service: &Service) -> Server {
        let written = self.app.configured.written(service);
        Server {
            summary: ServerSummary::of(service),
            config: ServerEntry::shown(service.spec(), written.as_ref()),
            paths: Paths::of(service.id()),
        }
    }
}
