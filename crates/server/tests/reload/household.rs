//! A Standpipe whose configuration is changed while it serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use standpipe_testkit::is_alive;
use tempfile::TempDir;

use crate::support::http::Client;
use crate::support::process::{Standpipe, binary};
use crate::support::{in_time, until};

/// A Standpipe, its configuration, and the folder that it is in.
pub(crate) struct Household {
    pub(crate) standpipe: Standpipe,
    pub(crate) folder: TempDir,
    config: PathBuf,
    http: reqwest::Client,
}

/// A service that behaves, with these keys besides its command.
pub(crate) fn fixture(keys: &Value) -> Value {
    let mut entry = json!({ "command": standpipe_testkit::fixture_path() });
    let more = keys.as_object().expect("keys are an object").clone();
    entry.as_object_mut().expect("it is an object").extend(more);
    entry
}

impl Household {
    /// Serves these entries of `mcpServers`. `HERE` in them stands for the folder.
    pub(crate) fn serve(flags: &[&str], servers: &Value) -> Self {
        Self::start(flags, |config| write(config, servers))
    }

    /// Serves this configuration.
    pub(crate) fn serve_text(text: &str) -> Self {
        Self::start(&[], |config| fs::write(config, text).expect("it can be written"))
    }

    fn start(flags: &[&str], configure: impl FnOnce(&Path)) -> Self {
        let folder = TempDir::with_prefix("standpipe-reload-").expect("there is room");
        let config = folder.path().join("servers.json");
        configure(&config);
        let mut line = Command::new(binary());
        line.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config).args(flags);
        // As a service manager starts it, or another terminal's end would be this one's.
        let standpipe = Standpipe::start(&mut line);
        Self { standpipe, folder, config, http: reqwest::Client::new() }
    }

    /// Puts other entries in the place of those there were.
    pub(crate) fn describe(&self, servers: &Value) {
        write(&self.config, servers);
    }

    /// The same as editors do it: by another file that takes the place of the old one.
    pub(crate) fn describe_by_rename(&self, servers: &Value) {
        let other = self.folder.path().join(".servers.json.new");
        write(&other, servers);
        fs::rename(other, &self.config).expect("it can be renamed");
    }

    /// Writes anything at all.
    pub(crate) fn scribble(&self, text: &str) {
        fs::write(&self.config, text).expect("it can be written");
    }

    /// Asks for a reload, as a service manager does: of the process that it has started.
    pub(crate) fn hang_up(&self) {
        self.standpipe.signal(Signal::SIGHUP);
    }

    /// Asks for a reload and waits until one has ended like this.
    pub(crate) async fn reload(&self, outcome: &str) {
        let before = self.reloads(outcome).await;
        self.hang_up();
        self.until_reloaded(outcome, before + 1).await;
    }

    /// Waits until so many reloads have ended like this.
    pub(crate) async fn until_reloaded(&self, outcome: &str, times: u64) {
        until(outcome, async || self.reloads(outcome).await >= times).await;
    }

    /// How many reloads have ended like this.
    pub(crate) async fn reloads(&self, outcome: &str) -> u64 {
        let series = format!("standpipe_config_reloads_total{{outcome=\"{outcome}\"}} ");
        let metrics = self.get("/metrics").await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
        value.and_then(|value| value.parse().ok()).expect("reloads are counted")
    }

    /// How a service is; null where there is none.
    pub(crate) async fn status(&self, service: &str) -> Value {
        let all: Value = serde_json::from_str(&self.get("/readyz").await).expect("it is JSON");
        all["services"][service].clone()
    }

    pub(crate) fn url(&self, service: &str) -> String {
        self.standpipe.url(&format!("/servers/{service}/mcp"))
    }

    pub(crate) async fn connect(&self, service: &str) -> Client {
        Client::connect(&self.url(service)).await
    }

    /// The status with which a new client is refused.
    pub(crate) async fn refusal(&self, service: &str) -> u16 {
        let refused = Client::try_connect(&self.url(service)).await.map(|_| ());
        refused.expect_err("it is refused").0
    }

    /// Waits until the log says this.
    pub(crate) async fn until_logged(&self, words: &str) {
        until(words, async || self.standpipe.log().contains(words)).await;
    }

    async fn get(&self, path: &str) -> String {
        let request = self.http.get(self.standpipe.url(path)).send();
        let response = in_time(path, request).await.expect("the server is there");
        in_time(path, response.text()).await.expect("it is text")
    }
}

/// The process that answers a client.
pub(crate) async fn pid(client: &Client) -> i32 {
    let answer = client.tool("pid", "pid", json!({})).await;
    let pid = answer["result"]["structuredContent"]["pid"].as_i64();
    i32::try_from(pid.unwrap_or_else(|| panic!("no process id in {answer}"))).expect("it is one")
}

/// Waits until a process is gone.
pub(crate) async fn until_dead(pid: i32) {
    until("the end of a process", async || !is_alive(pid)).await;
}

/// Waits until the session is refused as one that is over.
pub(crate) async fn until_over(client: &Client) {
    until("the end of a session", async || {
        let ping = json!({ "jsonrpc": "2.0", "id": "over?", "method": "ping" });
        let status = client.post(ping.to_string()).await.status().as_u16();
        assert!([200, 404, 503].contains(&status), "{status}");
        status == 404
    })
    .await;
}

fn write(config: &Path, servers: &Value) {
    let here = config.parent().and_then(|folder| folder.to_str()).expect("it is in a folder");
    let text = json!({ "mcpServers": servers }).to_string().replace("HERE", here);
    fs::write(config, text).expect("it can be written");
}
