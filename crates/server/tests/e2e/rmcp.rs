//! The official Rust SDK as a client: directly on a server's stdio and through Standpipe, the same answers.
//!
//! Whole conversations with published servers are held by the suites in `e2e/`; this is what `cargo test`
//! shows without installing anything.

use crate::support::process::{Standpipe, binary};
use crate::support::{in_time, together};
use rmcp::model::{
    CallToolRequestParams, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData, Tool,
};
use rmcp::service::{RequestContext, RoleClient, RunningService, ServiceError};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ServiceExt};
use serde_json::{Value, json};

type Connected = RunningService<RoleClient, Person>;

/// Someone who can be asked everything, and signs each answer.
struct Person(&'static str);

#[expect(deprecated, reason = "the revisions under test have sampling and roots")]
impl ClientHandler for Person {
    async fn create_message(
        &self,
        _params: rmcp::model::CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<rmcp::model::CreateMessageResult, ErrorData> {
        let content = json!({ "type": "text", "text": format!("{} thinks", self.0) });
        Ok(from(
            json!({ "model": "m", "role": "assistant", "stopReason": "endTurn", "content": content }),
        ))
    }

    async fn list_roots(
        &self,
        _context: RequestContext<RoleClient>,
    ) -> Result<rmcp::model::ListRootsResult, ErrorData> {
        Ok(from(json!({ "roots": [{ "uri": format!("file:///{}", self.0) }] })))
    }

    async fn create_elicitation(
        &self,
        _request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "username": self.0 })))
    }

    fn get_info(&self) -> rmcp::model::ClientConfig {
        from(json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "sampling": {}, "elicitation": { "form": {}, "url": {} }, "roots": {} },
            "clientInfo": { "name": "standpipe-tests", "version": "1.0.0" },
        }))
    }
}

fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the literal has the right shape")
}

async fn through(standpipe: &Standpipe, name: &'static str) -> Connected {
    let transport = StreamableHttpClientTransport::from_uri(standpipe.url("/mcp"));
    in_time("the handshake", Person(name).serve(transport)).await.expect("a connection")
}

async fn call(
    client: &Connected,
    name: &'static str,
    arguments: Value,
) -> Result<Value, ServiceError> {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object");
    };
    let call = client.call_tool(CallToolRequestParams::new(name).with_arguments(arguments));
    in_time(name, call).await.map(|result| json!(result))
}

/// A conversation that every server can have part of; what it cannot is an error, which is compared too.
async fn conversation(client: &Connected) -> Vec<String> {
    let mut heard = vec![json!(client.peer_info()).to_string()];
    let tools: Vec<Tool> = client.list_all_tools().await.expect("tools");
    heard.push(json!(tools).to_string());
    for list in [
        client.list_all_prompts().await.map(|list| json!(list)),
        client.list_all_resources().await.map(|list| json!(list)),
        client.list_all_resource_templates().await.map(|list| json!(list)),
    ] {
        heard.push(said(list));
    }
    for (tool, arguments) in [
        ("echo", json!({ "text": "zażółć \u{1F422}" })),
        ("test_error_handling", json!({})),
        ("test_multiple_content_types", json!({})),
        ("no-such-tool", json!({})),
    ] {
        heard.push(said(call(client, tool, arguments).await));
    }
    heard
}

fn said(outcome: Result<Value, ServiceError>) -> String {
    outcome.map_or_else(|error| error.to_string(), |value| value.to_string())
}

async fn directly(program: &std::path::Path, arguments: &[&str]) -> Vec<String> {
    let mut command = std::process::Command::new(program);
    command.args(arguments);
    let transport = TokioChildProcess::new(tokio_command(command)).expect("the server starts");
    let client =
        in_time("the handshake", Person("ada").serve(transport)).await.expect("a connection");
    let heard = conversation(&client).await;
    client.cancel().await.expect("it closes");
    heard
}

fn tokio_command(command: std::process::Command) -> tokio::process::Command {
    tokio::process::Command::from(command)
}

async fn same_answers(program: &std::path::Path, arguments: &[&str]) {
    let direct = directly(program, arguments).await;
    for sharing in ["shared", "session"] {
        let line: Vec<&str> = std::iter::once(program.to_str().expect("text"))
            .chain(arguments.iter().copied())
            .collect();
        let standpipe = Standpipe::run(&["--sharing", sharing], &line);
        let client = through(&standpipe, "ada").await;
        let heard = conversation(&client).await;
        for (one, other) in direct.iter().zip(&heard) {
            assert_eq!(one, other, "{sharing}");
        }
        assert_eq!(direct.len(), heard.len());
        client.cancel().await.expect("it closes");
    }
}

#[tokio::test]
async fn the_fixture_answers_the_same() {
    let _turn = together().await;
    same_answers(&standpipe_testkit::fixture_path(), &[]).await;
}

#[tokio::test]
async fn the_demo_server_answers_the_same() {
    let _turn = together().await;
    same_answers(binary(), &["demo"]).await;
}

#[tokio::test]
async fn questions_reach_the_one_who_called() {
    let _turn = together().await;
    for sharing in ["shared", "session"] {
        let standpipe = Standpipe::fixture(&["--sharing", sharing]);
        let ada = through(&standpipe, "ada").await;
        let bob = through(&standpipe, "bob").await;
        for (client, name) in [(&ada, "ada"), (&bob, "bob"), (&ada, "ada")] {
            for kind in ["elicitation", "sampling", "roots"] {
                let answer = call(client, "ask", json!({ "kind": kind })).await;
                let answer = answer.unwrap_or_else(|error| panic!("{sharing} {kind}: {error}"));
                let text = answer["content"][0]["text"].as_str().expect("a text");
                assert_eq!(answer["isError"], Value::Null, "{sharing} {kind}: {text}");
                assert!(text.contains(name), "{sharing} {kind}: {name} reads {text}");
            }
        }
        ada.cancel().await.expect("it closes");
        bob.cancel().await.expect("it closes");
    }
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_in_the_child() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let client = through(&standpipe, "ada").await;
    let arguments = from(json!({ "ms": 600_000, "label": "given up" }));
    let slow = client.call_tool(CallToolRequestParams::new("slow").with_arguments(arguments));
    let watch = async {
        // The call must have arrived before it can be given up.
        loop {
            let counters = call(&client, "counters", json!({})).await.expect("an answer");
            if counters["structuredContent"]["tools/call"].as_u64() > Some(1) {
                return;
            }
        }
    };
    tokio::select! {
        answer = slow => panic!("it answers {answer:?}"),
        () = watch => {}
    }
    in_time("the cancellation", async {
        loop {
            let cancelled = call(&client, "cancelled_calls", json!({})).await.expect("an answer");
            if cancelled["structuredContent"]["labels"] == json!(["given up"]) {
                return;
            }
        }
    })
    .await;
    client.cancel().await.expect("it closes");
}
