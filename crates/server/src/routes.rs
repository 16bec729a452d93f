//! Which path leads where, and what happens around every request.
//!
//! Owns the table of paths and the frame of a request: its id, its checks, its span. It must not
//! know what a transport does. It exists as one static router: services come and go in the
//! registry, routes never change.

pub(crate) use endpoint::Ops;

mod endpoint;
mod spanned;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use hyper::body::Incoming;
use standpipe_core::protocol;
use standpipe_core::trace::{self, Trace};
use standpipe_process::Service;

use crate::app::App;
use crate::config::AllowedHost;
use crate::edge::{Edge, RequestId};
use crate::error::{AppError, peek_id};
use crate::lingering::Lingering;
use crate::ops;
use crate::reply::ReplyBody;
use crate::telemetry::{Scene, Traces};
use endpoint::{Endpoint, Name, Served};

/// A table of paths, ready to serve. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Routes(Arc<Table>);

#[derive(Debug)]
struct Table {
    app: Arc<App>,
    edge: Edge,
    served: Served,
    traces: Option<Traces>,
}

impl Routes {
    /// The services' paths, with those of metrics and health beside them if `with_ops`. Their
    /// requests are traced where there is something to trace with.
    pub fn services(app: &Arc<App>, with_ops: bool, traces: Option<Traces>) -> Self {
        let served = if with_ops { Served::All } else { Served::Services };
        Self::new(app, app.edge.clone(), served, traces)
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
        Self::new(app, edge, Served::Ops, None)
    }

    fn new(app: &Arc<App>, edge: Edge, served: Served, traces: Option<Traces>) -> Self {
        Self(Arc::new(Table { app: Arc::clone(app), edge, served, traces }))
    }

    /// Answers one request of the network.
    pub fn answer(
        self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<ReplyBody>> + Send {
        let asks = request.headers().contains_key(header::EXPECT);
        let request = request.map(|body| Lingering::new(body, asks, self.0.app.unread_bodies()));
        // Not an async function: that would have room for the future twice.
        self.serve(request)
    }

    /// Answers one request.
    pub fn serve<B>(self, mut request: Request<B>) -> impl Future<Output = Response<ReplyBody>>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<axum::BoxError>,
    {
        let id = RequestId::of(request.headers(), || self.0.app.next_request());
        let scene = Arc::new(Scene::new(id.clone(), &request));
        let named = Trace::new(Arc::clone(&scene) as Arc<dyn trace::Record>);
        // The request stays where it is from here on, and is lent to who needs it: every future
        // that it was handed to would be so much larger, and futures are moved.
        async move {
            let table = &*self.0;
            let mut response = match &table.traces {
                None => {
                    let served = pin!(table.checked(&mut request));
                    named.clone().scope(served).await
                }
                // Boxed, like all that is rare here: a connection has room for the largest future.
                Some(traces) => {
                    let followed = traces.follow(scene, &request);
                    Box::pin(followed.through(table.checked(&mut request))).await
                }
            };
            id.mark(response.headers_mut());
            spanned::spanned(response, named)
        }
    }
}

impl Table {
    async fn checked<B>(&self, request: &mut Request<B>) -> Response<ReplyBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<axum::BoxError>,
    {
        let admitted = match self.edge.admit(request) {
            Ok(admitted) => admitted,
            Err(refused) => return self.app.refuse(&refused, None),
        };
        let mut response = match admitted.preflight(request) {
            Some(response) => response,
            None => self.routed(request).await,
        };
        admitted.mark(response.headers_mut());
        response
    }

    async fn routed<B>(&self, request: &mut Request<B>) -> Response<ReplyBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<axum::BoxError>,
    {
        let app = &*self.app;
        // Taken apart before the request goes on: the name in the path is borrowed from it.
        let (service, wanted) = match endpoint::of(request.uri().path(), self.served) {
            None => {
                return Box::pin(refuse_caller(app, &AppError::UnknownPath, request)).await;
            }
            Some(Endpoint::Ops(answer)) => {
                if !matches!(*request.method(), Method::GET | Method::HEAD) {
                    return app.refuse(&AppError::Method { allow: "GET, HEAD" }, None);
                }
                return ops::answer(app, answer).map(ReplyBody::from);
            }
            Some(Endpoint::Service(name, wanted)) => {
                let refused = match app.refuse_while_draining() {
                    Err(_) if may_go_on(wanted, request.headers()) => Ok(()),
                    refused => refused,
                };
                (refused.and_then(|()| named(app, name)), wanted)
            }
        };
        let service = match service {
            Ok(service) => service,
            Err(refused) => return Box::pin(refuse_caller(app, &refused, request)).await,
        };
        trace::service(service.gate().service());
        match wanted {
            endpoint::Wanted::Stream => {
                let route = standpipe_transport_stream::Route {
                    gate: service.gate().clone(),
                    metrics: Arc::clone(service.metrics()),
                };
                app.stream.handle(&route, request).await.map(ReplyBody::from)
            }
            endpoint::Wanted::Events => {
                // The message endpoint is the event stream's neighbour on every one of its paths.
                let path = request.uri().path();
                let message_path = format!("{}message", path.strip_suffix("sse").unwrap_or(path));
                app.sse.open(&sse_route(&service), &message_path, request).map(ReplyBody::boxed)
            }
            endpoint::Wanted::Message => {
                let route = sse_route(&service);
                app.sse.message(&route, request).await.map(ReplyBody::boxed)
            }
        }
    }
}

/// Whether a request may belong to something that is under way: an open call may wait for an answer that
/// is on its way here when a shutdown begins. What is new all the same is refused by its service then.
fn may_go_on(wanted: endpoint::Wanted, headers: &HeaderMap) -> bool {
    match wanted {
        endpoint::Wanted::Events => false,
        endpoint::Wanted::Message => true,
        endpoint::Wanted::Stream => {
            [protocol::header::SESSION_ID, protocol::header::PROTOCOL_VERSION]
                .iter()
                .any(|name| headers.contains_key(*name))
        }
    }
}

fn named(app: &App, name: Name<'_>) -> Result<Service, AppError> {
    match name {
        Name::Only => app.only_service(),
        Name::Given(text) => {
            let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
            let id: Cow<'_, str> = decoded.map_err(|_| AppError::BadPath)?;
            app.service(&id)
        }
    }
}

fn sse_route(service: &Service) -> standpipe_transport_sse::Route {
    standpipe_transport_sse::Route {
        gate: service.gate().clone(),
        metrics: Arc::clone(service.metrics()),
    }
}

/// Refuses under the caller's own JSON-RPC id, where it sent one.
async fn refuse_caller<B>(
    app: &App,
    refused: &AppError,
    request: &mut Request<B>,
) -> Response<ReplyBody>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    let id = if request.method() == Method::POST { peek_id(request).await } else { None };
    app.refuse(refused, id.as_deref())
}

impl App {
    fn refuse(
        &self,
        refused: &AppError,
        id: Option<&serde_json::value::RawValue>,
    ) -> Response<ReplyBody> {
        self.metrics.refused(refused.refusal());
        tracing::debug!("refused: {refused}");
        refused.response(id).map(ReplyBody::from)
    }
}
