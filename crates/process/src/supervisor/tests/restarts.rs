//! What follows a death: at once, after a cool-down, after a back-off, or not at all.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::service::{Lifecycle, Sharing};
use standpipe_core::status::{Phase, State};
use tokio::time::{Instant, sleep, timeout};

use super::caller::{Answer, Caller, Failure};
use super::fake::Manner;
use super::world::{EVER, World, settle};
use crate::cache::ConfigSource;
use crate::exit::Exit;
use crate::registry::Replacement;

const SECOND: Duration = Duration::from_secs(1);
/// Between a cause and its effect, where nobody waits for anything.
const MOMENT: Duration = Duration::from_millis(20);

/// How long after one start the next one was made.
fn gaps(world: &World) -> Vec<Duration> {
    let at = world.fakes.spawned_at();
    at.windows(2).map(|two| two[1] - two[0]).collect()
}

fn refused(answer: Answer) -> FaultKind {
    match answer {
        Err(Failure::Fault(kind)) => kind,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_restart_after_a_healthy_run_is_immediate() {
    let world = World::new(|_| {});
    let caller = world.open().await;
    sleep(31 * SECOND).await;
    let died = Instant::now();
    caller.call("crash", "{}").await.unwrap_err();
    assert_eq!(caller.call("echo", "{}").await.unwrap(), "2");
    assert!(died.elapsed() < MOMENT, "{:?}", died.elapsed());
    assert_eq!(world.status().restarts, 1);
    assert_eq!(world.counted("service_restarts_total", "service="), 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn between_two_restarts_is_a_cool_down_during_which_callers_are_refused_at_once() {
    let world = World::new(|spec| spec.restart.early_death = 5 * SECOND);
    let caller = world.open().await;
    sleep(6 * SECOND).await;
    let first = Instant::now();
    caller.call("crash", "{}").await.unwrap_err();
    world.until(|status| status.restarts == 1 && status.phase == Phase::Ready).await;
    sleep(6 * SECOND).await;
    caller.call("crash", "{}").await.unwrap_err();
    assert_eq!((world.phase(), world.status().state), (Phase::Backoff, State::Error));
    let (answer, waited) = world.come().await;
    assert_eq!(waited, Duration::ZERO);
    let FaultKind::CoolingDown(left) = refused(answer) else { panic!("it cools down") };
    assert!(left > 23 * SECOND && left <= 24 * SECOND, "{left:?}");
    sleep(10 * SECOND).await;
    let fault = world.service.gate().pass().await.unwrap_err();
    assert_eq!(fault.status(), 503);
    assert!(matches!(fault.retry_after(), Some(13..=15)), "what is left is told: {fault}");
    // It comes back by itself, a cool-down after the restart before.
    world.until_phase(Phase::Ready).await;
    let apart = first.elapsed();
    assert!(apart >= 30 * SECOND && apart < 30 * SECOND + MOMENT, "{apart:?}");
    assert_eq!(caller.call("echo", "{}").await.unwrap(), "3");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn failing_starts_are_ever_further_apart_and_then_a_crash_loop() {
    let world = World::new(|_| {});
    world.fakes.usually(Manner::failing());
    world.service.start().await;
    world.until_phase(Phase::CrashLoop).await;
    let gaps = gaps(&world);
    assert_eq!(gaps.len(), 4);
    for (gap, base) in gaps.into_iter().zip([500, 1000, 2000, 4000]) {
        let base = Duration::from_millis(base);
        let least = base.mul_f64(0.8).max(SECOND / 2);
        assert!(gap >= least && gap <= base.mul_f64(1.2) + MOMENT, "{gap:?} around {base:?}");
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_back_off_ends_at_half_a_minute_and_is_never_twice_the_same() {
    let world = World::new(|spec| spec.restart.max_failures = 40);
    world.fakes.usually(Manner::failing());
    world.service.start().await;
    world.until_phase(Phase::CrashLoop).await;
    let gaps = gaps(&world);
    assert_eq!(gaps.len(), 39);
    let late = &gaps[10..];
    assert!(late.iter().all(|gap| *gap >= 24 * SECOND && *gap <= 30 * SECOND + MOMENT), "{late:?}");
    assert!(late.iter().any(|gap| *gap != late[0]), "there is no jitter: {late:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_death_soon_after_ready_is_a_failed_start_and_five_of_them_a_crash_loop() {
    let world = World::new(|_| {});
    world.fakes.usually(Manner::living(29 * SECOND));
    world.service.start().await;
    let status = world.until_phase(Phase::CrashLoop).await;
    assert_eq!((status.generation, status.restarts), (5, 4));
    world.end().await;

    let world = World::new(|_| {});
    world.fakes.usually(Manner::living(31 * SECOND));
    world.service.start().await;
    sleep(3600 * SECOND).await;
    assert_ne!(world.phase(), Phase::CrashLoop);
    assert!(world.fakes.spawns() > 100, "these were no failed starts");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn five_minutes_of_health_forget_what_was_before() {
    for (lives, is_forgotten) in [(301, true), (299, false)] {
        let world = World::new(|_| {});
        for _ in 0..4 {
            world.fakes.next(Manner::failing());
        }
        world.fakes.next(Manner::living(lives * SECOND));
        world.fakes.next(Manner::failing());
        world.service.start().await;
        world.until(|status| status.generation == 5 && status.phase == Phase::Ready).await;
        let after = world.until(|s| s.generation == 6 && s.phase != Phase::Starting).await.phase;
        let expected = if is_forgotten { Phase::Backoff } else { Phase::CrashLoop };
        assert_eq!(after, expected, "after {lives} s of health");
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_makes_a_bounded_number_of_starts_and_answers_at_once() {
    let world = World::new(|_| {});
    world.fakes.usually(Manner::failing());
    let (answer, waited) = world.come().await;
    assert!(matches!(refused(answer), FaultKind::StartFailed(_)));
    assert!(waited < MOMENT);
    // Callers come all the time, before and after it has given up.
    for _ in 0..2000 {
        let (answer, waited) = world.come().await;
        let why = refused(answer);
        if world.phase() == Phase::CrashLoop {
            assert_eq!(why, FaultKind::CrashLoop);
            assert_eq!(waited, Duration::ZERO);
        }
        assert!(waited < MOMENT, "{waited:?} for {why:?}");
        sleep(SECOND / 20).await;
    }
    sleep(24 * 3600 * SECOND).await;
    let fault = world.service.gate().pass().await.unwrap_err();
    assert_eq!((fault.status(), fault.retry_after()), (503, Some(60)));
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::CrashLoop, 5));
    assert_eq!(world.counted("process_starts_total", r#"outcome="died""#), 5);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn only_an_intervention_leads_out_of_a_crash_loop() {
    let world = World::new(|_| {});
    world.fakes.usually(Manner::failing());
    world.service.start().await;
    world.until_phase(Phase::CrashLoop).await;
    world.service.start().await;
    world.service.check_health();
    sleep(3600 * SECOND).await;
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::CrashLoop, 5));
    // By hand: failures are counted anew.
    world.service.restart().await;
    world.until(|status| status.generation == 10 && status.phase == Phase::CrashLoop).await;
    assert_eq!(world.fakes.spawns(), 10);
    // A stop is by hand as well; afterwards the next caller may try.
    world.service.stop().await;
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::Idle, 10));
    world.service.start().await;
    world.until(|status| status.generation == 15 && status.phase == Phase::CrashLoop).await;
    // So is another description; the same one is no news.
    let mut spec = World::spec();
    let same = world.registry.replace(spec.clone(), ConfigSource::File, Duration::ZERO);
    assert!(matches!(same, Replacement::Unchanged(_)));
    settle().await;
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::CrashLoop, 15));
    world.fakes.usually(Manner::default());
    spec.args = vec!["better".into()];
    let replaced = world.registry.replace(spec, ConfigSource::File, Duration::ZERO);
    let caller = Caller::open(replaced.service(), 0).await.unwrap();
    assert_eq!(caller.call("echo", "{}").await.unwrap(), "16");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_one_shot_service_is_never_started_by_itself() {
    let world = World::new(|spec| {
        spec.lifecycle = Lifecycle::OneShot;
        spec.idle_timeout = None;
    });
    let caller = world.open().await;
    sleep(31 * SECOND).await;
    caller.call("crash", "{}").await.unwrap_err();
    sleep(3600 * SECOND).await;
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::Idle, 1));
    assert_eq!(caller.call("echo", "{}").await.unwrap(), "2");
    // Nor after a failed start; a pause keeps callers off, and then the next one may try.
    world.fakes.next(Manner::failing());
    world.service.stop().await;
    let (answer, _) = world.come().await;
    assert!(matches!(refused(answer), FaultKind::StartFailed(_)));
    let (answer, waited) = world.come().await;
    assert!(matches!(refused(answer), FaultKind::StartFailed(_)));
    assert_eq!(waited, Duration::ZERO);
    sleep(3600 * SECOND).await;
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::Idle, 3));
    assert_eq!(caller.call("echo", "{}").await.unwrap(), "4");
    assert_eq!(world.status().restarts, 0);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_session_s_crash_does_not_cool_the_others_but_failing_starts_do() {
    let world = World::with_at_most(8, |spec| spec.sharing = Sharing::Session);
    let one = Caller::open(&world.service, 1).await.unwrap();
    let two = Caller::open(&world.service, 2).await.unwrap();
    one.call("crash", "{}").await.unwrap_err();
    settle().await;
    assert!(one.session.is_over() && !two.session.is_over());
    let three = Caller::open(&world.service, 3).await.unwrap();
    world.fakes.usually(Manner::failing());
    for _ in 0..5 {
        let why = Caller::open(&world.service, 4).await.unwrap_err();
        assert!(matches!(why, Failure::Fault(FaultKind::StartFailed(_))), "{why:?}");
        sleep(30 * SECOND).await;
    }
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::CrashLoop, 8));
    let (answer, waited) = world.come().await;
    assert_eq!((refused(answer), waited), (FaultKind::CrashLoop, Duration::ZERO));
    // Those that serve go on.
    assert_eq!(two.call("echo", "{}").await.unwrap(), "2");
    assert_eq!(three.call("echo", "{}").await.unwrap(), "3");
    assert_eq!(world.phase(), Phase::CrashLoop);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_place_that_becomes_free_starts_nothing_in_a_crash_loop() {
    let world = World::with_at_most(2, |spec| {
        spec.sharing = Sharing::Session;
        spec.limits.max_instances = 2;
        spec.restart.max_failures = 1;
    });
    let one = Caller::open(&world.service, 1).await.unwrap();
    let mut failing = Manner::slow(10 * SECOND);
    failing.handshake = super::fake::Handshake::Dies(10 * SECOND);
    world.fakes.next(failing);
    let service = world.service.clone();
    let fails = tokio::spawn(async move { Caller::open(&service, 2).await.map(drop) });
    settle().await;
    // This one waits for the place of the first, whose process does not leave at once.
    one.session.end();
    world.fakes.alive()[0].freeze();
    let service = world.service.clone();
    let waits = tokio::spawn(async move { Caller::open(&service, 3).await.map(drop) });
    sleep(SECOND).await;
    world.fakes.alive()[1].die(Exit::Code(1));
    let why = [fails.await.unwrap(), waits.await.unwrap()].map(Result::unwrap_err);
    assert!(matches!(why[0], Failure::Fault(FaultKind::StartFailed(_))), "{why:?}");
    assert_eq!(why[1], Failure::Fault(FaultKind::CrashLoop));
    sleep(3600 * SECOND).await;
    assert!(world.fakes.alive().is_empty());
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::CrashLoop, 2));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_beside_a_main_process_that_is_in_a_crash_loop() {
    let world = World::with_at_most(2, |spec| {
        spec.limits.side_processes = 1;
        spec.restart.max_failures = 1;
    });
    let one = Caller::open(&world.service, 1).await.unwrap();
    let two = Caller::open(&world.service, 2).await.unwrap();
    // From now on it is known that this call asks.
    assert_eq!(one.call("ask", "{}").await.unwrap(), "answered");
    world.fakes.next(Manner::slow(10 * SECOND));
    let aside = std::sync::Arc::clone(&one);
    let aside = tokio::spawn(async move { aside.call("ask", "{}").await });
    settle().await;
    assert_eq!(world.fakes.spawns(), 2, "it runs in a side process");
    let waiting = std::sync::Arc::clone(&two);
    let waiting = tokio::spawn(async move { waiting.call("ask", "{}").await });
    settle().await;
    two.call("crash", "{}").await.unwrap_err();
    assert_eq!(refused(waiting.await.unwrap()), FaultKind::CrashLoop);
    assert_eq!(world.phase(), Phase::CrashLoop);
    // What runs may go on.
    assert_eq!(aside.await.unwrap().unwrap(), "answered");
    one.session.end();
    sleep(3600 * SECOND).await;
    assert!(world.fakes.alive().is_empty());
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::CrashLoop, 2));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stderr_that_is_held_open_holds_up_nothing() {
    let world = World::new(|_| {});
    world.fakes.usually(Manner { holds_stderr: true, ..Manner::default() });
    world.open().await;
    let began = Instant::now();
    let shutdown = world.registry.shutdown(Duration::ZERO);
    timeout(EVER, shutdown).await.expect("the shutdown ends");
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_start_that_failed_are_told_when_there_is_another() {
    let world = World::new(|spec| {
        (spec.restart.backoff_min, spec.restart.backoff_max) = (40 * SECOND, 40 * SECOND);
    });
    world.fakes.usually(Manner::failing());
    // The one that waited for it, and one that comes later.
    let first = world.service.gate().pass().await.unwrap_err();
    let pause = first.retry_after().unwrap();
    assert!((31..=41).contains(&pause), "{first}");
    sleep(10 * SECOND).await;
    let later = world.service.gate().pass().await.unwrap_err();
    assert!(later.retry_after().unwrap().abs_diff(pause - 10) <= 1, "{first}, {later}");
    world.end().await;
}
