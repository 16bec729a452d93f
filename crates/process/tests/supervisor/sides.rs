//! Side processes: calls that ask their client something, while others use the service too.

use std::sync::Arc;
use std::time::Duration;

use standpipe_core::fault::FaultKind;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::client::{ASKABLE, Answer, Client, Failure, text};
use crate::world::{AtMost, World, status_where, until};

fn named(name: &str) -> String {
    format!(r#"{{"action":"accept","content":{{"username":"{name}"}}}}"#)
}

/// Whether the call ended in the child's report that its question was refused.
fn was_refused(answer: &Answer) -> bool {
    answer
        .as_ref()
        .is_ok_and(|result| result["isError"] == true && text(result).contains("refused"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_asked_once_runs_aside_from_then_on() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let asker = Client::with(&service, ASKABLE).await.unwrap();
    let other = Client::with(&service, ASKABLE).await.unwrap();
    let main = asker.pid().await;
    // Nobody else's call is open, so there is no doubt whom the child means.
    assert_eq!(text(&asker.ask("elicitation", &named("a")).await.unwrap()), named("a"));
    assert_eq!(service.status().instances, 1);

    // Now it is known to ask: it runs beside the main process, with calls of others open there.
    let busy = other.begin("slow", r#"{"ms":600000}"#).await.unwrap();
    assert_eq!(text(&asker.ask("elicitation", &named("b")).await.unwrap()), named("b"));
    assert_eq!(service.status().instances, 2);
    // The next call finds the same side process; all others stay where they were.
    assert_eq!(text(&asker.ask("sampling", &named("c")).await.unwrap()), named("c"));
    assert_eq!(service.status().generation, 2);
    assert_eq!(asker.pid().await, main);

    // Two clients are asked at the same time, and each gets its own question and answer.
    let mut one = asker.begin("ask", r#"{"kind":"elicitation","message":"one"}"#).await.unwrap();
    let mut two = other.begin("ask", r#"{"kind":"elicitation","message":"two"}"#).await.unwrap();
    let (first, second) = tokio::join!(one.question(), two.question());
    for (question, message) in [(&first, "one"), (&second, "two")] {
        let params = question.params.as_ref().unwrap().raw().as_str();
        assert!(params.contains(&format!(r#""message":"{message}""#)), "{params}");
    }
    two.reply(&second, &named("two"));
    one.reply(&first, &named("one"));
    assert_eq!(text(&one.answer().await.unwrap()), named("one"));
    assert_eq!(text(&two.answer().await.unwrap()), named("two"));
    drop(busy);

    // A session's end is the end of its side process.
    assert_eq!(service.status().instances, 3);
    asker.session.end();
    status_where(&service, |status| status.instances == 2).await;
    assert_eq!(other.pid().await, main);
    other.session.end();
    status_where(&service, |status| status.instances == 1).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_for_a_side_process_can_be_cancelled() {
    let world = World::new();
    let service = world.fixture(|spec| spec.limits.side_processes = 1);
    let asker = Client::with(&service, ASKABLE).await.unwrap();
    let other = Client::with(&service, ASKABLE).await.unwrap();
    // From now on it is known to ask, and runs aside.
    asker.ask("elicitation", &named("a")).await.unwrap();
    let mut first = asker.begin("ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    let question = first.question().await;
    let mut second = other.begin("ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    let cancelled =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    other.notify(cancelled).await.unwrap();
    assert!(matches!(second.answer().await, Err(Failure::Nothing)));
    assert_eq!(world.counted("dropped_messages_total", "ambiguous_cancel"), 0);
    // The place that it waited for is the next one's.
    first.reply(&question, &named("a"));
    first.answer().await.unwrap();
    assert_eq!(text(&other.ask("elicitation", &named("b")).await.unwrap()), named("b"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_askers_share_eight_side_processes() {
    const ASKERS: usize = 32;
    let world = World::new();
    let service = world.fixture(|spec| spec.timeouts.start = Duration::from_mins(5));
    let bound = AtMost::instances(&service, 9);
    let barrier = Arc::new(Barrier::new(ASKERS));
    let mut askers = JoinSet::new();
    for number in 0..ASKERS {
        let (service, barrier) = (service.clone(), Arc::clone(&barrier));
        askers.spawn(async move {
            let client = Client::with(&service, ASKABLE).await.unwrap();
            let mut refused = 0;
            for round in 0..3 {
                barrier.wait().await;
                let name = format!("asker {number} in round {round}");
                let answer = client.ask("elicitation", &named(&name)).await;
                if was_refused(&answer) {
                    // Only before it was known that the tool asks.
                    assert_eq!(round, 0, "{answer:?}");
                    refused += 1;
                    continue;
                }
                assert_eq!(text(&answer.unwrap()), named(&name));
            }
            refused
        });
    }
    let mut refused = 0;
    while let Some(asker) = askers.join_next().await {
        refused += asker.unwrap();
    }
    assert!(refused <= ASKERS);
    bound.held().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_a_side_process_and_gives_up_in_time() {
    let world = World::new();
    let service = world.fixture(|spec| {
        spec.limits.side_processes = 1;
        spec.timeouts.start = Duration::from_secs(3);
    });
    let one = Client::with(&service, ASKABLE).await.unwrap();
    let two = Client::with(&service, ASKABLE).await.unwrap();
    one.ask("elicitation", &named("learnt")).await.unwrap();
    let mut first = one.begin("ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    let question = first.question().await;
    // The only side process is busy with somebody who takes his time.
    let mut second = two.begin("ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    let why = second.answer().await.unwrap_err();
    assert_eq!(why.kind(), &FaultKind::TooManyInstances);
    // Lists are never held up meanwhile.
    two.request("tools/list", "{}").await.unwrap();
    let mut third = two.begin("ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    first.reply(&question, &named("one"));
    assert_eq!(text(&first.answer().await.unwrap()), named("one"));
    // Its process is free, and makes room for one of the other session.
    assert_eq!(text(&third.converse(&named("three")).await.unwrap()), named("three"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dying_side_process_takes_only_its_own_call_along() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let one = Client::with(&service, ASKABLE).await.unwrap();
    let two = Client::with(&service, ASKABLE).await.unwrap();
    one.ask("elicitation", &named("learnt")).await.unwrap();
    let mut slow = two.begin("delay", r#"{"ms":1500,"text":"done"}"#).await.unwrap();
    let mut aside = one.begin("ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    aside.question().await;
    let main = service.status().pid.unwrap();
    let side = world.processes().into_iter().find(|p| p.pid.unsigned_abs() != main).unwrap();
    kill(side.pid);
    let why = aside.answer().await.unwrap_err();
    assert!(matches!(why.kind(), FaultKind::ChildGone(_)), "{why:?}");
    assert_eq!(text(&slow.answer().await.unwrap()), "done");
    // The next one gets a fresh side process.
    assert_eq!(text(&one.ask("elicitation", &named("again")).await.unwrap()), named("again"));
    assert_eq!(service.status().restarts, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn side_processes_that_do_not_start_are_not_tried_with_every_call() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("started");
    // Only the first process of this service starts.
    let script = format!(
        r#"mkdir "{}" 2>/dev/null || exit 9; exec "{}""#,
        lock.display(),
        standpipe_testkit::fixture_path().display()
    );
    let service = world.service("/bin/sh", &["-c", &script], |spec| {
        spec.restart.backoff_min = Duration::from_mins(5);
        spec.restart.backoff_max = Duration::from_mins(5);
    });
    let one = Client::with(&service, ASKABLE).await.unwrap();
    let two = Client::with(&service, ASKABLE).await.unwrap();
    one.ask("elicitation", &named("learnt")).await.unwrap();
    for client in [&one, &two, &one, &two] {
        let why = client.ask("elicitation", &named("x")).await.unwrap_err();
        assert!(matches!(why.kind(), FaultKind::StartFailed(_)), "{why:?}");
    }
    assert_eq!(service.status().generation, 2, "it was tried once");
    // The main process goes on.
    assert_eq!(two.text("echo", "{}").await, "{}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_while_its_side_process_starts_leaves_nothing() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("started");
    // Only the first process of this service gets past its first line.
    let script = format!(
        r#"mkdir "{}" 2>/dev/null || exec sleep 600; exec "{}""#,
        lock.display(),
        standpipe_testkit::fixture_path().display()
    );
    let service = world.service("/bin/sh", &["-c", &script], |_| {});
    let one = Client::with(&service, ASKABLE).await.unwrap();
    let two = Client::with(&service, ASKABLE).await.unwrap();
    one.ask("elicitation", &named("learnt")).await.unwrap();
    let mut call = one.begin("ask", r#"{"kind":"elicitation"}"#).await.unwrap();
    until("the side process starts", async || world.processes().len() == 2).await;
    one.session.end();
    let why = call.answer().await.unwrap_err();
    assert!(matches!(why, Failure::Fault(_)), "{why:?}");
    status_where(&service, |status| status.instances == 1).await;
    assert_eq!(world.processes().len(), 1);
    assert_eq!(two.text("echo", "{}").await, "{}");
    world.end().await;
}

pub(crate) fn kill(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
}
