//! Modern requests, which have no session: whose process serves them, and how that is opened.

use std::sync::Arc;
use std::time::Duration;

use standpipe_core::connection::{Session, SessionProfile};
use standpipe_core::fault::FaultKind;
use standpipe_core::protocol::{ClientCapabilities, ProtocolVersion};
use standpipe_core::service::{Sharing, Timeouts};
use standpipe_process::Service;
use standpipe_testkit::fixture_path;
use tokio::time::Instant;

use crate::client::{ASKABLE, Answer, Call, Client, Failure, SILENT, message, stream, text};
use crate::world::{World, status_where, until};

const ALICE: &str = r#"{"action":"accept","content":{"username":"alice"}}"#;

/// Sends one modern request; it is its own session.
async fn begin(
    service: &Service,
    capabilities: ClientCapabilities,
    tool: &str,
    arguments: &str,
) -> Result<(Arc<Session>, Call), Failure> {
    let (outlet, intake) = stream();
    let profile = SessionProfile::new(ProtocolVersion::V2026_07_28, capabilities);
    let session = Session::new(service.gate().clone(), profile, outlet.clone());
    let inbox = session.inbox().await.map_err(Failure::Fault)?;
    let request = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    inbox.send(&session, message(request), &outlet, None).map_err(Failure::Fault)?;
    Ok((Arc::clone(&session), Call::new(session, intake, outlet)))
}

async fn call(service: &Service, tool: &str, arguments: &str) -> Answer {
    begin(service, SILENT, tool, arguments).await?.1.answer().await
}

async fn pid(service: &Service) -> u64 {
    let found = call(service, "pid", "{}").await.unwrap();
    found["structuredContent"]["pid"].as_u64().unwrap_or_else(|| text(&found).parse().unwrap())
}

/// Begins to ask, and waits until the client has been asked.
async fn asked(service: &Service) -> (Arc<Session>, Call) {
    let (session, mut call) =
        begin(service, ASKABLE, "ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    call.question().await;
    (session, call)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_sessions_have_a_process_each_modern_requests_share_one() {
    let world = World::new();
    let service = world.fixture(|spec| {
        spec.sharing = Sharing::Session;
        spec.limits.max_instances = 2;
    });
    let first = pid(&service).await;
    assert_eq!(pid(&service).await, first, "one process for all requests");
    let session = Client::open(&service).await.unwrap();
    assert_ne!(session.pid().await, first, "a session has its own");
    assert_eq!(service.status().instances, 2);

    // It may crash; the next request gets another one, and the session does not notice.
    call(&service, "crash", "{}").await.unwrap_err();
    assert_ne!(pid(&service).await, first);
    assert_eq!(session.text("echo", "{}").await, "{}");

    // A process that nobody uses makes room; one of a principal counts like one of a session.
    session.session.end();
    let other = Client::open(&service).await.unwrap();
    assert_eq!(other.text("echo", "{}").await, "{}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_requests_make_one_start() {
    let world = World::new();
    let service = world.fixture(|spec| spec.sharing = Sharing::Session);
    let calls = (0..50).map(|_| {
        let service = service.clone();
        tokio::spawn(async move { pid(&service).await })
    });
    let mut pids = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        pids.push(call.await.unwrap());
    }
    pids.dedup();
    assert_eq!(pids.len(), 1, "{pids:?}");
    assert_eq!(service.status().generation, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_a_start_is_answered_when_that_is_called_off() {
    let world = World::new();
    let service = world.service("/bin/sh", &["-c", "exec sleep 600"], |spec| {
        spec.sharing = Sharing::Session;
    });
    let (_, mut waiting) = begin(&service, SILENT, "echo", "{}").await.unwrap();
    status_where(&service, |status| status.instances == 1).await;
    service.restart().await;
    let why = waiting.answer().await.unwrap_err();
    assert_eq!(why.kind(), &FaultKind::Draining);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_of_the_probe_is_started_again_unasked() {
    let script = r#"read -r line; case "$line" in *server/discover*) exit 3;; esac
        { printf '%s\n' "$line"; exec cat; } | "$0""#;
    let fixture = fixture_path();
    let fixture = fixture.to_str().unwrap();
    for sharing in [Sharing::Shared, Sharing::Session] {
        let world = World::new();
        let service = world.service("/bin/sh", &["-c", script, fixture], |spec| {
            spec.sharing = sharing;
            // One failed start would be the last.
            spec.restart.max_failures = 1;
        });
        assert_eq!(text(&call(&service, "echo", r#"{"a":1}"#).await.unwrap()), r#"{"a":1}"#);
        let status = service.status();
        assert_eq!((status.generation, status.restarts, status.message), (2, 0, None));
        // It is remembered.
        service.stop().await;
        assert_eq!(text(&call(&service, "echo", "{}").await.unwrap()), "{}");
        assert_eq!(service.status().generation, 3);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_process_serves_one_call_after_the_other_of_its_principal() {
    for sharing in [Sharing::Shared, Sharing::Session] {
        let world = World::new();
        let service = world.fixture(|spec| spec.sharing = sharing);
        // Now it is known to ask.
        let (_, mut first) =
            begin(&service, ASKABLE, "ask", r#"{"kind":"elicitation"}"#).await.unwrap();
        assert_eq!(text(&first.converse(ALICE).await.unwrap()), ALICE);
        let (_busy, _open) = begin(&service, SILENT, "slow", r#"{"ms":600000}"#).await.unwrap();
        for _ in 0..3 {
            let (_, mut next) =
                begin(&service, ASKABLE, "ask", r#"{"kind":"elicitation"}"#).await.unwrap();
            assert_eq!(text(&next.converse(ALICE).await.unwrap()), ALICE);
            until("the side process is free", async || service.status().calls_in_flight == 1).await;
        }
        assert!(service.status().instances >= 2, "{:?}", service.status());
        assert!(service.status().generation <= 3, "{:?}", service.status());
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_parked_for_long_makes_room_for_one_that_waits() {
    let world = World::new();
    let service = world.fixture(|spec| {
        spec.limits.side_processes = 1;
        spec.timeouts = Timeouts { start: Duration::from_secs(50), ..spec.timeouts };
    });
    // The first is asked in the main process, the second beside it.
    let (_main, _kept) = asked(&service).await;
    let (parked, mut given_up) = asked(&service).await;
    let long_ago = Instant::now().checked_sub(Duration::from_secs(6)).unwrap();
    parked.set_parked(Some(long_ago));
    let (_, mut next) = begin(&service, ASKABLE, "ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    assert_eq!(text(&next.converse(ALICE).await.unwrap()), ALICE);
    assert!(parked.is_over());
    given_up.answer().await.unwrap_err();
    status_where(&service, |status| status.instances == 2).await;
    world.end().await;
}
