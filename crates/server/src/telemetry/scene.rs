//! What log lines say of the request that they belong to.
//!
//! Owns these few facts, and when they are known. It must not know how a line looks. It exists in
//! place of a span: a span is formatted when it begins, and hardly any request has a line.

use std::sync::{Arc, OnceLock};

use http::{Method, Request};
use standpipe_core::id::SessionId;
use standpipe_core::message::{Message, Response};
use standpipe_core::protocol::ProtocolVersion;
use standpipe_core::trace::{Carried, Record, Stage};

use crate::edge::RequestId;

/// One request.
#[derive(Debug)]
pub struct Scene {
    id: RequestId,
    method: Method,
    /// Copied: a piece of the URI would keep the connection's buffer from being used again.
    path: Box<str>,
    service: OnceLock<Arc<str>>,
    session: OnceLock<SessionId>,
}

impl Scene {
    /// A request, of which it is not known yet whose it is.
    pub fn new<B>(id: RequestId, request: &Request<B>) -> Self {
        Self {
            id,
            method: request.method().clone(),
            path: request.uri().path().into(),
            service: OnceLock::new(),
            session: OnceLock::new(),
        }
    }
}

impl Record for Scene {
    fn service(&self, id: &Arc<str>) {
        self.service.get_or_init(|| Arc::clone(id));
    }

    fn message(&self, _: &Message) {}

    fn session(&self, id: SessionId, _: Option<ProtocolVersion>) {
        self.session.get_or_init(|| id);
    }

    fn name(&self, put: &mut dyn FnMut(&'static str, &str)) {
        put("request_id", self.id.to_header().to_str().unwrap_or_default());
        put("method", self.method.as_str());
        put("path", &self.path);
        if let Some(service) = self.service.get() {
            put("service", service);
        }
        if let Some(session) = self.session.get() {
            // The whole id is a credential.
            put("session", &session.short());
        }
    }

    fn claim(self: Arc<Self>, _: &Message) -> Option<Arc<dyn Record>> {
        None
    }

    fn enter(&self, _: Stage) {}

    fn carried(&self) -> Option<Carried> {
        None
    }

    fn answered(&self, _: &Response) {}
}
