//! Services that are described anew, removed, cleaned up, and asked for again.

use std::time::Duration;

use standpipe_core::fault::FaultKind;
use standpipe_core::service::{ServiceId, ServiceSpec};
use standpipe_core::status::{Moment, Phase, State};
use standpipe_process::{ConfigSource, Replacement};
use standpipe_testkit::fixture_path;

use crate::client::{Client, text};
use crate::world::{World, phase, status_where, until};

/// Longer than any call of these tests, shorter than a test's patience.
const GRACE: Duration = Duration::from_secs(30);

fn changed(service: &standpipe_process::Service) -> ServiceSpec {
    let mut spec = service.spec().clone();
    spec.timeouts.question += Duration::from_secs(1);
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_service_lets_its_calls_end_and_its_successor_serves_meanwhile() {
    let world = World::new();
    let old = world.fixture(|_| {});
    let before = Client::open(&old).await.unwrap();
    let mut open = before.begin("delay", r#"{"ms":1500,"text":"done"}"#).await.unwrap();
    let pid = status_where(&old, |s| s.calls_in_flight == 1).await.pid;

    let same = world.registry.replace(old.spec().clone(), ConfigSource::File, GRACE);
    assert!(matches!(&same, Replacement::Unchanged(service) if service.same_as(&old)));
    assert_eq!(old.status().pid, pid, "who is not described anew keeps its process");

    let replaced = world.registry.replace(changed(&old), ConfigSource::File, GRACE);
    let new = replaced.service().clone();
    assert!(matches!(replaced, Replacement::Replaced { .. }), "{replaced:?}");
    let after = Client::open(&new).await.unwrap();
    let other = after.pid().await;
    assert_ne!(Some(u32::try_from(other).unwrap()), pid);
    assert_eq!(new.status().generation, 2, "the count goes on");
    // A client of before has to begin anew; its open call is none the worse for it.
    until("the session is refused as gone", async || {
        match before.begin("echo", "{}").await.map(drop) {
            Err(why) => *why.kind() == FaultKind::Removed,
            Ok(()) => panic!("a new call was let in"),
        }
    })
    .await;
    assert_eq!(text(&open.answer().await.unwrap()), "done");
    old.ended().await;
    until("the session is over", async || before.session.is_over()).await;
    // The end of the old one has touched nothing of the new one.
    assert_eq!(after.pid().await, other);
    assert_eq!(world.counted("service_phase", r#"phase="ready""#), 1);
    assert_eq!(world.counted("service_phase", r#"phase="stopped""#), 0);
    assert_eq!(world.processes().len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_of_a_replaced_service_ends_and_so_does_a_stubborn_child() {
    let world = World::new();
    let old = world.nasty(&["ignore-term"], |_| {});
    let client = Client::open(&old).await.unwrap();
    let mut open = client.begin("hang", "{}").await.unwrap();
    let grace = Duration::from_millis(100);
    let new = world.registry.replace(changed(&old), ConfigSource::File, grace).service().clone();
    let after = Client::open(&new).await.unwrap();
    assert!(matches!(open.answer().await.unwrap_err().kind(), FaultKind::ChildGone(_)));
    old.ended().await;
    assert_eq!(after.text("hello", "{}").await, "hello");
    assert_eq!(world.processes().len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_ends_with_a_new_description() {
    let world = World::new();
    let broken = world.nasty(&["exit-at-once"], |spec| spec.restart.max_failures = 2);
    Client::open(&broken).await.map(drop).unwrap_err();
    let status = phase(&broken, Phase::CrashLoop).await;
    assert_eq!(status.state, State::Error);
    let mut spec = ServiceSpec::new(broken.id().clone(), fixture_path());
    spec.restart = broken.spec().restart;
    let mended = world.registry.replace(spec, ConfigSource::File, GRACE).service().clone();
    let client = Client::open(&mended).await.unwrap();
    assert_eq!(client.text("echo", "{}").await, "{}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_have_an_order() {
    let world = World::new();
    let file = world.fixture(|_| {});
    let registry = &world.registry;
    let by_hand = registry.replace(changed(&file), ConfigSource::ControlPlane, GRACE);
    let by_hand = by_hand.service().clone();
    assert!(!by_hand.same_as(&file));
    let outranked = registry.replace(file.spec().clone(), ConfigSource::File, GRACE);
    assert!(matches!(&outranked, Replacement::Outranked(known) if known.same_as(&by_hand)));
    let id = file.id();
    assert!(registry.withdraw(id, ConfigSource::File, GRACE).is_none(), "it is not the file's");
    assert!(registry.find(id).is_some_and(|known| known.same_as(&by_hand)));
    file.ended().await;

    assert!(registry.clean_up(&by_hand, GRACE));
    assert!(registry.withdraw(id, ConfigSource::File, GRACE).is_none());
    let again = registry.get(id).expect("its description is kept");
    let withdrawn = registry.withdraw(id, ConfigSource::ControlPlane, GRACE).unwrap();
    assert!(withdrawn.same_as(&again));
    withdrawn.ended().await;
    assert!(registry.get(id).is_none(), "nor is its description kept");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_service_is_gone_and_a_cleaned_up_one_comes_back() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let id = service.id().clone();
    let client = Client::open(&service).await.unwrap();
    assert_eq!(cache_counts(&world), [0, 0]);

    assert!(world.registry.clean_up(&service, Duration::ZERO));
    assert!(!world.registry.clean_up(&service, Duration::ZERO), "it is not known any more");
    assert!(world.registry.find(&id).is_none());
    service.ended().await;
    until("the session is over", async || client.session.is_over()).await;
    assert_eq!(world.processes(), []);
    let again = world.registry.get(&id).expect("its description is kept");
    assert!(!again.same_as(&service));
    assert_eq!(cache_counts(&world), [1, 0]);
    // Whoever still holds the old one must not clean the new one up.
    assert!(!world.registry.clean_up(&service, Duration::ZERO));
    let markers = marker(&world);
    Client::open(&again).await.unwrap();
    let first = marker(&world);
    assert_ne!(markers, first);

    let removed = world.registry.remove(&id, Duration::ZERO).unwrap();
    removed.ended().await;
    assert!(world.registry.get(&id).is_none());
    assert!(world.registry.remove(&id, Duration::ZERO).is_none());
    assert_eq!(cache_counts(&world), [1, 1]);
    assert_eq!(removed.gate().pass().await.unwrap_err().kind, FaultKind::Removed);
    drop((service, again, removed, client));
    until("the series go with the service", async || {
        !world.metrics.render().contains("standpipe_service_phase{")
    })
    .await;
    // A new one of the same name has no process that could be taken for one of before.
    let new = world.fixture(|_| {});
    Client::open(&new).await.unwrap();
    assert!(marker(&world) > first);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_service_is_started_from_the_cache() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let id: ServiceId = service.id().clone();
    world.registry.get(&id).unwrap();
    let client = Client::open(&service).await.unwrap();
    assert_eq!(cache_counts(&world), [0, 0], "a service that was never stopped is not looked up");
    service.stop().await;
    for _ in 0..3 {
        assert!(world.registry.get(&id).unwrap().same_as(&service));
    }
    assert_eq!(client.text("echo", "{}").await, "{}");
    assert_eq!(cache_counts(&world), [1, 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_the_grace_of_those_that_left_before() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let client = Client::open(&service).await.unwrap();
    let mut open = client.begin("slow", r#"{"ms":600000}"#).await.unwrap();
    status_where(&service, |s| s.calls_in_flight == 1).await;
    world.registry.remove(service.id(), Duration::from_hours(1)).unwrap();
    world.registry.shutdown(Duration::ZERO).await;
    open.answer().await.unwrap_err();
    assert_eq!(service.status().phase, Phase::Stopped);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_how_the_service_is_used_and_how_its_process_ended() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let status = service.status();
    assert_eq!((status.sessions, status.calls_in_flight), (0, 0));
    assert!(status.last_accessed.is_none() && status.last_exit.is_none());
    let one = Client::open(&service).await.unwrap();
    let two = Client::open(&service).await.unwrap();
    let mut open = one.begin("slow", r#"{"ms":600000}"#).await.unwrap();
    let status = status_where(&service, |s| s.calls_in_flight == 1).await;
    assert_eq!(status.sessions, 2);
    assert!(status.last_accessed.is_some(), "it is in use");
    let before = Moment::now();
    two.call("crash", r#"{"code":7}"#).await.unwrap_err();
    open.answer().await.unwrap_err();
    let status = status_where(&service, |s| s.restarts == 1 && s.calls_in_flight == 0).await;
    assert!(status.last_accessed >= Some(before), "{status:?} is of before {before}");
    let exit = status.last_exit.expect("its process has ended");
    assert_eq!((exit.status, exit.signal), (Some(7), None));
    assert!(exit.at >= before, "{exit:?}");
    two.call("crash", r#"{"signal":9}"#).await.unwrap_err();
    let exit = service.status().last_exit.unwrap();
    assert_eq!((exit.status, exit.signal), (None, Some(9)));
    // Of one that has to be ended it is known when it is gone.
    status_where(&service, |s| s.restarts == 2 && s.phase == Phase::Ready).await;
    service.stop().await;
    let exit = service.status().last_exit.unwrap();
    assert_eq!(&*exit.reason, "it was stopped");
    assert!(exit.status.is_some() || exit.signal.is_some(), "{exit:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_said_last_is_in_its_status() {
    let world = World::new();
    let service = world.service("/bin/sh", &["-c", "seq 1 50 >&2; exit 3"], |spec| {
        spec.restart.max_failures = 1;
    });
    Client::open(&service).await.map(drop).unwrap_err();
    let status = status_where(&service, |s| {
        s.last_exit.as_ref().is_some_and(|exit| exit.stderr.last().is_some_and(|l| &**l == "50"))
    })
    .await;
    let exit = status.last_exit.unwrap();
    assert_eq!((exit.status, exit.stderr.len()), (Some(3), 20));
    world.end().await;
}

/// The number in the marker of the newest process.
fn marker(world: &World) -> u64 {
    let mut newest = 0;
    for process in world.processes() {
        let environ = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let environ = String::from_utf8_lossy(&environ).into_owned();
        let marker = environ.split('\0').find_map(|v| v.strip_prefix("STANDPIPE_INSTANCE="));
        let number = marker.and_then(|marker| marker.rsplit('/').next()?.parse().ok());
        newest = newest.max(number.unwrap_or(0));
    }
    newest
}

fn cache_counts(world: &World) -> [u64; 2] {
    let text = world.metrics.render();
    ["hits", "misses"].map(|what| {
        let name = format!("standpipe_config_cache_{what}_total ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    })
}
