//! Limits: what must pass does, what must not is refused clearly, and neither costs the others anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::http::{Answer, Client, initialize, request, text_of};
use crate::support::process::{MemoryUse, Standpipe, binary, bytes_written};
use crate::support::{alone, eventually, in_time, sse, together};

/// What must pass, both ways.
const LARGE: usize = 16 << 20;

/// More than the default limit on a message.
const TOO_LARGE: usize = 18 << 20;

/// The most that a hostile line or a slow reader may cost.
const MEMORY_MIB: u64 = 64;

/// A hundred megabytes or more take their time in a build without optimisation.
const PATIENT: Duration = Duration::from_mins(3);

#[tokio::test]
async fn sixteen_mebibytes_pass_both_ways() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let large = "x".repeat(LARGE);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let text = client.text(1, "echo", json!({ "a": large })).await;
    assert!(text == format!(r#"{{"a":"{large}"}}"#), "{} bytes came back", text.len());

    let mut old_style = sse::Client::connect(&standpipe.url(""), "/sse").await;
    let call = json!({ "name": "echo", "arguments": { "a": large } });
    let text = text_of(&old_style.request(2, "tools/call", call).await);
    assert!(text == format!(r#"{{"a":"{large}"}}"#), "{} bytes came back", text.len());
}

#[tokio::test]
async fn a_larger_answer_is_an_error_and_the_session_goes_on() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let mut old_style = sse::Client::connect(&standpipe.url(""), "/sse").await;
    let call = json!({ "name": "big", "arguments": { "bytes": TOO_LARGE } });
    for answer in [
        client.request(1, "tools/call", call.clone()).await,
        old_style.request(1, "tools/call", call).await,
    ] {
        let message = answer["error"]["message"].as_str().unwrap_or_else(|| {
            panic!("no error in an answer of {} bytes", answer.to_string().len())
        });
        assert!(
            message.contains("max_message_bytes") || message.contains("limit"),
            "{message:?} does not name the limit"
        );
    }
    assert_eq!(client.text(2, "echo", json!({})).await, "{}");
    assert!(old_style.request(2, "ping", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn a_larger_request_is_an_error_and_the_session_goes_on() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let large = "x".repeat(TOO_LARGE);
    let message = request(1, "tools/call", json!({ "name": "echo", "arguments": { "a": large } }))
        .to_string();
    let response = client.post(message.clone()).await;
    assert_eq!(response.status(), 413);
    let answer: Value = in_time("a body", response.json()).await.expect("a message");
    assert!(
        answer["error"]["message"].as_str().is_some_and(|text| text.contains("bytes")),
        "{answer}"
    );

    // Announced by nothing, found out while it is read.
    let head = head(&standpipe, client.id(), "transfer-encoding: chunked");
    let mut stream = TcpStream::connect(standpipe.authority()).await.expect("the server is there");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16));
    for _ in 0..TOO_LARGE >> 16 {
        // The refusal may come before all is sent.
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert_eq!(status(&mut stream).await.0, 413);

    // Announced, and refused before any of it is sent.
    let head = self::head(&standpipe, client.id(), &format!("content-length: {}", message.len()));
    let mut stream = TcpStream::connect(standpipe.authority()).await.expect("the server is there");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    assert_eq!(status(&mut stream).await.0, 413);

    assert_eq!(client.text(2, "echo", json!({})).await, "{}");
}

/// The head of a POST in this session, with one more header.
fn head(standpipe: &Standpipe, session: &str, header: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\nmcp-session-id: {session}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\n{header}\r\n\r\n",
        standpipe.authority()
    )
}

/// Reads one response: its status and all of its text as far as it comes.
async fn status(stream: &mut TcpStream) -> (u16, String) {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    while !text.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = in_time("a response", stream.read(&mut part)).await.expect("a response");
        assert!(read > 0, "the connection ended after {:?}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&part[..read]);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {text:?}")), text)
}

/// A table of the fixture, of a nasty child, and of a healthy one.
fn household() -> Standpipe {
    let fixture = standpipe_testkit::fixture_path();
    let nasty = standpipe_testkit::nasty_path();
    Standpipe::serve(
        &["--request-timeout", "10m"],
        &json!({
            "flood": { "command": fixture },
            "lines": { "command": nasty, "args": ["long-line"] },
            "healthy": { "command": fixture },
        }),
    )
}

/// Somebody else, who is served all the time; stopping tells how often.
struct Others {
    stop: Arc<AtomicBool>,
    served: JoinHandle<u64>,
}

impl Others {
    async fn of(standpipe: &Standpipe) -> Self {
        let client = Client::connect(&standpipe.url("/servers/healthy/mcp")).await;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let served = tokio::spawn(async move {
            let mut served = 0;
            while !stopped.load(Ordering::Relaxed) {
                assert_eq!(client.text(1, "echo", json!({})).await, "{}");
                served += 1;
            }
            served
        });
        Self { stop, served }
    }

    async fn were_served(self) {
        self.stop.store(true, Ordering::Relaxed);
        let served = in_time("the others", self.served).await.expect("each call is answered");
        assert!(served > 10, "the others were served {served} times only");
    }
}

async fn pid_of(client: &Client) -> i32 {
    let answer = client.tool("pid", "pid", json!({})).await;
    let pid = answer["result"]["structuredContent"]["pid"].as_i64();
    let pid = pid.or_else(|| text_of(&answer).parse().ok()).expect("a process id");
    i32::try_from(pid).expect("process ids are small")
}

/// Waits until the child has written so many bytes more than `before`.
async fn until_written(child: i32, before: u64, bytes: u64) {
    eventually("the child's output", PATIENT, move || bytes_written(child) >= before + bytes).await;
}

