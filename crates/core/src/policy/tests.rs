//! The rules as tables, and what must hold for any history.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::service::RestartSettings;

const MIDDLE: f64 = 0.5;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn failing(policy: &mut RestartPolicy, now: Instant) -> Decision {
    policy.on_exit(now, Ending::NeverReady, MIDDLE)
}

#[test]
fn a_child_that_ran_well_is_started_at_once() {
    let mut policy = RestartPolicy::new(RestartSettings::default());
    let now = Instant::now();
    assert_eq!(policy.on_exit(now, Ending::AfterReady(secs(31)), MIDDLE), Decision::RestartNow);
    assert_eq!(policy.failures(), 0);
}

#[test]
fn two_restarts_of_a_good_child_are_a_cooldown_apart() {
    let settings = RestartSettings { cooldown: secs(60), ..RestartSettings::default() };
    let mut policy = RestartPolicy::new(settings);
    let start = Instant::now();
    assert_eq!(policy.on_exit(start, Ending::AfterReady(secs(40)), MIDDLE), Decision::RestartNow);
    let again = policy.on_exit(start + secs(40), Ending::AfterReady(secs(40)), MIDDLE);
    assert_eq!(again, Decision::RestartAt(start + secs(60)));
    // The next cool-down counts from the restart that was granted, not from the death.
    let third = policy.on_exit(start + secs(101), Ending::AfterReady(secs(40)), MIDDLE);
    assert_eq!(third, Decision::RestartAt(start + secs(120)));
}

#[test]
fn failing_starts_back_off_and_end_in_a_crash_loop() {
    let mut policy = RestartPolicy::new(RestartSettings::default());
    let now = Instant::now();
    for millis in [500, 1000, 2000, 4000] {
        let expected = Decision::RestartAt(now + Duration::from_millis(millis));
        assert_eq!(failing(&mut policy, now), expected);
    }
    assert_eq!(failing(&mut policy, now), Decision::CrashLoop);
    assert!(policy.is_crash_loop());
}

#[test]
fn the_backoff_is_capped() {
    let settings = RestartSettings { max_failures: 100, ..RestartSettings::default() };
    let mut policy = RestartPolicy::new(settings);
    let now = Instant::now();
    for _ in 0..98 {
        failing(&mut policy, now);
    }
    assert_eq!(failing(&mut policy, now), Decision::RestartAt(now + secs(30)));
}

#[test]
fn time_alone_does_not_end_a_crash_loop() {
    let settings = RestartSettings { max_failures: 1, ..RestartSettings::default() };
    let mut policy = RestartPolicy::new(settings);
    let now = Instant::now();
    assert_eq!(failing(&mut policy, now), Decision::CrashLoop);
    assert_eq!(failing(&mut policy, now + secs(1_000_000)), Decision::CrashLoop);
    policy.reset();
    assert!(!policy.is_crash_loop());
    assert_eq!(policy.failures(), 0);
}

#[test]
fn an_early_death_is_a_failed_start() {
    let mut policy = RestartPolicy::new(RestartSettings::default());
    let now = Instant::now();
    let decision = policy.on_exit(now, Ending::AfterReady(Duration::from_millis(29_999)), MIDDLE);
    assert_eq!(decision, Decision::RestartAt(now + Duration::from_millis(500)));
    assert_eq!(policy.failures(), 1);
}

#[test]
fn only_a_long_healthy_run_clears_the_count() {
    let mut policy = RestartPolicy::new(RestartSettings::default());
    let now = Instant::now();
    failing(&mut policy, now);
    failing(&mut policy, now);
    policy.on_exit(now + secs(299), Ending::AfterReady(secs(299)), MIDDLE);
    assert_eq!(policy.failures(), 2);
    policy.on_exit(now + secs(600), Ending::AfterReady(secs(300)), MIDDLE);
    assert_eq!(policy.failures(), 0);
}

#[test]
fn idle_table() {
    let start = Instant::now();
    let unused = Activity { last_used: start, open_calls: 0, open_streams: 0, subscriptions: 0 };
    let policy = IdlePolicy::new(Some(secs(10)));
    let cases = [
        (policy, secs(0), unused, IdleVerdict::CheckAt(start + secs(10))),
        (policy, secs(9), unused, IdleVerdict::CheckAt(start + secs(10))),
        (policy, secs(10), unused, IdleVerdict::Stop),
        (policy, secs(99), Activity { open_calls: 1, ..unused }, IdleVerdict::Keep),
        (policy, secs(99), Activity { open_streams: 1, ..unused }, IdleVerdict::Keep),
        (policy, secs(99), Activity { subscriptions: 1, ..unused }, IdleVerdict::Keep),
        (IdlePolicy::new(None), secs(99), unused, IdleVerdict::Keep),
        (IdlePolicy::new(Some(Duration::MAX)), secs(99), unused, IdleVerdict::Keep),
    ];
    for (policy, later, activity, expected) in cases {
        assert_eq!(policy.check(start + later, &activity), expected, "{activity:?} +{later:?}");
    }
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::NeverReady),
        (0u64..600_000).prop_map(|millis| Ending::AfterReady(Duration::from_millis(millis))),
    ]
}

proptest! {
    #[test]
    fn any_history_obeys_the_bounds(
        history in prop::collection::vec((ending(), 0u64..100_000, any::<f64>()), 1..60),
        max_failures in 1u32..10,
    ) {
        let settings = RestartSettings { max_failures, ..RestartSettings::default() };
        let mut policy = RestartPolicy::new(settings);
        let mut now = Instant::now();
        for (ending, gap, jitter) in history {
            now += Duration::from_millis(gap);
            let before = policy.failures();
            match policy.on_exit(now, ending, jitter) {
                Decision::CrashLoop => prop_assert!(policy.failures() >= max_failures),
                Decision::RestartNow => prop_assert!(policy.failures() <= before),
                Decision::RestartAt(at) => {
                    prop_assert!(at > now);
                    prop_assert!(at <= now + settings.backoff_max.max(settings.cooldown));
                    if policy.failures() > before {
                        prop_assert!(at >= now + settings.backoff_min);
                    }
                    // The child runs from `at` on; the next event cannot be earlier.
                    now = at;
                }
            }
        }
    }

    #[test]
    fn jitter_spreads_but_never_leaves_the_range(
        failures in 1u32..20,
        low in 0.0f64..0.4,
        high in 0.6f64..1.0,
    ) {
        let settings = RestartSettings { max_failures: 100, ..RestartSettings::default() };
        let now = Instant::now();
        let delay = |jitter| {
            let mut policy = RestartPolicy::new(settings);
            for _ in 1..failures {
                policy.on_exit(now, Ending::NeverReady, jitter);
            }
            match policy.on_exit(now, Ending::NeverReady, jitter) {
                Decision::RestartAt(at) => at - now,
                other => panic!("{other:?}"),
            }
        };
        prop_assert!(delay(low) <= delay(high));
        prop_assert!(delay(low) >= settings.backoff_min);
        prop_assert!(delay(high) <= settings.backoff_max);
    }
}
