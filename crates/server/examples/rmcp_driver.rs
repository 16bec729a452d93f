//! Runs a scripted conversation with the official Rust SDK, for the end-to-end suites in `e2e/`.
//!
//! Understands the command line of all drivers: `--transport stdio|http --connect JSON --script FILE`,
//! and writes one JSON line per step. Must not know what a script is about. It is an example of this
//! package so that it builds with the tests and is no part of the product.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;

use rmcp::model::{
    ClientRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData, ServerResult,
};
use rmcp::service::{RequestContext, RoleClient, RunningService, ServiceError};
use rmcp::transport::{ConfigureCommandExt, StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ServiceExt};
use serde::Deserialize;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = arguments();
    let script: Script = serde_json::from_slice(&std::fs::read(&arguments["script"])?)?;
    let person = Person { label: script.label.clone(), roots: script.roots.clone() };
    let client = match arguments["transport"].as_str() {
        "stdio" => {
            let target: Command = serde_json::from_str(&arguments["connect"])?;
            let command = tokio::process::Command::new(target.program).configure(|command| {
                command.args(target.args).env_clear().envs(target.env);
            });
            let (transport, _) =
                TokioChildProcess::builder(command).stderr(std::process::Stdio::null()).spawn()?;
            person.serve(transport).await?
        }
        "http" => {
            let target: Address = serde_json::from_str(&arguments["connect"])?;
            person.serve(StreamableHttpClientTransport::from_uri(target.url)).await?
        }
        other => return Err(format!("this client has no transport {other}").into()),
    };
    write(&json!({ "step": "initialize", "result": client.peer_info() }))?;
    for step in &script.steps {
        write(&outcome(&client, step).await)?;
    }
    client.cancel().await?;
    Ok(())
}

#[derive(Deserialize)]
struct Command {
    #[serde(rename = "command")]
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Address {
    url: String,
}

#[derive(Deserialize)]
struct Script {
    label: String,
    roots: Value,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    name: String,
    method: String,
    params: Value,
}

fn arguments() -> BTreeMap<String, String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    words
        .chunks_exact(2)
        .map(|pair| (pair[0].trim_start_matches('-').to_owned(), pair[1].clone()))
        .collect()
}

async fn outcome(client: &RunningService<RoleClient, Person>, step: &Step) -> Value {
    let answer = match request(step) {
        Ok(request) => client.send_request(request).await,
        Err(error) => return json!({ "step": step.name, "exception": error.to_string() }),
    };
    match answer {
        // A request of a kind this SDK does not know the answer to arrives as it is.
        Ok(ServerResult::CustomResult(result)) => json!({ "step": step.name, "result": result }),
        Ok(result) => json!({ "step": step.name, "result": result }),
        Err(ServiceError::McpError(error)) => json!({ "step": step.name, "error": error }),
        Err(error) => json!({ "step": step.name, "exception": error.to_string() }),
    }
}

fn request(step: &Step) -> serde_json::Result<ClientRequest> {
    let mut message = json!({ "method": step.method });
    if step.params.as_object().is_some_and(|params| !params.is_empty()) {
        message["params"] = step.params.clone();
    }
    serde_json::from_value(message)
}

fn write(line: &Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The person and the model behind this client; the label makes their answers their own.
struct Person {
    label: String,
    roots: Value,
}

impl Person {
    fn as_answer<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, ErrorData> {
        serde_json::from_value(answer)
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }
}

#[expect(deprecated, reason = "the revisions under test have sampling and roots")]
impl ClientHandler for Person {
    async fn create_message(
        &self,
        params: rmcp::model::CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<rmcp::model::CreateMessageResult, ErrorData> {
        let asked = json!(params.messages.last());
        let heard = asked["content"]["text"].as_str().unwrap_or_default();
        Self::as_answer(json!({
            "model": format!("model-of-{}", self.label),
            "role": "assistant",
            "stopReason": "endTurn",
            "content": { "type": "text", "text": format!("{} heard: {heard}", self.label) },
        }))
    }

    async fn list_roots(
        &self,
        _context: RequestContext<RoleClient>,
    ) -> Result<rmcp::model::ListRootsResult, ErrorData> {
        Self::as_answer(json!({ "roots": self.roots }))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let accepted = ElicitResult::new(ElicitationAction::Accept);
        Ok(match request {
            ElicitRequestParams::UrlElicitationParams { .. } => accepted,
            _ => accepted.with_content(json!({ "name": self.label })),
        })
    }

    fn get_info(&self) -> rmcp::model::ClientConfig {
        serde_json::from_value(json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {
                "sampling": {},
                "elicitation": { "form": {}, "url": {} },
                "roots": { "listChanged": true },
            },
            "clientInfo": { "name": "e2e-rmcp", "version": "1.0.0" },
        }))
        .expect("the literal has the shape of the handshake's parameters")
    }
}
