//! A Standpipe with a control socket of its own, and one who calls on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::{Standpipe, binary};
use crate::support::{in_time, until};

/// A token that is long enough.
pub(crate) const TOKEN: &str = "a-token-of-24-characters";

/// A Standpipe, its configuration and its control socket.
pub(crate) struct Household {
    pub(crate) standpipe: Standpipe,
    pub(crate) folder: TempDir,
    pub(crate) socket: PathBuf,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = in_time("an answer", request.send()).await.expect("it answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = in_time("a body", response.text()).await.expect("it is text");
        Self { status, headers, text }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn content_type(&self) -> &str {
        self.header("content-type")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("it is text"))
    }
}

/// An entry for a server that behaves, with these keys besides.
pub(crate) fn fixture(keys: &Value) -> Value {
    let mut entry = json!({ "command": standpipe_testkit::fixture_path() });
    let more = keys.as_object().expect("keys are an object").clone();
    entry.as_object_mut().expect("it is an object").extend(more);
    entry
}

/// An entry for a server that behaves, after it has written these lines to its stderr.
pub(crate) fn chatty(lines: &str) -> Value {
    json!({
        "command": "sh",
        "args": ["-c", format!("printf '{lines}' >&2; exec \"$0\""), standpipe_testkit::fixture_path()]
    })
}

/// An entry for a server that ends at once, and is given up after the first time.
pub(crate) fn hopeless() -> Value {
    json!({
        "command": "sh", "args": ["-c", "echo no hope >&2; exit 3"], "restart": { "max_failures": 1 }
    })
}

impl Household {
    /// Serves these entries, with more configuration beside them.
    pub(crate) fn serve(servers: &Value, more: &Value) -> Self {
        let folder = TempDir::with_prefix("standpipe-control-").expect("there is room");
        let socket = folder.path().join("control.sock");
        let mut config = json!({ "control": { "socket": socket }, "mcpServers": servers });
        merge(&mut config, more);
        let standpipe = Standpipe::start(&mut line(folder.path(), &config));
        Self { standpipe, folder, socket }
    }

    /// One who calls through the socket.
    pub(crate) fn caller(&self) -> reqwest::Client {
        through(&self.socket)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.caller().request(method, format!("http://localhost{path}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::POST, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn put(&self, id: &str, entry: &Value) -> Reply {
        let request = self.request(Method::PUT, &format!("/api/v1/servers/{id}"));
        Reply::of(request.header(CONTENT_TYPE, "application/json").body(entry.to_string())).await
    }

    /// How a service is.
    pub(crate) async fn server(&self, id: &str) -> Value {
        let reply = self.get(&format!("/api/v1/servers/{id}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Waits until a service is in this phase.
    pub(crate) async fn until_phase(&self, id: &str, phase: &str) {
        until(phase, async || self.server(id).await["phase"] == phase).await;
    }

    /// The address where it is served to those who have the token.
    pub(crate) async fn address(&self) -> String {
        let mut found = None;
        until("the control address", async || {
            let log = self.standpipe.log();
            let line = log.lines().find(|line| line.contains("to those who have its token"));
            found = line.and_then(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                Some(format!("http://{}", line["address"].as_str()?))
            });
            found.is_some()
        })
        .await;
        found.expect("it was waited for")
    }

    /// `standpipe servers` on this one.
    pub(crate) fn servers(&self, args: &[&str]) -> Command {
        let mut line = Command::new(binary());
        line.arg("servers").arg("--socket").arg(&self.socket).args(args);
        line
    }
}

/// One who calls through a socket.
pub(crate) fn through(socket: &Path) -> reqwest::Client {
    reqwest::Client::builder().unix_socket(socket).build().expect("a client can be made")
}

/// `standpipe serve` with this configuration, which is written into the folder.
pub(crate) fn line(folder: &Path, config: &Value) -> Command {
    let file = folder.join("config.json");
    std::fs::write(&file, config.to_string()).expect("it can be written");
    let mut line = Command::new(binary());
    line.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(file);
    line
}

fn merge(config: &mut Value, more: &Value) {
    let (Some(config), Some(more)) = (config.as_object_mut(), more.as_object()) else { return };
    for (key, value) in more {
        match config.get_mut(key) {
            Some(known) if known.is_object() => merge(known, value),
            _ => drop(config.insert(key.clone(), value.clone())),
        }
    }
}
