//! Starts: any number of callers, one child; how long each of them waits and what it is told.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::status::Phase;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::caller::{Answer, Caller, Failure};
use super::fake::{Handshake, Manner};
use super::world::{World, settle};

const SECOND: Duration = Duration::from_secs(1);

/// What a thousand callers get who come at the same time, each after so long.
async fn thousand(world: &World) -> Vec<(Answer, Duration)> {
    let mut callers = JoinSet::new();
    for number in 0..1000 {
        let service = world.service.clone();
        callers.spawn(async move {
            let began = Instant::now();
            let come = async { Caller::open(&service, number).await?.call("echo", "{}").await };
            (come.await, began.elapsed())
        });
    }
    callers.join_all().await
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_make_one_start_and_all_are_served() {
    let world = World::new(|_| {});
    world.fakes.usually(Manner::slow(5 * SECOND));
    for (answer, after) in thousand(&world).await {
        assert_eq!(answer.unwrap(), "1");
        assert!(after < 6 * SECOND);
    }
    assert_eq!(world.fakes.spawns(), 1);
    assert_eq!(world.counted("process_starts_total", r#"outcome="ready""#), 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_do_not_disturb_the_start() {
    let world = World::new(|_| {});
    world.fakes.usually(Manner::slow(5 * SECOND));
    let mut stay = JoinSet::new();
    let mut leave = JoinSet::new();
    for number in 0..1000 {
        let service = world.service.clone();
        let come = async move { Caller::open(&service, number).await?.call("echo", "{}").await };
        if number % 2 == 0 {
            leave.spawn(come)
        } else {
            stay.spawn(come)
        };
    }
    world.until_phase(Phase::Starting).await;
    leave.shutdown().await;
    let answers = stay.join_all().await;
    assert_eq!(answers.len(), 500);
    assert!(answers.into_iter().all(|answer| answer == Ok("1".into())));
    // Even when all of them have gone.
    world.service.stop().await;
    let service = world.service.clone();
    let only = tokio::spawn(async move { service.gate().pass().await.map(drop) });
    world.until_phase(Phase::Starting).await;
    only.abort();
    world.until_phase(Phase::Ready).await;
    assert_eq!(world.fakes.spawns(), 2);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_gives_its_reason_to_everybody_who_waits() {
    let cases = [
        (Handshake::Dies(SECOND), "exited with status 1", SECOND),
        (Handshake::Refuses, "refused `initialize`", Duration::ZERO),
        (Handshake::Junk, "not a valid result", Duration::ZERO),
        (Handshake::ClosesStdout, "closed its stdin or stdout", Duration::ZERO),
    ];
    for (handshake, reason, after) in cases {
        let world = World::new(|_| {});
        world.fakes.usually(Manner { handshake, ..Manner::default() });
        for (answer, waited) in thousand(&world).await {
            let Err(Failure::Fault(FaultKind::StartFailed(why))) = &answer else {
                panic!("{handshake:?}: {answer:?}")
            };
            assert!(why.contains(reason), "{why}");
            // A child that closes a pipe has a moment to say how it ends.
            assert!(waited <= after + SECOND / 5, "{handshake:?}: {waited:?}");
        }
        assert_eq!(world.fakes.spawns(), 1, "{handshake:?}");
        assert!(world.status().message.unwrap().contains(reason));
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_cannot_be_launched_is_a_failed_start() {
    let world = World::new(|_| {});
    world.fakes.usually(Manner { launch: Err(()), ..Manner::default() });
    for (answer, _) in thousand(&world).await {
        assert!(matches!(answer, Err(Failure::Fault(FaultKind::StartFailed(_)))), "{answer:?}");
    }
    assert_eq!(world.counted("process_starts_total", r#"outcome="launch_failed""#), 1);
    assert_eq!(world.phase(), Phase::Backoff);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_long_enough_is_told_so_while_the_start_goes_on() {
    let world = World::new(|spec| spec.timeouts.start = 60 * SECOND);
    world.fakes.usually(Manner::slow(50 * SECOND));
    world.service.start().await;
    world.until_phase(Phase::Starting).await;
    world.service.stop().await;
    // The second start is asked for while the first child is still on its way out, so whoever has
    // asked for it waits a little longer than the child may take.
    let mut stubborn = Manner::slow(50 * SECOND);
    stubborn.leaves = false;
    world.fakes.next(stubborn);
    world.service.start().await;
    world.until_phase(Phase::Starting).await;
    let gate = world.service.gate().clone();
    let began = Instant::now();
    let waits = tokio::spawn(async move { gate.pass().await.map(drop) });
    tokio::time::sleep(30 * SECOND).await;
    world.service.restart().await;
    let fault = waits.await.unwrap().unwrap_err();
    assert_eq!(fault.kind, FaultKind::Starting);
    assert_eq!((fault.status(), fault.retry_after().is_some()), (503, true));
    assert_eq!(began.elapsed(), 60 * SECOND);
    assert_eq!(world.phase(), Phase::Starting, "the start goes on");
    world.until_phase(Phase::Ready).await;
    assert_eq!(world.fakes.spawns(), 3);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_too_slow_is_a_failed_start() {
    let world = World::new(|spec| spec.timeouts.start = 10 * SECOND);
    let launches = Manner { launch: Ok(11 * SECOND), ..Manner::default() };
    let answers = Manner { handshake: Handshake::Silence, ..Manner::default() };
    world.fakes.next(launches);
    world.fakes.next(answers);
    world.service.start().await;
    for (generation, reason) in [(1, "launching took too long"), (2, "not ready within 10s")] {
        world.until(|status| status.generation == generation).await;
        let status = world.until_phase(Phase::Backoff).await;
        assert!(status.message.unwrap().contains(reason));
        let (answer, waited) = world.come().await;
        assert!(matches!(answer, Err(Failure::Fault(FaultKind::StartFailed(_)))), "{answer:?}");
        assert_eq!(waited, Duration::ZERO);
    }
    world.until_phase(Phase::Ready).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_before_somebody_asks_for_it() {
    let world = World::new(|_| {});
    tokio::time::sleep(3600 * SECOND).await;
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::Idle, 0));
    assert!(world.service.gate().try_pass().is_none(), "looking is not asking");
    settle().await;
    assert_eq!(world.fakes.spawns(), 0);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_of_a_start_is_told_to_everybody_who_waits() {
    let world = World::new(|_| {});
    world.fakes.usually(Manner::slow(5 * SECOND));
    let service = world.service.clone();
    let waits = tokio::spawn(async move { service.gate().pass().await.map(drop) });
    world.until_phase(Phase::Starting).await;
    world.service.stop().await;
    assert_eq!(waits.await.unwrap().unwrap_err().kind, FaultKind::Draining);
    assert_eq!((world.phase(), world.status().restarts), (Phase::Idle, 0));
    assert!(world.fakes.alive().is_empty(), "a stop waits until nothing is left");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_launch_that_takes_its_time() {
    let world = World::new(|_| {});
    world.fakes.next(Manner { launch: Ok(50 * SECOND), ..Manner::default() });
    let service = world.service.clone();
    let waits = tokio::spawn(async move { service.gate().pass().await.map(drop) });
    world.until_phase(Phase::Starting).await;
    let began = Instant::now();
    world.service.stop().await;
    assert!(began.elapsed() < 3 * SECOND, "{:?}", began.elapsed());
    assert_eq!(waits.await.unwrap().unwrap_err().kind, FaultKind::Draining);
    assert_eq!((world.phase(), world.fakes.alive().len()), (Phase::Idle, 0));
    assert_eq!(world.counted("process_starts_total", r#"outcome="cancelled""#), 1);
    world.open().await;
    world.end().await;
}
