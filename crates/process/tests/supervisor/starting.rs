//! Starts: one for any number of callers, and a reason for all of them when it fails.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::service::RestartSettings;
use standpipe_core::status::Phase;
use standpipe_process::Service;
use tokio::task::JoinSet;

use crate::client::{Client, Failure};
use crate::world::{World, phase, quick, status_where};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_callers_make_one_start() {
    let world = World::new();
    let service = world.nasty(&["slow-start", "--ms", "300"], |_| {});
    let mut stay = JoinSet::new();
    let mut leave = JoinSet::new();
    for number in 0..200 {
        let service = service.clone();
        let caller = async move {
            let client = Client::open(&service).await?;
            client.call("hello", "{}").await
        };
        if number % 2 == 0 {
            stay.spawn(caller)
        } else {
            leave.spawn(caller)
        };
    }
    phase(&service, Phase::Starting).await;
    leave.abort_all();
    while let Some(answer) = stay.join_next().await {
        answer.unwrap().unwrap();
    }
    assert_eq!(service.status().generation, 1);
    assert_eq!(world.processes().len(), 1);
    assert_eq!(world.counted("process_starts_total", r#"outcome="ready""#), 1);
    world.end().await;
}

/// All of many callers at once are told this.
async fn all_are_told(service: &Service, wanted: impl Fn(&FaultKind) -> bool) {
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let gate = service.gate().clone();
        callers.spawn(async move { gate.pass().await });
    }
    while let Some(passed) = callers.join_next().await {
        let fault = passed.unwrap().unwrap_err();
        assert!(wanted(&fault.kind), "{fault}");
        assert_eq!(fault.status(), 503);
        assert!(fault.retry_after().is_some());
    }
}

fn failed_with(part: &'static str) -> impl Fn(&FaultKind) -> bool {
    move |kind| matches!(kind, FaultKind::StartFailed(why) if why.contains(part))
}

/// Failures long apart, so that nobody sees the second.
fn slow() -> RestartSettings {
    RestartSettings {
        backoff_min: Duration::from_mins(5),
        backoff_max: Duration::from_mins(5),
        ..RestartSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_command_is_told_to_all() {
    let world = World::new();
    let service = world.service("standpipe-no-such-command", &[], |spec| spec.restart = slow());
    all_are_told(&service, failed_with("its command was not found")).await;
    let status = phase(&service, Phase::Backoff).await;
    assert!(status.message.unwrap().contains("its command was not found"));
    assert_eq!(world.counted("process_starts_total", r#"outcome="launch_failed""#), 1);
    // Not only those who waited: whoever comes later is told at once.
    all_are_told(&service, failed_with("its command was not found")).await;
    assert_eq!(service.status().generation, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exits_at_once_is_told_to_all() {
    let world = World::new();
    let fault = ["exit-at-once", "--code", "7"];
    let service = world.nasty(&fault, |spec| spec.restart = slow());
    all_are_told(&service, |kind| matches!(kind, FaultKind::StartFailed(_))).await;
    status_where(&service, |status| status.phase == Phase::Backoff && status.instances == 0).await;
    assert_eq!(world.counted("process_starts_total", r#"outcome="died""#), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_in_the_handshake_is_told_to_all() {
    let world = World::new();
    let fault = ["die-in-handshake", "--code", "3"];
    let service = world.nasty(&fault, |spec| spec.restart = slow());
    all_are_told(&service, |kind| matches!(kind, FaultKind::StartFailed(_))).await;
    phase(&service, Phase::Backoff).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_in_the_handshake_ends_the_start() {
    let world = World::new();
    let service = world.nasty(&["no-initialize-answer"], |spec| {
        spec.restart = slow();
        spec.timeouts.start = Duration::from_millis(300);
    });
    // The caller's own time is as long as the child's, so either may be over first.
    all_are_told(&service, |kind| {
        matches!(kind, FaultKind::Starting) || failed_with("not ready within")(kind)
    })
    .await;
    phase(&service, Phase::Backoff).await;
    all_are_told(&service, failed_with("not ready within")).await;
    assert_eq!(world.counted("process_starts_total", r#"outcome="timeout""#), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_stays_until_somebody_restarts_it() {
    let world = World::new();
    let service = world.nasty(&["exit-at-once"], |spec| spec.restart.max_failures = 3);
    Client::open(&service).await.map(drop).unwrap_err();
    let status =
        status_where(&service, |status| status.phase == Phase::CrashLoop && status.instances == 0)
            .await;
    assert_eq!((status.generation, status.restarts), (3, 2));
    service.start().await;
    all_are_told(&service, |kind| matches!(kind, FaultKind::CrashLoop)).await;
    assert_eq!(service.status().generation, 3, "nothing but a restart leads out");
    service.restart().await;
    let status =
        status_where(&service, |status| status.generation == 6 && status.phase == Phase::CrashLoop)
            .await;
    assert_eq!(status.restarts, 4);
    assert_eq!(world.counted("service_restarts_total", "service="), 4);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_crash_loop_is_tried_again_by_the_next_caller() {
    let world = World::new();
    let service = world.nasty(&["exit-at-once"], |spec| spec.restart.max_failures = 1);
    Client::open(&service).await.map(drop).unwrap_err();
    phase(&service, Phase::CrashLoop).await;
    service.stop().await;
    assert_eq!(service.status().phase, Phase::Idle);
    Client::open(&service).await.map(drop).unwrap_err();
    status_where(&service, |s| s.generation == 2 && s.phase == Phase::CrashLoop).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_session_start_tells_why_and_cools_down() {
    let world = World::new();
    let service = world.nasty(&["exit-at-once"], |spec| {
        spec.sharing = standpipe_core::service::Sharing::Session;
        spec.restart = RestartSettings { max_failures: 2, ..quick() };
    });
    let why = Client::open(&service).await.map(drop).unwrap_err();
    assert!(matches!(why.kind(), FaultKind::StartFailed(_)), "{why:?}");
    let end = tokio::time::Instant::now() + crate::world::PATIENCE;
    loop {
        let Err(Failure::Fault(fault)) = Client::open(&service).await else { panic!("it opened") };
        if fault.kind == FaultKind::CrashLoop {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{fault}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(service.status().generation, 2);
    service.restart().await;
    status_where(&service, |status| status.phase == Phase::Idle).await;
    let why = Client::open(&service).await.map(drop).unwrap_err();
    assert!(matches!(why.kind(), FaultKind::StartFailed(_)), "{why:?}");
    world.end().await;
}
