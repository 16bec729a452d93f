//! The way to a service: one demand, everyone's own deadline.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::fault::FaultKind;

fn open() -> (GateState, Deliveries) {
    let (inbox, deliveries) =
        super::super::inbox(&"demo".into(), InboxLimits::for_messages_of(1000));
    (GateState::Open(inbox), deliveries)
}

/// Whether a start is asked for within a second.
async fn demanded(keeper: &GateKeeper) -> bool {
    timeout(Duration::from_secs(1), keeper.demand()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn an_open_gate_is_passed_without_waiting() {
    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    assert!(gate.try_pass().is_none());
    let (state, _child) = open();
    let GateState::Open(inbox) = state.clone() else { panic!("open") };
    keeper.set(state);
    assert!(gate.try_pass().unwrap().same_as(&inbox));
    assert!(gate.pass().await.unwrap().same_as(&inbox));
    assert!(!demanded(&keeper).await, "nobody has to start what runs");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_are_one_demand() {
    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let gate = gate.clone();
        callers.spawn(async move { gate.pass().await.is_ok() });
    }
    let demands = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&demands);
    let (state, _child) = open();
    tokio::spawn(async move {
        // As a supervisor does: only a closed gate can be demanded.
        keeper.demand().await;
        counted.fetch_add(1, Ordering::Relaxed);
        keeper.set(GateState::Opening);
        sleep(Duration::from_secs(10)).await;
        keeper.set(state);
        sleep(Duration::from_secs(10)).await;
        keeper.set(GateState::Closed);
        while demanded(&keeper).await {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    tokio::task::yield_now().await;
    let mut served = 0;
    while let Some(result) = callers.join_next().await {
        served += usize::from(matches!(result, Ok(true)));
    }
    assert_eq!(served, 1000);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(demands.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_disturb_nobody() {
    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    let mut callers = JoinSet::new();
    let mut handles = Vec::new();
    for _ in 0..1000 {
        let gate = gate.clone();
        handles.push(callers.spawn(async move { gate.pass().await.is_ok() }));
    }
    keeper.demand().await;
    keeper.set(GateState::Opening);
    for handle in handles.iter().step_by(2) {
        handle.abort();
    }
    sleep(Duration::from_secs(5)).await;
    let (state, _child) = open();
    keeper.set(state);
    let (mut served, mut gone) = (0, 0);
    while let Some(result) = callers.join_next().await {
        match result {
            Ok(passed) => served += usize::from(passed),
            Err(_) => gone += 1,
        }
    }
    assert_eq!((served, gone), (500, 500));
}

#[tokio::test(start_paused = true)]
async fn a_demand_from_before_is_not_lost_and_an_old_one_not_kept() {
    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    assert!(timeout(Duration::from_secs(1), gate.pass()).await.is_err());
    assert!(demanded(&keeper).await, "asked for before anybody listened");

    keeper.set(GateState::Closed);
    assert!(timeout(Duration::from_secs(1), gate.pass()).await.is_err());
    keeper.set(GateState::Opening);
    keeper.set(GateState::Closed);
    assert!(!demanded(&keeper).await, "who asked has gone");

    let waiting = gate.clone();
    let caller = tokio::spawn(async move { waiting.pass().await.is_ok() });
    keeper.demand().await;
    keeper.set(GateState::Opening);
    keeper.set(GateState::Closed);
    assert!(demanded(&keeper).await, "who still waits asks again");
    let (state, _child) = open();
    keeper.set(state);
    assert!(caller.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn everyone_waits_for_the_start_timeout_and_no_longer() {
    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    let start = Instant::now();
    let late = gate.clone();
    let (early, late) =
        tokio::join!(async { (gate.pass().await.unwrap_err(), start.elapsed()) }, async {
            sleep(Duration::from_secs(10)).await;
            keeper.set(GateState::Opening);
            (late.pass().await.unwrap_err(), start.elapsed())
        });
    assert_eq!((early.0.kind, early.1), (FaultKind::Starting, Duration::from_mins(1)));
    assert_eq!((late.0.kind, late.1), (FaultKind::Starting, Duration::from_secs(70)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_how_long_it_lasts() {
    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    keeper.set(GateState::Refusing {
        why: FaultKind::CoolingDown(Duration::from_secs(30)),
        until: Some(Instant::now() + Duration::from_secs(30)),
    });
    sleep(Duration::from_secs(12)).await;
    let refused = gate.pass().await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::CoolingDown(Duration::from_secs(18)));
    keeper.set(GateState::Refusing {
        why: FaultKind::StartFailed("no".into()),
        until: Some(Instant::now() + Duration::from_secs(30)),
    });
    sleep(Duration::from_secs(12)).await;
    let refused = gate.pass().await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(19));
    assert!(refused.to_string().ends_with("could not be started: no; try again in 19 s"));
    keeper.set(GateState::Refusing { why: FaultKind::CrashLoop, until: None });
    assert_eq!(gate.pass().await.unwrap_err().kind, FaultKind::CrashLoop);
    assert!(!demanded(&keeper).await, "a refusing gate is not a demand");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_caller_is_told_of_a_refusal() {
    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    let (refused, ()) = tokio::join!(gate.pass(), async {
        keeper.demand().await;
        keeper.set(GateState::Opening);
        sleep(Duration::from_secs(1)).await;
        keeper.set(GateState::Refusing { why: FaultKind::StartFailed("no".into()), until: None });
    });
    assert_eq!(refused.unwrap_err().kind, FaultKind::StartFailed("no".into()));
}

#[tokio::test(start_paused = true)]
async fn without_its_keeper_a_gate_refuses() {
    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    let (refused, ()) = tokio::join!(gate.pass(), async move { drop(keeper) });
    assert_eq!(refused.unwrap_err().kind, FaultKind::Removed);
    assert_eq!(gate.pass().await.unwrap_err().kind, FaultKind::Removed);

    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    let (state, _child) = open();
    keeper.set(state);
    drop(keeper);
    assert!(gate.try_pass().is_none());

    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    keeper.set(GateState::Refusing { why: FaultKind::Draining, until: None });
    drop(keeper);
    assert_eq!(gate.pass().await.unwrap_err().kind, FaultKind::Draining, "the last word counts");
}
