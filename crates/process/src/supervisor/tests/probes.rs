//! Asking processes that nobody uses: when, and what follows from silence.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::service::Sharing;
use standpipe_core::status::Phase;
use tokio::time::{Instant, sleep};

use super::caller::{Caller, Failure};
use super::world::{World, settle};

const SECOND: Duration = Duration::from_secs(1);

fn failures(world: &World) -> u64 {
    world.counted("probe_failures_total", "service=")
}

#[tokio::test(start_paused = true)]
async fn an_unused_process_is_asked_every_twenty_seconds_and_a_used_one_is_not() {
    let world = World::new(|_| {});
    let caller = world.open().await;
    let fake = world.fakes.newest();
    sleep(201 * SECOND).await;
    assert_eq!(fake.pings(), 10);
    // Any traffic says that it lives.
    for _ in 0..100 {
        sleep(5 * SECOND).await;
        caller.call("echo", "{}").await.unwrap();
    }
    assert_eq!(fake.pings(), 10);
    // While a call is open it is not asked at all.
    caller.call("delay", r#"{"ms":250000}"#).await.unwrap();
    assert_eq!(fake.pings(), 10);
    sleep(41 * SECOND).await;
    assert_eq!(fake.pings(), 12);
    assert_eq!((failures(&world), world.fakes.spawns()), (0, 1));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn three_silences_in_a_row_replace_it() {
    let world = World::new(|_| {});
    let caller = world.open().await;
    sleep(31 * SECOND).await;
    let frozen = Instant::now();
    world.fakes.newest().freeze();
    for silences in 1..=2 {
        world.until(|status| status.probe_failures == silences).await;
        assert_eq!(world.phase(), Phase::Ready, "it may yet answer");
    }
    world.until(|status| status.restarts == 1 && status.phase == Phase::Ready).await;
    // Asked at 40, 60 and 80 s, each time for 5 s, and then the ladder for one that does not read.
    let took = frozen.elapsed() + 31 * SECOND;
    assert!(took >= 85 * SECOND && took <= 88 * SECOND, "{took:?}");
    assert_eq!((failures(&world), world.status().probe_failures), (3, 0));
    assert_eq!(caller.call("echo", "{}").await.unwrap(), "2");
    let exit = world.status().last_exit.unwrap();
    assert_eq!(&*exit.reason, "it did not answer probes");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_between_begins_the_count_anew() {
    let world = World::new(|_| {});
    world.open().await;
    let fake = world.fakes.newest();
    for _ in 0..5 {
        fake.freeze();
        world.until(|status| status.probe_failures == 2).await;
        fake.thaw();
        world.until(|status| status.probe_failures == 0).await;
    }
    assert_eq!((failures(&world), world.fakes.spawns()), (10, 1));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_busy_with_a_call_is_not_dead() {
    let world = World::new(|spec| spec.timeouts.request = 30 * SECOND);
    let caller = world.open().await;
    let fake = world.fakes.newest();
    for _ in 0..5 {
        // It does nothing else for longer than its caller waits, and the answer is nobody's.
        let why = caller.call("work", r#"{"ms":85000}"#).await.unwrap_err();
        assert!(matches!(why, Failure::Fault(FaultKind::Timeout(_))), "{why:?}");
        sleep(60 * SECOND).await;
    }
    assert_eq!((failures(&world), world.fakes.spawns()), (0, 1));
    sleep(41 * SECOND).await;
    assert!(fake.pings() >= 1, "once it has answered it is asked again");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_wants_to_know_has_it_asked_and_the_verdict_is_remembered() {
    let world = World::new(|_| {});
    let hits = || world.counted("health_cache_hits_total", "service=");
    world.service.check_health();
    assert_eq!(hits(), 0, "there is nothing to know of what does not run");
    world.open().await;
    let fake = world.fakes.newest();
    sleep(6 * SECOND).await;
    world.service.check_health();
    settle().await;
    assert_eq!((fake.pings(), hits()), (1, 0));
    for _ in 0..4 {
        sleep(SECOND).await;
        world.service.check_health();
        settle().await;
    }
    assert_eq!((fake.pings(), hits()), (1, 4));
    sleep(SECOND + SECOND / 10).await;
    world.service.check_health();
    settle().await;
    assert_eq!((fake.pings(), hits()), (2, 4));
    // However often somebody asks, one that is frozen is given its time.
    fake.freeze();
    let since = Instant::now();
    while world.status().restarts == 0 {
        world.service.check_health();
        sleep(SECOND).await;
        assert!(since.elapsed() < 120 * SECOND, "it is noticed");
    }
    assert!(since.elapsed() >= 40 * SECOND, "{:?}", since.elapsed());
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_where_probes_are_off_nor_during_a_start() {
    let world = World::new(|spec| spec.probe.interval = None);
    world.open().await;
    world.fakes.newest().freeze();
    sleep(3600 * SECOND).await;
    world.service.check_health();
    assert_eq!((world.phase(), failures(&world)), (Phase::Ready, 0));
    world.end().await;

    let world = World::new(|spec| spec.timeouts.start = 600 * SECOND);
    world.fakes.usually(super::fake::Manner::slow(500 * SECOND));
    world.service.start().await;
    world.until_phase(Phase::Ready).await;
    assert_eq!((world.fakes.newest().pings(), failures(&world)), (0, 0));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_process_of_one_session_ends_that_session_alone() {
    let world = World::with_at_most(2, |spec| spec.sharing = Sharing::Session);
    let one = Caller::open(&world.service, 1).await.unwrap();
    let two = Caller::open(&world.service, 2).await.unwrap();
    world.fakes.alive()[0].freeze();
    sleep(100 * SECOND).await;
    assert!(one.session.is_over() && !two.session.is_over());
    assert_eq!(two.call("echo", "{}").await.unwrap(), "2");
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::Ready, 2));
    world.end().await;
}