#[tokio::test]
async fn a_line_of_250_megabytes_costs_little() {
    const LINE: u64 = 250_000_000;
    let _turn = alone().await;
    let standpipe = household();
    let client = Client::connect(&standpipe.url("/servers/lines/mcp")).await;
    let child = pid_of(&client).await;
    let others = Others::of(&standpipe).await;
    let memory = MemoryUse::of(standpipe.inner());
    let before = bytes_written(child);

    // A newline comes in the end, and after it the answer.
    let noisy = client
        .open(1, "tools/call", json!({ "name": "long_noise", "arguments": { "bytes": LINE } }))
        .await;
    until_written(child, before, LINE).await;
    assert_eq!(text_of(&noisy.last().await), "written");
    assert_eq!(client.text(2, "hello", json!({})).await, "hello");

    // No newline ever comes.
    let before = bytes_written(child);
    let session = client.clone();
    let endless =
        tokio::spawn(
            async move { session.tool(3, "endless_line", json!({ "bytes": LINE })).await },
        );
    until_written(child, before, LINE).await;
    others.were_served().await;
    let peak = memory.peak_mib();
    assert!(peak <= MEMORY_MIB, "it cost {peak} MiB");
    endless.abort();
}

#[tokio::test]
async fn a_reader_that_never_reads_its_call_costs_little() {
    let _turn = alone().await;
    let standpipe = household();
    let client = Client::connect(&standpipe.url("/servers/flood/mcp")).await;
    let child = pid_of(&client).await;
    let others = Others::of(&standpipe).await;
    let memory = MemoryUse::of(standpipe.inner());
    let before = bytes_written(child);
    let unread = flood(&client).await;
    until_written(child, before, 100_000_000).await;
    others.were_served().await;
    let peak = memory.peak_mib();
    assert!(peak <= MEMORY_MIB, "it cost {peak} MiB");
    // Only that stream is lost; the session is not.
    assert_eq!(client.text(2, "echo", json!({})).await, "{}");
    drop(unread);
}

/// Opens a call under which the child sends a hundred megabytes of notifications.
async fn flood(client: &Client) -> Answer {
    client
        .open(
            1,
            "tools/call",
            json!({ "name": "flood", "arguments": { "count": 100_000, "bytes": 1000 } }),
        )
        .await
}

#[tokio::test]
async fn an_event_stream_that_is_never_read_costs_little() {
    let _turn = alone().await;
    let standpipe = household();
    let watcher = Client::connect(&standpipe.url("/servers/flood/mcp")).await;
    let child = pid_of(&watcher).await;
    let others = Others::of(&standpipe).await;
    let memory = MemoryUse::of(standpipe.inner());
    let before = bytes_written(child);
    let unread = sse::Client::connect(&standpipe.url(""), "/servers/flood/sse").await;
    let arguments = json!({ "count": 100_000, "bytes": 1000 });
    unread
        .send(&request(1, "tools/call", json!({ "name": "flood", "arguments": arguments })))
        .await;
    until_written(child, before, 100_000_000).await;
    others.were_served().await;
    let peak = memory.peak_mib();
    assert!(peak <= MEMORY_MIB, "it cost {peak} MiB");
    // The others of the same child notice nothing.
    assert_eq!(watcher.text(2, "echo", json!({})).await, "{}");
}

#[tokio::test]
async fn a_general_stream_that_is_never_read_blocks_nothing() {
    const URI: &str = "test://watched-resource";
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let client = Client::connect(&standpipe.url("/mcp")).await;
    let unread = client.listen().await;
    let subscribed = client.request(1, "resources/subscribe", json!({ "uri": URI })).await;
    assert_eq!(subscribed["result"], json!({}));
    let updates = json!({ "count": 100_000, "kind": "updated", "uri": URI });
    assert_eq!(client.text(2, "flood", updates).await, "sent 100000");
    assert_eq!(client.text(3, "echo", json!({})).await, "{}");
    drop(unread);
}

#[tokio::test]
async fn with_64_descriptors_200_clients_are_refused_clearly_and_it_recovers() {
    const CLIENTS: usize = 200;
    let _turn = alone().await;
    let fixture = standpipe_testkit::fixture_path();
    let mut line = std::process::Command::new("sh");
    line.args(["-c", r#"ulimit -n 64 && exec "$0" run --listen 127.0.0.1:0 -- "$1""#]);
    line.arg(binary()).arg(fixture);
    let standpipe = Standpipe::start(&mut line);
    let url = standpipe.url("/mcp");
    let early = Client::connect(&url).await;

    let body = initialize(json!({})).to_string();
    let message = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n{body}",
        standpipe.authority(),
        body.len()
    );
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (address, message) = (standpipe.authority().to_owned(), message.clone());
        clients.spawn(async move {
            let mut stream = in_time("a connection", TcpStream::connect(address))
                .await
                .expect("the server listens");
            stream.write_all(message.as_bytes()).await.expect("it reads");
            let (status, text) = status(&mut stream).await;
            // Connections stay open, so that nobody makes room for another.
            (status, text, stream)
        });
    }
    let outcomes = clients.join_all().await;
    let (served, refused): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|(status, ..)| *status == 200);
    assert!(
        !served.is_empty() && !refused.is_empty(),
        "{} served, {} refused",
        served.len(),
        refused.len()
    );
    for (status, text, _) in &refused {
        assert_eq!(*status, 503, "{text}");
        assert!(text.to_lowercase().contains("retry-after:"), "{text}");
    }
    drop((served, refused));

    in_time("recovery", async { while Client::try_connect(&url).await.is_err() {} }).await;
    assert_eq!(early.text(1, "echo", json!({})).await, "{}");
}
