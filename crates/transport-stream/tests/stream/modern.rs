//! Requests of 2026-07-28, as a client writes them.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use standpipe_core::message::RawJson;
use standpipe_transport_stream::StreamBody;

use crate::support::{Asked, BOTH, World, handled, request};

pub(crate) const VERSION: &str = "2026-07-28";
pub(crate) const ALL: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;
pub(crate) const NO_TOOLS: &str = r#"{"resultType":"complete","tools":[]}"#;

/// A request that is right until something about it is changed.
#[derive(Clone)]
pub(crate) struct Post {
    id: String,
    method: String,
    /// The members of `params` but `_meta`.
    params: String,
    meta: Vec<(String, String)>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Post {
    /// A request with these members of `params` beside `_meta`, and the headers that go with it.
    pub(crate) fn new(method: &str, params: &str) -> Self {
        let prefix = "io.modelcontextprotocol/";
        let meta = vec![
            (format!("{prefix}protocolVersion"), format!("\"{VERSION}\"")),
            (format!("{prefix}clientCapabilities"), "{}".to_owned()),
            (format!("{prefix}clientInfo"), r#"{"name":"t","version":"0"}"#.to_owned()),
        ];
        let mut headers: Vec<(String, Vec<u8>)> = [
            ("accept", BOTH),
            ("content-type", "application/json"),
            ("mcp-protocol-version", VERSION),
            ("mcp-method", method),
        ]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into();
        let parsed: serde_json::Value = serde_json::from_str(&format!("{{{params}}}")).unwrap();
        let about = parsed.get("name").or_else(|| parsed.get("uri")).and_then(|name| name.as_str());
        if let Some(name) = about {
            headers.push(("mcp-name".to_owned(), name.into()));
        }
        let (method, params) = (method.to_owned(), params.to_owned());
        Self { id: "7".to_owned(), method, params, meta, headers }
    }

    /// `tools/call` of the tool `slow`.
    pub(crate) fn call() -> Self {
        Self::new("tools/call", r#""name":"slow""#)
    }

    /// The same with every capability declared.
    pub(crate) fn asking() -> Self {
        Self::call().meta("clientCapabilities", ALL)
    }

    pub(crate) fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// Another value of a header, or (empty) none.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        if value.is_empty() { self } else { self.and_header(name, value) }
    }

    /// One more header.
    pub(crate) fn and_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Another value of a member of `_meta`, or (empty) none.
    pub(crate) fn meta(mut self, name: &str, value: &str) -> Self {
        let key = match name {
            "progressToken" => name.to_owned(),
            name => format!("io.modelcontextprotocol/{name}"),
        };
        self.meta.retain(|(other, _)| *other != key);
        if !value.is_empty() {
            self.meta.push((key, value.to_owned()));
        }
        self
    }

    /// More members of `params`.
    pub(crate) fn with(mut self, members: &str) -> Self {
        let comma = if self.params.is_empty() { "" } else { "," };
        self.params = format!("{}{comma}{members}", self.params);
        self
    }

    pub(crate) fn body(&self) -> String {
        let meta: Vec<_> = self.meta.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
        let meta = if meta.is_empty() {
            String::new()
        } else {
            format!(",\"_meta\":{{{}}}", meta.join(","))
        };
        let params = format!("{}{meta}", self.params);
        let params = params.trim_start_matches(',');
        let (id, method) = (&self.id, &self.method);
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}}}}}"#)
    }

    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        self.carrying(&self.body())
    }

    /// These headers with another body.
    pub(crate) fn carrying(&self, body: &str) -> Request<Full<Bytes>> {
        let mut builder = request(&Method::POST);
        for (name, value) in &self.headers {
            builder = builder.header(name, &value[..]);
        }
        builder.body(Full::from(body.to_owned())).unwrap()
    }
}

impl World {
    /// Sends a request; the child sees it. Nobody waits for the answer's head yet.
    pub(crate) async fn begin(&mut self, post: &Post) -> (Pending, Asked) {
        let pending = self.spawn(post);
        let asked = self.child.asked_but_for_tools().await;
        (pending, asked)
    }

    /// Sends a request, and waits for nothing.
    pub(crate) fn spawn(&self, post: &Post) -> Pending {
        let (transport, route) = (self.transport.clone(), self.route.clone());
        let request = post.request();
        Pending(tokio::spawn(async move { handled(&transport, &route, request).await }))
    }
}

/// A response that has not come.
pub(crate) struct Pending(tokio::task::JoinHandle<Response<StreamBody>>);

impl Pending {
    pub(crate) async fn response(self) -> Response<StreamBody> {
        self.0.await.unwrap()
    }

    /// The client goes away before there is a response.
    pub(crate) async fn abandon(self) {
        self.0.abort();
        let _cancelled = self.0.await;
    }
}

impl crate::support::Child {
    /// The next request that a client has made; questions for the tools are answered with none.
    pub(crate) async fn asked_but_for_tools(&mut self) -> Asked {
        loop {
            let asked = self.asked().await;
            if asked.method != "tools/list"
                || asked.session.era() != standpipe_core::protocol::Era::Modern
            {
                return asked;
            }
            asked.answer(NO_TOOLS);
        }
    }
}

pub(crate) fn raw(text: &str) -> RawJson {
    RawJson::new(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}
