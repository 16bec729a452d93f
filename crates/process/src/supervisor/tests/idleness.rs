//! Stopping what nobody uses, and what counts as use.

use std::sync::Arc;
use std::time::Duration;

use standpipe_core::service::{Lifecycle, Sharing};
use standpipe_core::status::Phase;
use tokio::time::{Instant, sleep};

use super::fake::Manner;
use super::world::{World, settle};

const SECOND: Duration = Duration::from_secs(1);
const WATCHED: &str = r#"{"uri":"a://b"}"#;

#[tokio::test(start_paused = true)]
async fn a_one_shot_service_ends_after_five_minutes_without_use() {
    let world = World::new(|spec| {
        spec.lifecycle = Lifecycle::OneShot;
        spec.idle_timeout = Lifecycle::OneShot.default_idle_timeout();
    });
    let caller = world.open().await;
    for generation in 1..=3 {
        // Each use begins the time anew.
        for _ in 0..3 {
            assert_eq!(caller.call("echo", "{}").await.unwrap(), generation.to_string());
            sleep(290 * SECOND).await;
        }
        let used = Instant::now() - 290 * SECOND;
        world.until_phase(Phase::Idle).await;
        let unused = used.elapsed();
        assert!(unused >= 300 * SECOND && unused <= 301 * SECOND, "{unused:?}");
        assert!(world.fakes.alive().is_empty());
    }
    sleep(3600 * SECOND).await;
    assert_eq!((world.fakes.spawns(), world.status().restarts), (3, 0));
    assert_eq!(world.counted("process_exits_total", r#"reason="idle""#), 3);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_persistent_service_stays_unless_it_is_told_otherwise() {
    for (timeout, stays) in [(None, true), (Some(10 * SECOND), false)] {
        let world = World::new(|spec| spec.idle_timeout = timeout);
        let caller = world.open().await;
        sleep(24 * 3600 * SECOND).await;
        assert_eq!(world.phase() == Phase::Ready, stays, "{timeout:?}");
        assert_eq!(world.fakes.spawns(), 1);
        let by = if stays { "1" } else { "2" };
        assert_eq!(caller.call("echo", "{}").await.unwrap(), by);
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_call_and_a_subscription_are_use_and_a_silent_session_is_not() {
    let world = World::new(|spec| spec.idle_timeout = Some(SECOND));
    let caller = world.open().await;
    caller.session.stream_opened();
    assert_eq!(caller.call("delay", r#"{"ms":120000}"#).await.unwrap(), "done");
    assert_eq!(world.fakes.spawns(), 1, "an open call keeps it");
    sleep(3 * SECOND).await;
    assert_eq!(world.phase(), Phase::Idle, "a session with a stream alone does not");
    caller.request("resources/subscribe", WATCHED).await.unwrap();
    sleep(3600 * SECOND).await;
    assert_eq!((world.phase(), world.fakes.spawns()), (Phase::Ready, 2), "a subscription does");
    caller.request("resources/unsubscribe", WATCHED).await.unwrap();
    sleep(3 * SECOND).await;
    assert_eq!(world.phase(), Phase::Idle);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_during_an_idle_stop_waits_for_the_next_start() {
    let world = World::new(|spec| spec.idle_timeout = Some(SECOND));
    world.fakes.usually(Manner { leaves: false, ..Manner::default() });
    let caller = world.open().await;
    for generation in 2..10 {
        world.until_phase(Phase::Draining).await;
        assert_eq!(caller.call("echo", "{}").await.unwrap(), generation.to_string());
    }
    assert_eq!(world.status().restarts, 0);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn processes_of_sessions_end_when_nobody_uses_them() {
    let world = World::with_at_most(2, |spec| {
        spec.sharing = Sharing::Session;
        spec.idle_timeout = Some(10 * SECOND);
    });
    let one = super::caller::Caller::open(&world.service, 1).await.unwrap();
    let two = super::caller::Caller::open(&world.service, 2).await.unwrap();
    for _ in 0..10 {
        sleep(5 * SECOND).await;
        one.call("echo", "{}").await.unwrap();
    }
    assert!(two.session.is_over() && !one.session.is_over());
    assert_eq!(world.fakes.alive().len(), 1);
    sleep(11 * SECOND).await;
    assert!(one.session.is_over());
    assert_eq!((world.phase(), world.fakes.alive().len()), (Phase::Idle, 0));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_side_process_ends_a_minute_after_its_last_call() {
    let world = World::with_at_most(2, |_| {});
    let caller = world.open().await;
    // Where there is nobody else, every question is the one client's.
    let _other = world.open().await;
    assert_eq!(caller.call("ask", "{}").await.unwrap(), "answered");
    for _ in 0..3 {
        assert_eq!(caller.call("ask", "{}").await.unwrap(), "answered");
        sleep(59 * SECOND).await;
        assert_eq!((world.fakes.alive().len(), world.fakes.spawns()), (2, 2));
    }
    sleep(3 * SECOND).await;
    assert_eq!(world.fakes.alive().len(), 1);
    assert_eq!(world.phase(), Phase::Ready);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_meet_an_idle_stop_at_any_moment_are_served() {
    let world = World::new(|spec| spec.idle_timeout = Some(SECOND / 1000));
    let caller = world.open().await;
    for pause in 0..1200 {
        sleep(Duration::from_millis(pause)).await;
        caller.call("echo", "{}").await.unwrap();
    }
    assert!(world.fakes.spawns() > 100, "it was stopped now and then");
    let many: Vec<_> = (0..50_u64)
        .map(|number| {
            let caller = Arc::clone(&caller);
            tokio::spawn(async move {
                sleep(Duration::from_millis(number * 17)).await;
                caller.call("echo", "{}").await
            })
        })
        .collect();
    for call in many {
        call.await.unwrap().unwrap();
    }
    settle().await;
    assert_eq!(world.status().restarts, 0);
    world.end().await;
}
